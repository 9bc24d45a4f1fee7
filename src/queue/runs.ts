/**
 * The requested runs, as entries of BullMQ queues: one entry for each run, whose payload is the
 * request and whose return value is the report.
 *
 *     ferryline-runs         runs that any worker takes
 *     ferryline-runs-NAME    runs that only workers called NAME take
 *
 * How a request becomes an entry, or joins one, is in request-run.ts.
 */
import { present } from '../core/present.js';
import type { RunRequest, RunView } from '../core/request.js';
import { Acknowledged } from './acknowledged.js';
import { answered } from './answered.js';
import { firstEntryOf, moveRun } from './move-run.js';
import {
  addRun,
  type QueuedRun,
  type RunRules,
  serves,
  type UnfinishedRun,
  unfinishedRun,
} from './request-run.js';
import { type OpenedQueue, type RunEntry, RunQueues } from './run-queues.js';
import type { Signals } from './signals.js';
import type { Store } from './store/store.js';
import { type Place, UnfinishedRuns } from './unfinished.js';

export interface RunQueue {
  /**
   * Puts a request in the queue, or finds a run of its job that has not begun and will do the same;
   * resolves when it is stored. Errors: `network`.
   */
  request(request: RunRequest, rules: RunRules): Promise<QueuedRun>;
  /**
   * Puts a request in the queue as a run of its own, unless `reason` has an answer for one of the
   * job's unfinished runs, of which it is asked about the newest first; resolves to that answer.
   */
  requestUnless<T>(
    request: RunRequest,
    rules: RunRules,
    reason: (other: UnfinishedRun) => T | undefined,
  ): Promise<T | undefined>;
  /** A run that is in the queue: waiting, active, or ended not long ago. */
  find(run: string): Promise<RunView | undefined>;
  /** The waiting and active runs, and the newest ended ones: at most `ended` of each queue. */
  list(ended: number): Promise<RunView[]>;
  /** The queues of runs that somebody paused in the store, such as by a dashboard: none of their runs begins. Errors: `network`. */
  pausedQueues(): Promise<string[]>;
  /** Marks a run as cancelled, so that the next worker that takes it does not begin it. */
  markCancelled(run: string): Promise<void>;
  /** Ends the wait of these jobs' runs for a moment, or for another attempt. */
  wake(jobs: ReadonlySet<string>): Promise<void>;
  /** Removes a run that waits; false when it is being carried out, does not exist, or has begun before and `begunToo` is false. */
  remove(run: string, begunToo?: boolean): Promise<boolean>;
  /** Where a run is or was, and the runs that have not ended: as far as this process knows. */
  placeOf(run: string): Place | undefined;
  isUnfinished(run: string): boolean;
  unfinished(): readonly Place[];
  /** Moves a run that waits to the queue of other workers; resolves to false when it has begun or ended. Errors: `network`. */
  move(run: Place, worker: string | undefined): Promise<boolean>;
  /** Of a run that was moved: what keeps it from beginning, its first entry, which may be in hand or have ended. Errors: `network`. */
  firstEntryOf(request: RunRequest): ReturnType<typeof firstEntryOf>;
  /** Notes with a run in hand why a worker gives it back. Errors: `network`. */
  decline(run: string, worker: string, why: string): Promise<void>;
  /** Includes the queues of workers of these names from now on. Errors: `network`. */
  watchWorkers(names: Iterable<string>): Promise<void>;
  /**
   * Looks which runs have not ended: signals may have been missed. What is not in the store is
   * forgotten if `isWhole` then says that the store lost nothing. Errors: `network`.
   */
  refill(isWhole?: () => Promise<boolean>): Promise<void>;
  /**
   * Adds the acknowledged requests again that the store lost, unless `hasEnded`; resolves to how many.
   * With `mark` they are marked: another process may have begun or ended them. Errors: `network`.
   */
  addLost(hasEnded: (run: string) => Promise<boolean>, mark: boolean): Promise<number>;
  close(): Promise<void>;
}

