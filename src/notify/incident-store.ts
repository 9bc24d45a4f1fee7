/**
 * Incidents in the store. Each is an entry of `ferryline-incidents`, which only the process that keeps
 * incidents writes. What others have to say to it are notes: entries whose id is made of what they say, so
 * that one that is said twice is one.
 */
import { Queue } from 'bullmq';
import type { Incident, Silence } from '../core/incident.js';
import { isFromNewer, type Payload, payloadVersion } from '../core/payload.js';
import { answered } from '../queue/answered.js';
import { keepEvents, type Store } from '../queue/store/store.js';

/** What is said to whoever keeps incidents. */
export type Note =
  | {
      readonly note: 'acknowledged';
      readonly incident: string;
      readonly by: string;
      readonly at: number;
    }
  | {
      readonly note: 'missed';
      readonly job: string;
      /** Ms since the epoch; of several slots the last one. */
      readonly slot: number;
      readonly count: number;
      readonly why: string;
    };

/** How far the ended runs were judged. */
export interface Progress {
  /** Every run that ended before, ISO 8601, UTC, was judged. */
  readonly until: string;
  /** When each job was seen first, ms since the epoch: from then on a success is missing. */
  readonly seen: Readonly<Record<string, number>>;
}

type Entry = Payload &
  (
    | { readonly incident: Incident }
    | { readonly silence: Silence }
    | { readonly progress: Progress }
    | { readonly said: Note }
  );

const progressId = 'progress';

export class IncidentStore {
  readonly #incidents: Queue<Entry>;
  readonly #notes: Queue<Entry>;

  constructor(store: Store, onError: (error: Error) => void) {
    const open = (part: string) => {
      const queue = new Queue<Entry>(
        store.queueName(part),
        { ...store.options(), ...keepEvents(10) },
        store.backend,
      );
      queue.on('error', onError);
      return queue;
    };
    this.#incidents = open('incidents');
    this.#notes = open('incident-notes');
  }

  /** All incidents that are kept, and how far runs were judged. Errors: `network`, as of all below. */
  async load(): Promise<{ incidents: Incident[]; progress: Progress | undefined }> {
    const entries = await this.#all(this.#incidents);
    return {
      incidents: entries.flatMap((one) => ('incident' in one ? [one.incident] : [])),
      progress: entries.flatMap((one) => ('progress' in one ? [one.progress] : []))[0],
    };
  }

  save(incident: Incident): Promise<void> {
    return this.#put(this.#incidents, incident.id, { incident });
  }

  saveProgress(progress: Progress): Promise<void> {
    return this.#put(this.#incidents, progressId, { progress });
  }

  async forget(incident: string): Promise<void> {
    await answered(this.#incidents.remove(incident));
  }

  /** What was said, and the silences, ended ones too. */
  async notes(): Promise<{ said: Map<string, Note>; silences: Silence[] }> {
    const said = new Map<string, Note>();
    const silences: Silence[] = [];
    for (const entry of await this.#all(this.#notes)) {
      if ('silence' in entry) silences.push(entry.silence);
      else if ('said' in entry) said.set(idOfNote(entry.said), entry.said);
    }
    return { said, silences };
  }

  /** A note that is there already stays as it is. */
  async say(note: Note): Promise<void> {
    const data = { said: note, v: payloadVersion };
    await answered(this.#notes.add('note', data, { jobId: idOfNote(note) }));
  }

  silence(silence: Silence): Promise<void> {
    return this.#put(this.#notes, silence.id, { silence });
  }

  /** A note that was heard, or a silence that nobody asks for any more. */
  async drop(note: string): Promise<void> {
    await answered(this.#notes.remove(note));
  }

  async close(): Promise<void> {
    await Promise.all([this.#incidents.close(), this.#notes.close()]);
  }

  /** What newer builds wrote is left to them. */
  async #all(queue: Queue<Entry>): Promise<Entry[]> {
    const entries = await answered(queue.getJobs(['waiting']));
    return entries.flatMap((one) => (one === undefined || isFromNewer(one.data) ? [] : [one.data]));
  }

  async #put(queue: Queue<Entry>, id: string, entry: Entry): Promise<void> {
    const data = { ...entry, v: payloadVersion };
    const known = await answered(queue.getJob(id));
    if (known === undefined) await answered(queue.add('incident', data, { jobId: id }));
    else await answered(known.updateData(data as never));
  }
}

function idOfNote(note: Note): string {
  if (note.note === 'acknowledged') return `acknowledged-${note.incident}`;
  return `missed-${note.job}.${note.slot}`;
}
