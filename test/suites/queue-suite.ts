/**
 * What the queue promises, tested on every store. `start` opens two views of one store, like two
 * processes; the embedded store has a single process, so there both are the same.
 */
import { setMaxListeners } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue, QueueEvents } from 'bullmq';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { Budget } from '../../src/core/at-once.js';
import type { Report } from '../../src/core/events.js';
import type { Job } from '../../src/core/job.js';
import { keyOf } from '../../src/core/pause.js';
import { payloadVersion, plannedVersion } from '../../src/core/payload.js';
import type { Permit, Permits } from '../../src/core/permit.js';
import { present } from '../../src/core/present.js';
import type { Assignment, AttemptEnd, RunRequest } from '../../src/core/request.js';
import { isRunId, runTime } from '../../src/core/run-id.js';
import { type Consumer, consume } from '../../src/queue/consume.js';
import { earlierProcesses } from '../../src/queue/earlier-processes.js';
import { Fetcher, type Taken } from '../../src/queue/fetcher.js';
import { installationOf, storeLayout } from '../../src/queue/installation.js';
import { openLeftBehind } from '../../src/queue/left-behind.js';
import { openLostRuns } from '../../src/queue/lost-runs.js';
import { Parked } from '../../src/queue/parked.js';
import { openPauses, type Pauses } from '../../src/queue/pauses.js';
import { openPermits } from '../../src/queue/permits.js';
import { openRunQueue, type RunQueue } from '../../src/queue/runs.js';
import { openSignals, type Signals } from '../../src/queue/signals.js';
import { openSlots, type SlotRequest } from '../../src/queue/slots.js';
import type { Store } from '../../src/queue/store/store.js';
import { openWorkers, unknownAfterMs, type Workers } from '../../src/queue/workers.js';
import { slotDecider } from '../../src/triggers/schedule/decide-slot.js';
import { eventually } from '../kit/daemons/daemon.js';
import { temporaryFolder } from '../kit/files/temporary.js';

export interface QueueKit {
  /** Two views of the store, open. */
  readonly stores: readonly [Store, Store];
  stop(): Promise<void>;
}

const never = new AbortController().signal;
setMaxListeners(0, never);
let count = 0;
const day = 86_400_000;

/** A name that no other test uses: they share the store. */
function fresh(prefix = 'job'): string {
  return `${prefix}-${process.pid}-${++count}`;
}

/** The same store, whose answers to those who take entries arrive when the test lets them. An embedded one stays as it is. */
function answeringLate(store: Store, answers: (() => void)[]): Store {
  if (store.kind === 'embedded') return store;
  const backend = (name: string, options: unknown) => {
    const made = store.backend(name, options);
    const moveToActive = made.moveToActive.bind(made);
    made.moveToActive = async (...args: Parameters<typeof moveToActive>) => {
      const answer = await moveToActive(...args);
      await new Promise<void>((resolve) => answers.push(resolve));
      return answer;
    };
    return made;
  };
  return { ...store, backend };
}