/** Resolves once it is known which runs have not ended. Errors: `network`. */
export async function openRunQueue(
  store: Store,
  signals: Pick<Signals, 'send' | 'on'>,
  onError: (error: Error) => void,
  acknowledged: Acknowledged = new Acknowledged(),
): Promise<RunQueue> {
  const queues = new RunQueues(store, onError);
  const known = new UnfinishedRuns();
  signals.on('requested', ({ run, job, worker }) => {
    queues.open(worker);
    known.add({ run, job, worker });
  });
  const ended = (run: string) => {
    known.ended(run);
    acknowledged.ended(run);
  };
  signals.on('ended', ({ run }) => ended(run));

  const find = async (run: string): Promise<RunEntry | undefined> => {
    const place = known.placeOf(run);
    const first = place === undefined ? [] : [queues.open(place.worker)];
    for (const { queue } of new Set([...first, ...queues.all()])) {
      const entry = await answered(queue.getJob(run));
      if (entry !== undefined) return entry;
    }
    return undefined;
  };

  const fill = async (opened: readonly OpenedQueue[]) => {
    const names = new Set(opened.map(({ worker }) => worker));
    const before = known.all().filter(({ worker }) => names.has(worker));
    const listed: Place[] = [];
    for (const { worker, queue } of opened)
      for (const { entry } of await unfinishedOf(queue)) {
        const { run, job } = entry.data;
        listed.push({ run, job, worker });
        // Whoever acknowledged it may have ended since.
        acknowledged.add(entry.data, { worker, attempts: entry.opts.attempts ?? 1 });
      }
    known.fill(before, listed);
  };

  const announce = ({ run, job, worker }: Place) => {
    known.add({ run, job, worker });
    // Workers look by themselves, too: a request that was stored does not fail for a lost signal.
    void signals.send('requested', { run, job, ...present({ worker }) }).catch(onError);
  };

  const inTurn = new Turns();
  const runs: RunQueue = {
    async request(request, rules) {
      const other = await runs.requestUnless(request, rules, (unfinished) =>
        serves(unfinished, request) ? unfinished.request : undefined,
      );
      if (other !== undefined) acknowledged.add(other, rules);
      return { run: (other ?? request).run, joined: other !== undefined };
    },

    requestUnless(request, rules, reason) {
      return inTurn.take(request.job, async () => {
        for (const { run, worker } of known.ofJob(request.job)) {
          const entry = await answered(queues.open(worker).queue.getJob(run));
          const other = entry && (await unfinishedRun(entry));
          if (other === undefined) {
            known.ended(run);
            continue;
          }
          const answer = reason(other);
          if (answer !== undefined) return answer;
        }
        const { queue } = await queues.openForRequests(rules.worker);
        await addRun(queue, request, rules.attempts);
        acknowledged.add(request, rules);
        announce({ run: request.run, job: request.job, worker: rules.worker });
        return undefined;
      });
    },

    async find(run) {
      const entry = await find(run);
      if (entry === undefined) return undefined;
      // An ended run stays ended: no second question to the store.
      const ended = entry.finishedOn !== undefined;
      return viewOf(entry, ended ? 'completed' : await answered(entry.getState()));
    },

    async list(ended) {
      const views: RunView[] = [];
      for (const { queue } of queues.all()) {
        for (const { entry, state } of await unfinishedOf(queue)) views.push(viewOf(entry, state));
        if (ended === 0) continue;
        for (const entry of await answered(queue.getJobs(['completed', 'failed'], 0, ended - 1)))
          if (entry !== undefined) views.push(viewOf(entry, 'completed'));
      }
      return views;
    },

    async pausedQueues() {
      const opened = [...queues.all()].map(async ({ queue }) =>
        (await answered(queue.isPaused())) ? [queue.name] : [],
      );
      return (await Promise.all(opened)).flat();
    },

    async markCancelled(run) {
      const entry = await find(run);
      if (entry !== undefined) await answered(entry.updateData({ ...entry.data, cancelled: true }));
    },

    async wake(jobs) {
      for (const { queue } of queues.all())
        for (const entry of await answered(queue.getJobs(['delayed'])))
          if (entry !== undefined && jobs.has(entry.data.job))
            await answered(entry.promote()).catch(async (error) => {
              // Another process may just have done it.
              if ((await answered(entry.getState())) === 'delayed') throw error;
            });
    },

    async remove(run, begunToo = true) {
      const entry = await find(run);
      if (entry === undefined) return false;
      if (!begunToo && (await unfinishedRun(entry))?.began) return false;
      const state = await answered(entry.getState());
      if (state !== 'waiting' && state !== 'delayed') return false;
      try {
        await answered(entry.remove());
        ended(run);
        return true;
      } catch (error) {
        // A worker may just have taken it.
        if ((await answered(entry.getState())) === 'active') return false;
        throw error;
      }
    },

    placeOf: (run) => known.placeOf(run),
    isUnfinished: (run) => known.has(run),
    unfinished: () => known.all(),

    async move(place, worker) {
      const moved = await moveRun(queues, place, worker);
      if (moved) announce({ ...place, worker });
      return moved;
    },

    firstEntryOf: (request) => firstEntryOf(queues, request),

    async decline(run, worker, why) {
      const entry = await find(run);
      if (entry === undefined) return;
      const declined = { ...entry.data.declined, [worker]: why };
      await answered(entry.updateData({ ...entry.data, declined }));
    },

    async watchWorkers(names) {
      const fresh = [...new Set(names)].filter((name) => !queues.isOpen(name));
      await fill(fresh.map((name) => queues.open(name)));
    },

    async refill(isWhole = async () => false) {
      await queues.openKnown();
      await fill(queues.all());
      if (await isWhole()) acknowledged.keepOnly(new Set(known.all().map(({ run }) => run)));
    },

    async addLost(hasEnded, mark) {
      let added = 0;
      for (const { request, rules } of acknowledged.all()) {
        const { run, job } = request;
        if ((await find(run)) !== undefined) continue;
        if (await hasEnded(run)) {
          ended(run);
          continue;
        }
        const { queue } = await queues.openForRequests(rules.worker);
        await addRun(queue, mark ? { ...request, again: true } : request, rules.attempts);
        announce({ run, job, worker: rules.worker });
        added++;
      }
      return added;
    },
    close: () => queues.close(),
  };
  await runs.refill();
  return runs;
}

