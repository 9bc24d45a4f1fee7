/**
 * Keeps incidents: takes in what happened, and makes the messages that channels are owed. Of all processes
 * on a store one does it at a time. What it does is written in an order in which it may be cut off
 * anywhere: an incident first, then the message, whose id is that of the step, then that it was told.
 */
import { type Incident, type Silence, silenceOf } from '../core/incident.js';
import type { Channel } from '../core/notify.js';
import { present } from '../core/present.js';
import type { IncidentStore, Note } from './incident-store.js';
import { type Happening, judge } from './judge.js';
import { type Message, type Messages, mostIncidents, type Step } from './messages.js';
import { afterTelling, due, type Owed, owedOf } from './owed.js';

export interface KeeperParts {
  readonly store: IncidentStore;
  readonly messages: Messages;
  /** The store's clock, ms since the epoch. */
  readonly now: () => number;
  readonly channels: () => ReadonlyMap<string, Channel>;
  /** Whether a job's incidents are for a channel; of an incident without a job it is not asked. */
  readonly isFor: (job: string, channel: string) => boolean;
  /** The remotes that a job uses. */
  readonly remotesOf: (job: string) => readonly string[];
  /** An incident was kept. */
  readonly onSaved?: () => void;
}

const dayMs = 86_400_000;
/** Ended incidents, and silences, are kept for so long. */
const keptMs = 90 * dayMs;

export class Keeper {
  readonly #parts: KeeperParts;
  #incidents = new Map<string, Incident>();
  #silences: readonly Silence[] = [];

  constructor(parts: KeeperParts) {
    this.#parts = parts;
  }

  /** Reads what is kept. Everything else comes after this. Errors: `network`, as of all below. */
  async load() {
    const { incidents, progress } = await this.#parts.store.load();
    this.#incidents = new Map(incidents.map((one) => [one.id, one]));
    return progress;
  }