export function queueSuite(name: string, start: () => Promise<QueueKit>): void {
  describe(name, () => {
    let kit: QueueKit;
    let queue: RunQueue;
    let other: RunQueue;
    let ended: Map<string, number>;
    /** The runs that the other side has heard of. */
    const requested = new Set<string>();
    let signals: readonly [Signals, Signals];
    /** What looks for runs where it hears of a request, by the worker's name. */
    const hearing: readonly Map<string, Consumer>[] = [new Map(), new Map()];
    const errors: Error[] = [];
    const onError = (error: Error) => {
      errors.push(error);
    };

    beforeAll(async () => {
      kit = await start();
      const [here, there] = kit.stores;
      signals = [await openSignals(here, onError), await openSignals(there, onError)];
      queue = await openRunQueue(here, signals[0], onError);
      other = await openRunQueue(there, signals[1], onError);
      ended = new Map();
      signals[1].on('requested', ({ run }) => requested.add(run));
      for (const [view, consumers] of hearing.entries())
        signals[view]?.on('requested', ({ worker = '' }) => consumers.get(worker)?.look());
      signals[0].on('ended', ({ run }) => ended.set(run, (ended.get(run) ?? 0) + 1));
    }, 120_000);
    afterAll(async () => {
      await queue?.close();
      await other?.close();
      await Promise.all((signals ?? []).map((one) => one.close()));
      await kit?.stop();
    }, 60_000);
    beforeEach(() => {
      errors.length = 0;
    });

    const request = (job: string, more: Partial<RunRequest> = {}): RunRequest => ({
      run: fresh('run'),
      job,
      trigger: 'manual',
      ...more,
    });
    const report = ({ run, job, trigger }: RunRequest): Report =>
      ({ run, job, trigger, outcome: 'succeeded', exitCode: 0 }) as Report;
    /**
     * Workers of a name of their own, so that tests don't take each other's runs. A `deaf` one hears of no request,
     * as if each message were lost.
     */
    const work = (
      worker: string,
      carryOut: (assignment: Assignment) => Promise<AttemptEnd>,
      view = 0,
      deaf = false,
    ): Consumer => {
      const places = new Budget(10);
      const consumer = consume(kit.stores[view] as Store, {
        workers: [worker],
        takePlace: () => (places.tryTake(1) ? () => places.give(1) : undefined),
        carryOut,
        onEnded: (run) => void signals[view as 0 | 1].send('ended', { run }).catch(onError),
        onGivenUp: () => {},
        onError,
      });
      if (!deaf) hearing[view]?.set(worker, consumer);
      // After a failure, too: a store can't be closed while a worker waits on it.
      onTestFinished(() => {
        hearing[view]?.delete(worker);
        return consumer.close();
      });
      return consumer;
    };
    const until = (what: () => boolean | Promise<boolean>) => eventually(what);

    test('a request becomes a run, whose report can be read afterwards', async () => {
      const worker = fresh('worker');
      const asked = request(fresh());
      const { run, joined } = await queue.request(asked, { worker, attempts: 1 });
      expect([run, joined]).toEqual([asked.run, false]);
      expect((await queue.find(run))?.state).toBe('waiting');
      const seen: Assignment[] = [];
      work(worker, async (assignment) => {
        seen.push(assignment);
        expect(assignment.isOurs()).toBe(true);
        return { next: 'end', report: report(assignment.request) };
      });
      await until(() => ended.has(run));
      expect(ended.get(run)).toBe(1);
      expect(seen.map((one) => [one.request, one.attempt])).toEqual([
        [{ ...asked, v: payloadVersion }, 1],
      ]);
      expect(await other.find(run)).toMatchObject({
        state: 'ended',
        outcome: 'succeeded',
        report: { run },
      });
      expect(await queue.list(10)).toContainEqual(expect.objectContaining({ run }));
    });

    /** A consumer whose runs end when `go` is called. */
    const workOnceToldTo = (worker: string) => {
      const taken: string[] = [];
      let go = () => {};
      const gate = new Promise<void>((open) => {
        go = open;
      });
      work(worker, async ({ request: asked }) => {
        taken.push(asked.run);
        await gate;
        return { next: 'end', report: report(asked) };
      });
      return { taken, go };
    };

    test('requests join the run that has not begun; behind one that has, a run is in the queue at once', async () => {
      const worker = fresh('worker');
      const job = fresh();
      const ask = (asker: RunQueue) => asker.request(request(job), { worker, attempts: 1 });
      const first = await ask(queue);
      expect(first.joined).toBe(false);
      await until(() => requested.has(first.run));
      const joined = { run: first.run, joined: true };
      expect(await Promise.all([queue, other, queue].map(ask))).toEqual([joined, joined, joined]);
      const { taken, go } = workOnceToldTo(worker);
      await until(() => taken.length === 1);
      const burst = await Promise.all(Array.from({ length: 400 }, () => ask(queue)));
      const runs = new Set(burst.map(({ run }) => run));
      // The consumer of this test takes ten at once, and one more waits.
      expect(runs.size).toBeLessThanOrEqual(10);
      expect(runs).not.toContain(first.run);
      for (const run of runs) expect(await queue.find(run)).toBeDefined();
      go();
      await until(() => [...runs].every((run) => ended.has(run)));
      expect(taken.toSorted()).toEqual([first.run, ...runs].toSorted());
      expect([...runs].map((run) => ended.get(run))).toEqual([...runs].map(() => 1));
    }, 60_000);

    test('what is requested behind a run can be listed, and survives the cancel of that run', async () => {
      const worker = fresh('worker');
      const job = fresh();
      let attempts = 0;
      work(worker, async () => {
        attempts++;
        return { next: 'retry', after: 3_600_000, why: 'not yet' };
      });
      const first = await queue.request(request(job), { worker, attempts: 3 });
      await until(async () => (await queue.find(first.run))?.state === 'delayed');
      const second = await queue.request(request(job), { worker, attempts: 3 });
      expect([second.joined, second.run === first.run]).toEqual([false, false]);
      const listed = (await other.list(0)).filter((view) => view.job === job);
      expect(listed.map(({ run }) => run).sort()).toEqual([first.run, second.run].sort());
      expect(await other.remove(first.run)).toBe(true);
      await until(
        async () => attempts === 2 && (await queue.find(second.run))?.state === 'delayed',
      );
      expect(await queue.remove(second.run)).toBe(true);
    });

    test('a request sent twice, over a broken connection, or for a run that has ended, holds up no later one', async () => {
      const worker = fresh('worker');
      const job = fresh();
      const asked = request(job, { trigger: 'rescan' });
      work(worker, async ({ request: one }) => ({ next: 'end', report: report(one) }));
      await queue.request(asked, { worker, attempts: 1 });
      await until(() => ended.has(asked.run));
      await queue.request(asked, { worker, attempts: 1 });
      const later = await queue.request(request(job, { trigger: 'rescan' }), {
        worker,
        attempts: 1,
      });
      expect(later.joined).toBe(false);
      await until(() => ended.has(later.run));
      expect(ended.get(asked.run)).toBe(1);
    });

    test('a run of some folders is served by one of the whole tree or of the same folders, and serves no other', async () => {
      const worker = fresh('worker');
      const job = fresh();
      const rules = { worker, attempts: 1 };
      const ask = (folders?: readonly string[]) =>
        queue.request(request(job, present({ folders })), rules);
      const some = await ask(['a', 'b']);
      expect(await ask(['b'])).toEqual({ run: some.run, joined: true });
      expect((await ask(['b', 'c'])).joined).toBe(false);
      const whole = await ask();
      expect(whole.joined).toBe(false);
      expect(await ask(['d'])).toEqual({ run: whole.run, joined: true });
      expect(await ask()).toEqual({ run: whole.run, joined: true });
    });

    test('what a reason says of an unfinished run keeps a request out; the others are asked about first to last', async () => {
      const worker = fresh('worker');
      const job = fresh();
      const rules = { worker, attempts: 1 };
      const { taken, go } = workOnceToldTo(worker);
      const slot = request(job, { slot: '2026-01-01T00:00:00.000Z', trigger: 'schedule' });
      expect(await queue.requestUnless(slot, rules, () => 'never asked')).toBeUndefined();
      await until(() => taken.length === 1);
      const next = request(job, { trigger: 'schedule' });
      const why = await queue.requestUnless(next, rules, (unfinished) =>
        unfinished.request.slot === undefined ? undefined : unfinished.state,
      );
      expect(why).toBe('active');
      expect(await queue.find(next.run)).toBeUndefined();
      go();
      await until(() => ended.has(slot.run));
      expect(await queue.requestUnless(next, rules, () => 'in the way')).toBeUndefined();
      await until(() => ended.has(next.run));
    });

    test('a process that comes later knows the runs that wait, for whichever worker', async () => {
      const worker = fresh('nobody');
      const job = fresh();
      const first = await queue.request(request(job), { worker, attempts: 1 });
      const later = await openRunQueue(kit.stores[1], signals[1], onError);
      expect((await later.list(0)).map(({ run }) => run)).toContain(first.run);
      expect(await later.request(request(job), { worker, attempts: 1 })).toEqual({
        run: first.run,
        joined: true,
      });
      await later.close();
    });

    test('a run that waits moves to other workers under its id; of its two entries one is begun', async () => {
      const [worker, next] = [fresh('nobody'), fresh('worker')];
      const job = fresh();
      const asked = request(job);
      await queue.request(asked, { worker, attempts: 3 });
      expect(await queue.move({ run: asked.run, job, worker }, next)).toBe(true);
      expect(await queue.move({ run: asked.run, job, worker }, next)).toBe(false);
      await until(() => other.placeOf(asked.run)?.worker === next);
      expect(await other.request(request(job), { worker, attempts: 1 })).toEqual({
        run: asked.run,
        joined: true,
      });
      // As a process leaves it that dies between adding the second entry and removing the first.
      await other.request({ ...asked, folders: ['x'] }, { worker, attempts: 3 });
      const seen: Assignment[] = [];
      work(next, async (assignment) => {
        seen.push(assignment);
        expect(await queue.firstEntryOf(assignment.request)).toBe('gone');
        return { next: 'end', report: report(assignment.request) };
      });
      await until(() => ended.has(asked.run));
      expect(seen.map((one) => one.attempts)).toEqual([3]);
      expect((await queue.list(0)).filter(({ run }) => run === asked.run)).toEqual([]);
    });

    test('the second entry of a moved run sees that the first is in hand, and how it ended', async () => {
      const worker = fresh('worker');
      const job = fresh();
      const { taken, go } = workOnceToldTo(worker);
      const first = await queue.request(request(job), { worker, attempts: 1 });
      const second = { ...request(job), run: first.run, movedFrom: { worker } };
      await until(() => taken.length === 1);
      expect(await queue.move({ run: first.run, job, worker }, fresh('other'))).toBe(false);
      expect(await other.firstEntryOf(second)).toBe('unfinished');
      go();
      await until(() => ended.has(first.run));
      expect(await other.firstEntryOf(second)).toMatchObject({ report: { run: first.run } });
    });

    test('a request that no worker hears of is found all the same', async () => {
      const worker = fresh('worker');
      work(worker, async ({ request: asked }) => ({ next: 'end', report: report(asked) }), 0, true);
      const { run } = await queue.request(request(fresh()), { worker, attempts: 1 });
      await until(() => ended.has(run));
    });

    test('why a worker gave a run back is there for the next one', async () => {
      const worker = fresh('worker');
      const seen: RunRequest['declined'][] = [];
      work(worker, async ({ request: asked }) => {
        seen.push(asked.declined);
        if (seen.length === 3) return { next: 'end', report: report(asked) };
        await queue.decline(asked.run, `w${seen.length}`, 'no folder');
        return { next: 'wait', until: Date.now() };
      });
      const { run } = await queue.request(request(fresh()), { worker, attempts: 1 });
      await until(() => ended.has(run));
      expect(seen).toEqual([undefined, { w1: 'no folder' }, { w1: 'no folder', w2: 'no folder' }]);
    });

    test('a run is tried again after the wait that its worker asks for, at most as often as it may', async () => {
      const worker = fresh('worker');
      const job = fresh();
      const attempts: number[] = [];
      work(worker, async ({ request: asked, attempt, attempts: all }) => {
        attempts.push(attempt);
        expect(all).toBe(3);
        if (attempt < 3) return { next: 'retry', after: 50, why: 'not yet' };
        return { next: 'end', report: report(asked) };
      });
      const { run } = await queue.request(request(job), { worker, attempts: 3 });
      await until(() => ended.has(run));
      expect(attempts).toEqual([1, 2, 3]);
      expect((await queue.find(run))?.outcome).toBe('succeeded');
    });

    test('a run that is returned is taken by another worker, as the same attempt', async () => {
      const worker = fresh('worker');
      const { run } = await queue.request(request(fresh()), { worker, attempts: 3 });
      let returned = 0;
      const first = work(worker, async () => {
        returned++;
        void first.pause();
        return { next: 'return' };
      });
      await until(() => returned === 1);
      await first.close();
      expect((await queue.find(run))?.state).toBe('waiting');
      const attempts: number[] = [];
      work(
        worker,
        async ({ request: asked, attempt }) => {
          attempts.push(attempt);
          return { next: 'end', report: report(asked) };
        },
        1,
      );
      await until(() => ended.has(run));
      expect(attempts).toEqual([1]);
    });

    test('runs that are to wait come again, as the same attempt, to whichever worker, and end only when they were carried out', async () => {
      const worker = fresh('worker');
      const taken = new Map<string, number>();
      const attempts = new Set<number>();
      const carryOut = async ({ request: asked, attempt }: Assignment): Promise<AttemptEnd> => {
        const times = (taken.get(asked.run) ?? 0) + 1;
        taken.set(asked.run, times);
        attempts.add(attempt);
        if (times < 4) return { next: 'wait', until: Date.now() + 20 * times };
        return { next: 'end', report: report(asked) };
      };
      work(worker, carryOut, 0);
      work(worker, carryOut, 1);
      const runs = await Promise.all(
        Array.from({ length: 20 }, () => queue.request(request(fresh()), { worker, attempts: 1 })),
      );
      await until(() => runs.every(({ run }) => ended.has(run)));
      expect(runs.map(({ run }) => taken.get(run))).toEqual(runs.map(() => 4));
      expect([...attempts]).toEqual([1]);
      for (const { run } of runs)
        expect(await queue.find(run)).toMatchObject({ state: 'ended', report: { run } });
    }, 60_000);

    test('a run that is to wait joins requests, and can be removed', async () => {
      const worker = fresh('worker');
      const job = fresh();
      let taken = 0;
      work(worker, async () => {
        taken++;
        return { next: 'wait', until: Number.POSITIVE_INFINITY };
      });
      const { run } = await queue.request(request(job), { worker, attempts: 1 });
      await until(async () => taken === 1 && (await queue.find(run))?.state === 'delayed');
      const more = await queue.request(request(job), { worker, attempts: 1 });
      expect(more).toEqual({ run, joined: true });
      await queue.wake(new Set([fresh()]));
      await other.wake(new Set([job]));
      await queue.wake(new Set([job]));
      await until(async () => taken > 1 && (await queue.find(run))?.state === 'delayed');
      expect(await queue.remove(run)).toBe(true);
      expect(await queue.find(run)).toBeUndefined();
    });

    test('a run that waits after it has begun serves no later request', async () => {
      const worker = fresh('worker');
      const job = fresh();
      let taken = 0;
      work(worker, async () => {
        taken++;
        return { next: 'wait', until: Number.POSITIVE_INFINITY, began: true };
      });
      const { run } = await queue.request(request(job), { worker, attempts: 1 });
      await until(async () => taken === 1 && (await queue.find(run))?.state === 'delayed');
      const more = await queue.request(request(job), { worker, attempts: 1 });
      expect([more.joined, more.run === run]).toEqual([false, false]);
    });

    test('a run that waits can be removed; one that has begun or ended cannot', async () => {
      const worker = fresh('worker');
      const job = fresh();
      const { run } = await queue.request(request(job), { worker, attempts: 1 });
      expect(await queue.remove(run)).toBe(true);
      expect(await queue.find(run)).toBeUndefined();
      expect(await queue.remove(run)).toBe(false);
      const again = await queue.request(request(job), { worker, attempts: 1 });
      expect(again.joined).toBe(false);
      work(worker, async ({ request: asked }) => {
        expect(await queue.remove(asked.run)).toBe(false);
        return { next: 'end', report: report(asked) };
      });
      await until(() => ended.has(again.run));
    });

    test('a run that misses a permit leaves its place to others, and comes back when the permit is released', async () => {
      const worker = fresh('worker');
      const permit = fresh('job-x');
      const ended: string[] = [];
      let isFree = false;
      let tries = 0;
      const place = new Budget(1);
      const consumer = consume(kit.stores[0], {
        workers: [worker],
        takePlace: () => (place.tryTake(1) ? () => place.give(1) : undefined),
        async carryOut({ request: asked, attempt }): Promise<AttemptEnd> {
          expect(attempt).toBe(1);
          if (asked.job !== 'other') tries++;
          if (asked.job !== 'other' && !isFree) return { next: 'park', waitsFor: permit };
          return { next: 'end', report: report(asked) };
        },
        onEnded: (run) => ended.push(run),
        onGivenUp: () => {},
        onError,
      });
      onTestFinished(() => consumer.close());
      const rules = { worker, attempts: 1 };
      const waiting: string[] = [];
      for (const _ of Array(3)) {
        const asked = request(fresh());
        waiting.push(asked.run);
        await queue.request(asked, rules);
      }
      const other = request('other');
      await queue.request(other, rules);
      consumer.look();
      await until(() => ended.includes(other.run) && tries === 3);
      for (const run of waiting)
        expect(await queue.find(run)).toMatchObject({ state: 'delayed', waitsFor: permit });
      isFree = true;
      // The oldest is called back, and no other.
      consumer.released(fresh('job-y'));
      consumer.released(permit);
      await until(() => ended.length > 1);
      expect(ended).toEqual([other.run, waiting[0]]);
      consumer.released(permit);
      await until(() => ended.length === 3);
      consumer.released(permit);
      await until(() => ended.length === 4);
      expect(ended.slice(1)).toEqual(waiting);
      expect(errors).toEqual([]);
    }, 30_000);

    test('a run that is called back and then waits for something else passes its turn on', async () => {
      const [worker, permit, another] = [fresh('worker'), fresh('remote-x'), fresh('job-x')];
      const seen: string[] = [];
      const parkedAt = (run: string, waitsFor: string): AttemptEnd => {
        const isSecond = seen.includes(run);
        seen.push(run);
        if (!isSecond) return { next: 'park', waitsFor };
        return run.startsWith('away')
          ? { next: 'wait', until: Date.now() + 60_000 }
          : run.startsWith('other')
            ? { next: 'park', waitsFor: another }
            : { next: 'end', report: report(request('x', { run })) };
      };
      const consumer = work(worker, async ({ request: { run } }) =>
        // Whoever waits for the lock of a run by hand looks again by itself, before any other.
        parkedAt(run, run.startsWith('by-hand') ? 'lock' : permit),
      );
      const runs = ['away', 'other', 'last', 'by-hand'].map((name) => fresh(name));
      for (const run of runs) {
        await queue.request(request(fresh(), { run }), { worker, attempts: 1 });
        consumer.look();
        await until(async () => (await queue.find(run))?.state === 'delayed');
      }
      consumer.released(permit);
      await until(() => seen.length === 8);
      expect(seen).toEqual([...runs, ...runs]);
      const [away = ''] = runs;
      await until(async () => (await queue.find(away))?.state === 'delayed');
      expect((await queue.find(away))?.waitsFor).toBeUndefined();
      await queue.remove(away);
      await queue.remove(runs[1] as string);
    }, 30_000);

    test('runs that miss a permit at the same moment are called back, each of them', async () => {
      const name = fresh('parked');
      const fetcher = new Fetcher(kit.stores[0], name, { mostDeaths: 1, onError });
      onTestFinished(() => fetcher.close());
      const runs = ['run-1', 'run-2', 'run-3'];
      await fetcher.add(runs.map((run) => ({ name: 'run', data: {}, opts: { jobId: run } })));
      const parked = new Parked();
      const park = async () => {
        const { entry, token, since } = (await fetcher.fetch()) as Taken<unknown, unknown>;
        await parked.add(entry, token, 'permit', since.steady);
      };
      await Promise.all(runs.map(park));
      const queue = new Queue(name, kit.stores[0].options(), kit.stores[0].backend);
      onTestFinished(() => queue.close());
      for (const left of [2, 1, 0]) {
        await parked.released('permit');
        expect(await queue.getDelayedCount()).toBe(left);
      }
      // One that came while the one before was called back is kept, too.
      await Promise.all([park(), park().then(() => parked.released('permit')), park()]);
      await parked.released('permit');
      await parked.released('permit');
      expect(await queue.getDelayedCount()).toBe(0);
    });

    test('a permit is taken at once or not at all; who missed it hears when it is released, in another process, too', async () => {
      const signals = await Promise.all(kit.stores.map((store) => openSignals(store, onError)));
      const [here, there] = kit.stores.map((store, i) =>
        openPermits(store, signals[i] as Signals, onError),
      ) as [Permits, Permits];
      const name = fresh('job');
      const heard: string[] = [];
      there.onReleased((permit) => heard.push(permit));
      const held = await here.tryTake(name, 1);
      expect(held?.isOurs()).toBe(true);
      const wanted = new Promise<void>((resolve) => {
        signals[0]?.on('wanted', ({ permit }) => permit === name && resolve());
      });
      expect(await there.tryTake(name, 1)).toBeUndefined();
      expect(await there.tryTake(name, 1)).toBeUndefined();
      await wanted;
      expect(heard).toEqual([]);
      await held?.release();
      await until(() => heard.length > 0);
      expect(heard).toEqual([name]);
      // And each time again, however short the time since then.
      for (const times of [2, 3, 4]) {
        let again: Permit | undefined;
        await until(async () => {
          again = await here.tryTake(name, 1);
          return again !== undefined;
        });
        expect(await there.tryTake(name, 1)).toBeUndefined();
        await again?.release();
        await until(() => heard.length === times);
      }
      expect(await there.tryTake(name, 1)).toBeDefined();
      expect(await here.tryTake(name, 1)).toBeUndefined();
      await Promise.all([here, there, ...signals].map((one) => one.close()));
      expect(errors).toEqual([]);
    }, 30_000);

    test('a permit that is released while the answer is on its way that it is taken: it is taken at once', async () => {
      const signals = await Promise.all(kit.stores.map((store) => openSignals(store, onError)));
      const answers: (() => void)[] = [];
      const [here, there] = [
        openPermits(kit.stores[0], signals[0] as Signals, onError),
        openPermits(answeringLate(kit.stores[1], answers), signals[1] as Signals, onError),
      ];
      const name = fresh('job');
      const held = await here.tryTake(name, 1);
      const heard = new Promise<void>((resolve) => {
        there.onReleased((permit) => permit === name && resolve());
      });
      const trying = there.tryTake(name, 1);
      // An embedded queue answers in memory.
      if (kit.stores[0].kind === 'embedded') expect(await trying).toBeUndefined();
      else await until(() => answers.length > 0);
      await held?.release();
      await heard;
      const answering = setInterval(() => {
        for (const answer of answers.splice(0)) answer();
      }, 10);
      onTestFinished(() => clearInterval(answering));
      const taken = (await trying) ?? (await there.tryTake(name, 1));
      expect(taken?.isOurs()).toBe(true);
      await Promise.all([here, there, ...signals].map((one) => one.close()));
      expect(errors).toEqual([]);
    }, 30_000);

    test('two permits for twenty takers: never a third, and every taker has a turn', async () => {
      const wanted: string[] = [];
      const signals = await Promise.all(kit.stores.map((store) => openSignals(store, onError)));
      signals[0]?.on('wanted', ({ permit }) => wanted.push(permit));
      const sides = kit.stores.map((store, i) =>
        openPermits(store, signals[i] as Signals, onError),
      );
      const name = fresh('remote');
      let held = 0;
      let most = 0;
      let turns = 0;
      await Promise.all(
        Array.from({ length: 20 }, async (_, i) => {
          const permit = await (sides[i % 2] as (typeof sides)[0]).take(name, 2, never);
          most = Math.max(most, ++held);
          await sleep(5);
          held--;
          turns++;
          await permit.release();
        }),
      );
      expect([turns, most]).toEqual([20, 2]);
      expect(wanted).toContain(name);
      expect(errors).toEqual([]);
      await Promise.all([...sides, ...signals].map((side) => side.close()));
    }, 60_000);

    test('a permit whose taker has left goes back, and a smaller number removes some', async () => {
      const signals = await openSignals(kit.stores[0], onError);
      const permits = openPermits(kit.stores[0], signals, onError);
      const name = fresh('remote');
      const both = await Promise.all([permits.take(name, 2, never), permits.take(name, 2, never)]);
      const gone = new AbortController();
      const third = permits.take(name, 2, gone.signal);
      gone.abort(new Error('no longer'));
      await expect(third).rejects.toThrow('no longer');
      await Promise.all(both.map((permit) => permit.release()));
      const one = await permits.take(name, 1, never);
      let second: Permit | undefined;
      const waiting = permits.take(name, 1, never).then((permit) => {
        second = permit;
      });
      await sleep(300);
      expect(second).toBeUndefined();
      await one.release();
      await waiting;
      await (second as Permit | undefined)?.release();
      await permits.close();
      await signals.close();
    }, 30_000);

    test('a slot put there by two schedulers is decided once, and its end is kept', async () => {
      const sides = kit.stores.map((store) => openSlots(store, onError));
      const [first, second] = sides as [(typeof sides)[0], (typeof sides)[0]];
      const job = fresh();
      const slot = Date.UTC(2026, 0, 1, 2);
      const decided: SlotRequest[] = [];
      const decide = async (asked: SlotRequest) => {
        if (asked.job === job) decided.push(asked);
        return asked.skip === undefined
          ? ({ end: 'ran', run: 'x' } as const)
          : ({ end: 'skipped', why: asked.skip } as const);
      };
      const handler = { decide, outlived: () => undefined, left: () => {} };
      first.decide(handler);
      second.decide(handler);
      await Promise.all([
        first.add({ job, slot, how: 'due' }),
        second.add({ job, slot, how: 'due' }),
        second.add({ job, slot: slot + 60_000, how: 'catch-up', skip: 'paused' }),
      ]);
      await until(async () => (await first.skipped(job, 10)).length === 1);
      await until(() => decided.length >= 2);
      await first.add({ job, slot, how: 'due' });
      expect(await second.end(job, slot)).toEqual({ end: 'ran', run: 'x' });
      const paused = { job, slot: '2026-01-01T02:01:00.000Z', why: 'paused' };
      expect(await second.skipped(job, 10)).toEqual([paused]);
      expect((await second.newest()).get(job)).toBe(slot + 60_000);
      const gap = { from: slot + 120_000, count: 1440, skip: 'missed' };
      await first.add({ job, slot: slot + day, how: 'catch-up', ...gap });
      await until(async () => (await first.skipped(job, 10)).length === 2);
      expect(await second.skipped(job, 10)).toContainEqual({
        ...{ job, slot: '2026-01-02T02:00:00.000Z', why: 'missed', count: 1440 },
        ...{ from: '2026-01-01T02:02:00.000Z', to: '2026-01-02T02:00:00.000Z' },
      });
      await Promise.all(sides.map((side) => side.close()));
      expect(decided.map((one) => one.slot).sort()).toEqual([slot, slot + 60_000, slot + day]);
    });

    test('what was decided ahead of the clock does not count when its slot comes', async () => {
      const slots = openSlots(kit.stores[0], onError);
      const job = fresh();
      const now = Date.UTC(2036, 0, 1);
      const decided: SlotRequest[] = [];
      slots.decide({
        async decide(asked) {
          if (asked.job === job) decided.push(asked);
          return asked.skip === undefined
            ? { end: 'ran', run: `run of ${asked.slot}` }
            : { end: 'skipped', why: asked.skip };
        },
        outlived: () => undefined,
        left: () => {},
      });
      const offer = (after: number, skip?: string) =>
        slots.add({ job, slot: now + after, how: 'due', ...present({ skip }) });
      const half = 30 * 60_000;
      await Promise.all([offer(-60_000), offer(half), offer(day)]);
      await Promise.all([offer(half - 60_000, 'missed'), offer(2 * day, 'missed')]);
      await until(async () => (await slots.skipped(job, 10)).length === 2);
      await until(async () => (await slots.end(job, now + day)) !== undefined);
      expect(decided).toHaveLength(5);
      expect((await slots.forgetAfter(now)).get(job)).toBe(now - 60_000);
      expect(await slots.skipped(job, 10)).toEqual([]);
      decided.length = 0;
      // A run at most an hour ahead is the slot's own: the clock was only set back.
      await Promise.all([offer(-60_000), offer(half), offer(half - 60_000), offer(day)]);
      await offer(2 * day);
      await until(() => decided.length === 3);
      expect(decided.map(({ slot, again }) => [slot - now, again]).toSorted()).toEqual(
        [
          [2 * day, undefined],
          [half - 60_000, undefined],
          [day, 1],
        ].toSorted(),
      );
      await slots.close();
    });

    test('slots that the store lost before they were decided are added again, others are not', async () => {
      const [slots, decider] = [
        openSlots(kit.stores[0], onError),
        openSlots(kit.stores[1], onError),
      ];
      const [job, slot] = [fresh(), Date.UTC(2026, 6, 1)];
      const decided: number[] = [];
      const entries = new Queue('ferryline-slots', kit.stores[0].options(), kit.stores[0].backend);
      const lose = async () => {
        for (const entry of await entries.getJobs(['waiting', 'completed']))
          if (entry?.data.job === job) await entry.remove();
      };
      await slots.add({ job, slot, how: 'due' });
      await lose();
      await slots.addLost();
      const decide = async (asked: SlotRequest) => {
        decided.push(asked.slot - slot);
        return { end: 'ran', run: 'x' } as const;
      };
      for (const one of [slots, decider])
        one.decide({ decide, outlived: () => undefined, left: () => {} });
      await until(async () => (await slots.end(job, slot)) !== undefined);
      // Both add this one, and one of them decides it.
      await Promise.all(
        [slots, decider].map((one) => one.add({ job, slot: slot + 60_000, how: 'due' })),
      );
      await until(async () => (await slots.end(job, slot + 60_000)) !== undefined);
      await slots.close();
      expect(decided).toEqual([0, 60_000]);
      await decider.close();
      await entries.close();
    });

    test("a job's ended slots are kept whatever other jobs have, and its oldest goes", async () => {
      const slots = openSlots(kit.stores[0], onError);
      const [job, busy] = [fresh(), fresh()];
      const slot = Date.UTC(2026, 5, 1);
      const decide = async () => ({ end: 'ran', run: 'x' }) as const;
      // Two are kept.
      slots.decide({ decide, outlived: (asked) => asked.slot - 120_000, left: () => {} });
      const offer = async (name: string, n: number) => {
        await slots.add({ job: name, slot: slot + n * 60_000, how: 'due' });
        await until(async () => (await slots.end(name, slot + n * 60_000)) !== undefined);
      };
      await offer(job, 0);
      for (let n = 0; n < 5; n++) await offer(busy, n);
      const known = async (name: string, n: number) =>
        (await slots.end(name, slot + n * 60_000)) !== 'lost';
      expect(await known(job, 0)).toBe(true);
      expect(await Promise.all([0, 1, 2, 3, 4].map((n) => known(busy, n)))).toEqual([
        ...[false, false, false],
        ...[true, true],
      ]);
      await slots.close();
    });

    test('a slot that is decided again makes no second run: after a kill, by another, and when only the report is left', async () => {
      const worker = fresh('worker');
      const name = fresh();
      const starts = { worker, retry: { attempts: 1 }, catchUp: { slots: 'latest' } };
      const job = { name, starts } as unknown as Job;
      const slot = Date.UTC(2026, 0, 1, 2);
      const reports = new Set<string>();
      let emptiedAt: number | undefined;
      const decider = (runs: RunQueue) =>
        slotDecider({
          runs,
          jobNamed: () => job,
          pauseOf: () => undefined,
          hasReport: async (run) => reports.has(run),
          emptiedAt: () => emptiedAt,
        });
      const due = { job: name, slot, how: 'due' } as const;
      const first = await decider(queue)(due);
      const run = 'run' in first ? first.run : '';
      expect(isRunId(run)).toBe(true);
      expect(runTime(run)).toBe(slot);
      // The first one was killed before it could store how the slot ended.
      await other.watchWorkers([worker]);
      expect(await decider(other)(due)).toEqual(first);
      const ran: string[] = [];
      const marked: string[] = [];
      work(worker, async ({ request: asked }) => {
        ran.push(asked.run);
        if (asked.again) marked.push(asked.run);
        return { next: 'end', report: report(asked) };
      });
      await until(() => ended.has(run));
      expect(await decider(queue)(due)).toEqual(first);
      reports.add(run);
      const elsewhere = await openRunQueue(kit.stores[1], signals[1], onError);
      expect(await decider(elsewhere)(due)).toEqual(first);
      await elsewhere.close();
      const again = await decider(queue)({ ...due, again: 1 });
      expect(again).not.toEqual(first);
      await until(() => ran.length === 2);
      expect(ran).toEqual([run, 'run' in again && again.run]);
      expect(marked).toEqual([]);
      // Of a slot before the store was emptied nobody knows whether it ran.
      emptiedAt = slot;
      const before = await decider(queue)({ ...due, again: 2 });
      const lost = 'run' in before ? before.run : '';
      await until(() => ended.has(lost));
      await decider(queue)({ ...due, slot: slot + day });
      await until(() => ran.length === 4);
      expect(marked).toEqual([lost]);
    });

    test('all processes are one installation, from the first moment', async () => {
      const ids = await Promise.all(
        [...kit.stores, ...kit.stores].map((store) => installationOf(store, onError)),
      );
      expect(new Set(ids).size).toBe(1);
      expect(await installationOf(kit.stores[1], onError)).toBe(ids[0]);
    });

    test('a store of the layout before is taken over, unless a process of that layout uses it; a newer one is refused', async () => {
      const [store] = kit.stores;
      const id = await installationOf(store, onError);
      const marks = new Queue('ferryline-installation', store.options(), store.backend);
      onTestFinished(() => marks.close());
      const mark = async (layout?: number) =>
        (await marks.getJob('installation'))?.updateData({ id, ...present({ layout }) });
      const marked = async () => (await marks.getJob('installation'))?.data.layout;

      await mark();
      // An earlier build's connections to PostgreSQL can't be made here: test/daemon/upgrade.test.ts has one.
      if (store.kind === 'redis') {
        const earlier = new QueueEvents('ferryline-signals', store.options(), store.backend);
        await until(async () => (await earlierProcesses(store)).length === 1);
        await expect(installationOf(store, onError)).rejects.toMatchObject({
          kind: 'busy',
          message: expect.stringMatching(/^1 process of an earlier version .*; its layout is 1, /),
          hint: expect.stringContaining('stop every daemon of the earlier version'),
        });
        expect(await marked()).toBeUndefined();
        await earlier.close();
        await until(async () => (await earlierProcesses(store)).length === 0);
      }
      // Processes of this build are not taken for earlier ones.
      const signals = await openSignals(store, onError);
      expect(await installationOf(store, onError)).toBe(id);
      expect(await marked()).toBe(storeLayout);
      await signals.close();

      await mark(storeLayout + 1);
      await expect(installationOf(store, onError)).rejects.toMatchObject({
        kind: 'config',
        message: `the queue has layout ${storeLayout + 1}, made by a newer ferryline; this version knows layouts up to ${storeLayout}`,
      });
      await mark(storeLayout);
    });

    test("the store's clock is one for all processes", async () => {
      const [first, second] = kit.stores;
      const readings: number[] = [];
      for (const store of [first, second, first, second]) readings.push(await store.now());
      expect(readings).toEqual(readings.toSorted((a, b) => a - b));
      // The servers of these tests run on this machine.
      expect(Math.abs((await first.now()) - Date.now())).toBeLessThan(60_000);
    });

    const presence = (pid: number) => () => ({
      ...{ host: 'h', pid, version: '1', roles: ['worker'], names: ['n'], digest: 'd' },
      ...{ runs: [`run-${pid}`], startedAt: `2026-11-24T02:00:0${pid}.000Z` },
    });

    test('a process is known to all until it ends, or is silent for a minute; what was removed comes again', async () => {
      const [here, there] = kit.stores;
      const later = { ...there, now: async () => (await there.now()) + unknownAfterMs };
      const [first, second, last] = [here, there, later].map((store) =>
        openWorkers(store, onError),
      );
      if (first === undefined || second === undefined || last === undefined) throw new Error();
      await second.begin(presence(2));
      await first.begin(presence(1));
      const pids = async (workers = first) => (await workers.known()).map(({ pid }) => pid);
      // An embedded store has one process.
      const both = here.kind === 'embedded' ? [1] : [1, 2];
      expect(await pids()).toEqual(both);
      expect((await first.known())[0]).toMatchObject(presence(1)());
      expect(await pids(last)).toEqual([]);
      expect(await pids()).toEqual(both.slice(here.kind === 'embedded' ? 0 : 2));
      await Promise.all([first.tell(), second.tell()]);
      expect(await pids()).toEqual(both);
      await second.close();
      await second.tell();
      expect(await pids()).toEqual([1]);
      await Promise.all([first.close(), last.close()]);
    });

    test('the report of a run that the store lost is found at the process that has it', async () => {
      const [here, there] = kit.stores;
      const reports = new Map<string, Report>();
      const [first, second] = [openWorkers(here, onError), openWorkers(there, onError)];
      const lost = (side: 0 | 1, workers: Workers, reportOf = async (_run: string) => undefined) =>
        openLostRuns({ signals: signals[side], workers, reportOf, onError });
      await Promise.all([first.begin(presence(1)), second.begin(presence(2))]);
      const { ask } = lost(0, first);
      const asked = request(fresh());
      if (here.kind === 'embedded') {
        expect(await ask(asked.run)).toBe('none');
        return;
      }
      // Nobody answers yet.
      expect(await ask(asked.run)).toBe('unsure');
      lost(1, second, async (run) => reports.get(run) as undefined);
      expect(await ask(asked.run)).toBe('none');
      reports.set(asked.run, report(asked));
      expect(await ask(asked.run)).toEqual(report(asked));
      // A store that was emptied has forgotten who there was.
      const entries = new Queue('ferryline-workers', here.options(), here.backend);
      await Promise.all([first.id, second.id].map((id) => entries.remove(id)));
      await entries.close();
      await first.tell();
      expect(await first.heardOf()).toContain(second.id);
      await second.close();
      await first.tell();
      expect(await first.heardOf()).not.toContain(second.id);
      await first.close();
    });

    test('of a worker that is gone it is known when it was last seen, and how its last bad run ended', async () => {
      const [first, second] = kit.stores.map((store) => openLeftBehind(store, onError));
      const [worker, job] = [fresh('w'), fresh()];
      const began = Date.now();
      first?.begin(worker);
      await first?.keepEnd(job, 'r1', ['old']);
      await first?.keepEnd(job, 'r2', ['one', 'two']);
      await first?.close();
      const isShared = kit.stores[0].kind !== 'embedded';
      const seen = await second?.seenAt(worker);
      if (isShared) expect(Math.abs(Date.parse(seen ?? '') - began)).toBeLessThan(60_000);
      else expect(seen).toBeUndefined();
      expect(await second?.endOfLog(job, 'r2')).toEqual(isShared ? ['one', 'two'] : []);
      expect(await second?.endOfLog(job, 'r1')).toEqual([]);
      expect(await second?.seenAt(fresh('w'))).toBeUndefined();
      await second?.close();
    });

    test('a signal reaches every process once, its sender at once', async () => {
      const sides = await Promise.all(kit.stores.map((store) => openSignals(store, onError)));
      const [first, second] = sides as [(typeof sides)[0], (typeof sides)[0]];
      const here: string[] = [];
      const there: string[] = [];
      first.on('cancel', ({ run }) => here.push(run));
      second.on('cancel', (message) => there.push(JSON.stringify(message)));
      const first1 = first.send('cancel', { run: 'r1' });
      expect(here).toEqual(['r1']);
      await first1;
      await first.send('wanted', { permit: 'p' });
      await first.send('cancel', { run: 'r2' });
      await until(() => there.length === 2);
      await second.send('cancel', { run: 'r3' });
      await until(() => here.length === 3);
      expect(here).toEqual(['r1', 'r2', 'r3']);
      expect(there).toEqual(['r1', 'r2', 'r3'].map((run) => JSON.stringify({ run })));
      await Promise.all(sides.map((side) => side.close()));
    });

    /** With `clock`, the store's. */
    const pausesOf = (view: 0 | 1, state: string, clock?: () => number) => {
      const now = clock === undefined ? {} : { clock, now: async () => clock() };
      return openPauses({ store: { ...kit.stores[view], ...now }, state, onError });
    };

    test('a pause holds for every process, and survives a restart and the loss of the queue', async () => {
      const [here, there] = [await temporaryFolder(), await temporaryFolder()];
      const scope = { scope: 'job', job: fresh() } as const;
      const isPaused = (pauses: Pauses) => pauses.holding([scope.job]).length > 0;
      const first = await pausesOf(0, here);
      const second = await pausesOf(1, there);
      await first.pause(scope, {});
      expect(isPaused(first)).toBe(true);
      expect(isPaused(second)).toBe(false);
      await second.sync();
      expect(isPaused(second)).toBe(true);
      expect(await second.resume(scope, {})).toBe(true);
      expect(await second.resume(scope, {})).toBe(false);
      await first.close();
      const again = await pausesOf(0, here);
      expect(isPaused(again)).toBe(false);
      await again.pause(scope, {});
      await Promise.all([again.close(), second.close()]);
      const lost = await temporaryFolder();
      const known = await pausesOf(0, lost);
      expect(isPaused(known)).toBe(true);
      await known.close();
    });

    test('a pause says who, why and until when, and ends by itself; the newer account holds whatever the clocks', async () => {
      const [here, there] = [await temporaryFolder(), await temporaryFolder()];
      let clock = 1_800_000_000_000;
      const job = fresh();
      // Set by an earlier version on a machine whose clock was ahead.
      const wrong = { [job]: { paused: true, at: clock + 120_000 } };
      writeFileSync(join(here, 'paused.json'), JSON.stringify(wrong));
      const first = await pausesOf(0, here, () => clock);
      const second = await pausesOf(1, there, () => clock);
      expect(second.holding([job])).toHaveLength(1);
      expect(await second.resume({ scope: 'job', job }, {})).toBe(true);
      await first.sync();
      expect(first.holding([job])).toEqual([]);
      const scope = { scope: 'remote', remote: fresh('remote') } as const;
      const key = keyOf(scope);
      const details = { until: clock + 1000, reason: 'new disks', by: 'ann@web-1' };
      await first.pause(scope, details);
      await second.sync();
      const held = [{ ...scope, since: clock, ...details }];
      expect(first.holding([key])).toEqual(held);
      expect(second.holding([key, 'other'])).toEqual(held);
      clock += 1000;
      expect(first.holding([key])).toEqual([]);
      await first.pause({ scope: 'all' }, {});
      // it was not told of the pause
      expect(await second.resume({ scope: 'all' }, { by: 'bob@web-2' })).toBe(true);
      await first.sync();
      expect(first.holding([keyOf({ scope: 'all' })])).toEqual([]);
      await Promise.all([first.close(), second.close()]);
    });

    test('a pause that only a newer version can read is logged once, and stays as it is', async () => {
      const here = await temporaryFolder();
      const [store] = kit.stores;
      const scope = { scope: 'job', job: fresh() } as const;
      const queue = new Queue('ferryline-pauses', store.options(), store.backend);
      onTestFinished(() => queue.close());
      const data = { job: scope.job, paused: true, at: Date.now() + 60_000, v: plannedVersion + 1 };
      await queue.add('pause', data, { jobId: scope.job });
      writeFileSync(
        join(here, 'paused.json'),
        JSON.stringify({ [scope.job]: { paused: false, at: 1 } }),
      );
      const warnings: string[] = [];
      const onWarning = (message: string) => warnings.push(message);
      const pauses = await openPauses({ store, state: here, onError, onWarning });
      await pauses.sync();
      expect(pauses.holding([scope.job])).toEqual([]);
      expect(warnings).toEqual([
        `the pause ${scope.job} was set by a newer version of ferryline; this one can't read it, and goes by what it knew before`,
      ]);
      expect((await queue.getJob(scope.job))?.data).toEqual(data);
      await pauses.close();
      await queue.remove(scope.job);
    });

    test('a pause of an earlier version, from its file or its queue, is read', async () => {
      const [here, there] = [await temporaryFolder(), await temporaryFolder()];
      const job = fresh();
      const at = Date.now();
      writeFileSync(join(here, 'paused.json'), JSON.stringify({ [job]: { paused: true, at } }));
      const first = await pausesOf(0, here);
      const second = await pausesOf(1, there);
      const held = [{ scope: 'job', job, since: at }];
      expect([first.holding([job]), second.holding([job])]).toEqual([held, held]);
      await Promise.all([first.close(), second.close()]);
    });
  });
}