/** The runs of a queue that have not ended. */
async function unfinishedOf(
  queue: OpenedQueue['queue'],
): Promise<{ readonly entry: RunEntry; readonly state: string }[]> {
  const found = new Map<string, { readonly entry: RunEntry; readonly state: string }>();
  // A run may change its state between the readings: each of its ways ends in one that is read again.
  for (const state of ['active', 'waiting', 'delayed', 'waiting', 'active'] as const)
    for (const entry of await answered(queue.getJobs([state])))
      if (entry !== undefined) found.set(entry.data.run, { entry, state });
  return [...found.values()];
}

/** One task of each key at a time, in the order in which they came. */
class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  take<T>(key: string, task: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(key) ?? Promise.resolve()).then(task, task);
    this.#last.set(key, turn);
    const leave = () => {
      if (this.#last.get(key) === turn) this.#last.delete(key);
    };
    turn.then(leave, leave);
    return turn;
  }
}

function viewOf(entry: RunEntry, state: string): RunView {
  const { run, job, trigger, slot } = entry.data;
  const report = entry.returnvalue ?? undefined;
  const unfinished = state === 'active' || state === 'waiting' || state === 'delayed';
  const began = state === 'active' ? entry.processedOn : undefined;
  const beganAt = began === undefined ? undefined : new Date(began).toISOString();
  const { waitsFor } = entry.progress as { readonly waitsFor?: string };
  return {
    run,
    job,
    trigger,
    ...present({ slot, beganAt, waitsFor: state === 'delayed' ? waitsFor : undefined }),
    state: unfinished ? state : 'ended',
    ...(unfinished || report === undefined ? {} : { outcome: report.outcome, report }),
  };
}