  open(): Incident[] {
    return [...this.#incidents.values()].filter(({ closedAt }) => closedAt === undefined);
  }

  /** Takes in what happened, one after another. */
  async take(happenings: readonly Happening[]): Promise<void> {
    for (const happening of happenings)
      for (const changed of judge(this.open(), happening)) await this.#save(changed);
  }

  /** Takes in what other processes said; what was heard is dropped. */
  async hear(): Promise<void> {
    const { store, now } = this.#parts;
    const { said, silences } = await store.notes();
    for (const [id, note] of said) {
      await this.take([happeningOf(note)]);
      await store.drop(id);
    }
    this.#silences = silences;
    for (const { id, endedAt, until } of silences)
      if ((endedAt ?? until) < now() - keptMs) await store.drop(id);
  }

  /** Makes the messages that are due. */
  async tell(): Promise<void> {
    await this.#dropSilenced();
    for (const channel of this.#parts.channels().values()) {
      if (channel.target.kind === 'healthchecks') continue;
      const owed = await this.#settled(this.#owedTo(channel), channel);
      const together = due(owed, channel, this.#parts.now());
      if (together.length > 0) await this.#send(together, channel);
    }
  }

  /** Forgets what ended long ago. */
  async forgetOld(): Promise<void> {
    const before = this.#parts.now() - keptMs;
    for (const { id, closedAt } of [...this.#incidents.values()]) {
      if (closedAt === undefined || closedAt > before) continue;
      await this.#parts.store.forget(id);
      this.#incidents.delete(id);
    }
  }

  #isSilenced(incident: Incident): boolean {
    const { remotesOf, now } = this.#parts;
    return silenceOf(incident, this.#silences, remotesOf, now()) !== undefined;
  }

  /** Of what began and ended while it was silenced there is no message. */
  async #dropSilenced(): Promise<void> {
    const { channels, now } = this.#parts;
    for (const incident of [...this.#incidents.values()]) {
      if (incident.closedAt === undefined || !this.#isSilenced(incident)) continue;
      const untold = [...channels().keys()].filter((name) => incident.told[name] === undefined);
      if (untold.length === 0) continue;
      const dropped = untold.map((name) => [name, { at: now(), dropped: true }] as const);
      const told = { ...incident.told, ...Object.fromEntries(dropped) };
      await this.#save({ ...incident, told });
    }
  }

  #owedTo(channel: Channel): Owed[] {
    const now = this.#parts.now();
    return [...this.#incidents.values()].flatMap((incident) => {
      const { job, key } = incident;
      const isFor =
        job === undefined
          ? key !== `system.delivery/${channel.name}`
          : this.#parts.isFor(job, channel.name);
      if (!isFor || this.#isSilenced(incident)) return [];
      return owedOf(incident, channel, now, this.#earlier(incident)) ?? [];
    });
  }

  /** When the same occurred in incidents that have ended. */
  #earlier({ key, openedAt }: Incident): readonly number[] {
    return [...this.#incidents.values()]
      .filter((one) => one.key === key && one.openedAt < openedAt)
      .flatMap(({ times }) => times);
  }

  /**
   * Without those of which a message exists, as after a crash: they are marked as told. The end of an
   * incident waits for the message about its beginning, which names it, too, if it was late.
   */
  async #settled(owed: readonly Owed[], channel: Channel): Promise<Owed[]> {
    const left: Owed[] = [];
    const settled = new Set<string>();
    for (const one of owed) {
      const step = { incident: one.incident.id, step: one.step };
      if (settled.has(keyOf(step))) continue;
      const known = await this.#parts.messages.telling(step, channel.name);
      if (known !== undefined) {
        await this.#markTold(await this.#parts.messages.add(known.message));
        for (const other of known.message.steps) settled.add(keyOf(other));
      } else if (one.step !== 'recovered' || !(await this.#waits(one.incident, channel)))
        left.push(one);
    }
    return left.filter(
      ({ incident, step }) => !settled.has(keyOf({ incident: incident.id, step })),
    );
  }

  /** Whether there is no message of an incident's end now: that of its beginning is still on its way, or named the end. */
  async #waits(incident: Incident, channel: Channel): Promise<boolean> {
    const { messages, now } = this.#parts;
    const id = incident.told[channel.name]?.message;
    const opened = id === undefined ? undefined : await messages.find(id);
    if (opened === undefined) return false;
    if (opened.end === undefined) return true;
    if (opened.end.recovered?.includes(incident.id) !== true) return false;
    await this.#save(afterTelling(incident, channel.name, 'recovered', opened.id, now()));
    return true;
  }

  async #send(together: readonly Owed[], { name }: Channel): Promise<void> {
    const replyTo = together[0]?.incident.told[name]?.message;
    const message: Message = {
      ...present({ replyTo }),
      channel: name,
      steps: together.map(({ incident, step }) => ({ incident: incident.id, step })),
      incidents: together.slice(0, mostIncidents).map(({ incident }) => inShort(incident)),
      madeAt: this.#parts.now(),
    };
    await this.#markTold(await this.#parts.messages.add(message));
  }

  async #markTold({
    id,
    message,
  }: {
    readonly id: string;
    readonly message: Message;
  }): Promise<void> {
    const { channel, steps, madeAt } = message;
    for (const { incident, step } of steps) {
      const known = this.#incidents.get(incident);
      if (known === undefined) continue;
      let told = afterTelling(known, channel, step, id, madeAt);
      const shown = message.incidents.find((one) => one.id === incident);
      // It had ended before anybody was notified, and the message says so.
      if (step === 'opened' && shown?.closedAt !== undefined)
        told = afterTelling(told, channel, 'recovered', id, madeAt);
      await this.#save(told);
    }
  }

  async #save(incident: Incident): Promise<void> {
    await this.#parts.store.save(incident);
    this.#incidents.set(incident.id, incident);
    this.#parts.onSaved?.();
  }
}

/** As a message has it: who was notified of what is for us. */
export function inShort(incident: Incident): Incident {
  return { ...incident, told: {}, steps: [], times: [] };
}

function happeningOf(note: Note): Happening {
  const { note: what, ...rest } = note;
  return { what, ...rest } as Happening;
}

function keyOf({ incident, step }: Step): string {
  return `${incident}.${step}`;
}
