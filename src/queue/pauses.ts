/**
 * The pauses: kept in the queue `ferryline-pauses` for all processes, and in a file of the state
 * folder that survives the loss of the queue. If the two differ, the newer account holds. A pause
 * that ends by itself stays recorded; every process goes by its own clock.
 */
import { Queue } from 'bullmq';
import { keyOf, type Pause, type PauseDetails, type PauseScope, scopeOf } from '../core/pause.js';
import { isFromNewer, type Payload, payloadVersion } from '../core/payload.js';
import { present } from '../core/present.js';
import { escapeText } from '../core/text.js';
import { readKeptFile, writeKeptFile } from '../state/kept-file.js';
import { pausesFile } from '../state/layout.js';
import { answered } from './answered.js';
import { keepEvents, type Store } from './store/store.js';

/** Earlier versions wrote no details. */
interface PauseState extends PauseDetails {
  readonly paused: boolean;
  /** When it was set by the store's clock, ms since the epoch; later than every account it replaces. */
  readonly at: number;
}

export interface Pauses {
  /** The pauses that hold now; with keys (core/pause.ts), those of them. */
  holding(keys?: readonly string[]): Pause[];
  /** Once it resolves, the pause holds over restarts and the loss of the queue. It replaces one of the same scope. */
  pause(scope: PauseScope, details: PauseDetails): Promise<void>;
  /** Ends a pause; resolves to false if there was none. */
  resume(scope: PauseScope, details: Pick<PauseDetails, 'by'>): Promise<boolean>;
  /** Takes the newer account of each pause from the queue or the file: at the start, after an outage, after a change by another process. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface PausesOptions {
  readonly store: Store;
  /** The state folder. */
  readonly state: string;
  readonly onError: (error: Error) => void;
  readonly onWarning?: (message: string) => void;
}

export async function openPauses(options: PausesOptions): Promise<Pauses> {
  const { store, state, onError } = options;
  const { onWarning = (message: string) => onError(new Error(message)) } = options;
  const queue = new Queue<PauseState & Payload & { job: string }>(
    store.queueName('pauses'),
    { ...store.options(), ...keepEvents(10) },
    store.backend,
  );
  queue.on('error', onError);
  const file = pausesFile(state);
  // If the file is damaged, the queue still has the states.
  const states = await readKeptFile(file, isPauseState, onWarning);

  const keep = () => writeKeptFile(file, states);
  const publish = async (key: string, state: PauseState) => {
    const data = { job: key, ...state, v: payloadVersion };
    const entry = await answered(queue.getJob(key));
    if (entry === undefined) await answered(queue.add('pause', data, { jobId: key }));
    else await answered(entry.updateData(data));
  };
  /** Pauses that the log has named, since this version can't read them. */
  const named = new Set<string>();
  const isRead = (data: Payload & { job: string }): boolean => {
    if (!isFromNewer(data)) return true;
    if (!named.has(data.job))
      onWarning(
        `the pause ${escapeText(data.job)} was set by a newer version of ferryline; this one can't read it, and goes by what it knew before`,
      );
    named.add(data.job);
    return false;
  };
  const takeNewer = (key: string, other: PauseState) => {
    if (other.at > (states.get(key)?.at ?? 0)) states.set(key, other);
  };
  const set = async (key: string, change: Omit<PauseState, 'at'>) => {
    // The change must be newer than what it changes, whichever clock that was dated by.
    const queued = await answered(queue.getJob(key)).catch(() => undefined);
    if (queued !== undefined && isRead(queued.data)) takeNewer(key, stateOf(queued.data));
    const before = states.get(key);
    const now = await answered(store.now()).catch(() => store.clock());
    const changed = { ...change, at: Math.max(Math.floor(now), (before?.at ?? 0) + 1) };
    states.set(key, changed);
    await keep();
    await publish(key, changed);
    return before;
  };
  const isHeld = (state: PauseState | undefined) =>
    state?.paused === true && (state.until === undefined || state.until > store.clock());

  const pauses: Pauses = {
    holding(keys = [...states.keys()]) {
      return keys.flatMap((key) => {
        const state = states.get(key);
        if (state === undefined || !isHeld(state)) return [];
        const { paused: _, at, ...details } = state;
        return [{ ...scopeOf(key), since: at, ...details }];
      });
    },
    async pause(scope, details) {
      await set(keyOf(scope), { paused: true, ...details });
    },
    async resume(scope, details) {
      return isHeld(await set(keyOf(scope), { paused: false, ...details }));
    },
    async sync() {
      const queued = new Map<string, PauseState>();
      const unread = new Set<string>();
      for (const { data } of await answered(queue.getJobs(['waiting']))) {
        if (isRead(data)) queued.set(data.job, stateOf(data));
        else unread.add(data.job);
      }
      for (const [key, state] of queued) takeNewer(key, state);
      await keep();
      for (const [key, known] of states)
        if (!unread.has(key) && known.at > (queued.get(key)?.at ?? 0)) await publish(key, known);
    },
    close: () => queue.close(),
  };
  await pauses.sync();
  return pauses;
}

function stateOf({ paused, at, until, reason, by }: PauseState): PauseState {
  return { paused, at, ...present({ until, reason, by }) };
}

function isPauseState(value: unknown): value is PauseState {
  const { paused, at, until, reason, by } = (value ?? {}) as Partial<PauseState>;
  return (
    typeof paused === 'boolean' &&
    Number.isFinite(at) &&
    (until === undefined || Number.isFinite(until)) &&
    [reason, by].every((text) => text === undefined || typeof text === 'string')
  );
}
