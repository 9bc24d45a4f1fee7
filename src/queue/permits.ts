/**
 * Permits: the right to be one of n, over all processes on a store. A permit is an entry of a queue
 * `ferryline-permits-NAME` that never ends: taken like a run, kept by extending its lock, put back
 * when it is given up; one whose holder died comes back when its lock has run out.
 */
import { randomUUID } from 'node:crypto';
import { type Job as Entry, Queue, Worker } from 'bullmq';
import { FerryError } from '../core/errors.js';
import type { Permit } from '../core/permit.js';
import { endless, type Hold, keepHold, lockDuration, stalledInterval } from './holds.js';
import { keepEvents, type Store } from './store/store.js';

export interface Permits {
  /** Waits for one of `count` permits of that name, first come first served within this process. Rejects with the signal's reason. */
  take(name: string, count: number, signal: AbortSignal): Promise<Permit>;
  close(): Promise<void>;
}

export interface PermitOptions {
  /** Called when a permit has to be waited for, and now and then while the wait goes on. */
  readonly onWanted: (name: string) => void;
  readonly onError: (error: Error) => void;
}

/** Milliseconds after which a name that nobody wants costs nothing any more. */
const idle = 30_000;

export function openPermits(store: Store, options: PermitOptions): Permits {
  const gates = new Map<string, Gate>();
  let closing: Promise<void> | undefined;
  return {
    take(name, count, signal) {
      let gate = gates.get(name);
      if (gate === undefined) {
        gate = openGate(store, name, options, () => gates.delete(name));
        gates.set(name, gate);
      }
      return gate.take(count, signal);
    },
    close() {
      closing ??= Promise.all([...gates.values()].map((gate) => gate.close())).then(() => {});
      return closing;
    },
  };
}

interface Waiter {
  readonly give: (permit: Permit) => void;
  readonly fail: (error: unknown) => void;
}

interface Gate {
  take(count: number, signal: AbortSignal): Promise<Permit>;
  close(): Promise<void>;
}

function openGate(
  store: Store,
  name: string,
  { onWanted, onError }: PermitOptions,
  onIdle: () => void,
): Gate {
  const queueName = `ferryline-permits-${name}`;
  const queue = new Queue(queueName, { ...store.options(), ...keepEvents(10) }, store.backend);
  const worker = new Worker(
    queueName,
    null,
    {
      ...store.options(),
      autorun: false,
      lockDuration,
      stalledInterval,
      // A permit is never given up, however many of its holders die.
      maxStalledCount: endless,
      drainDelay: 2,
    },
    store.backend,
  );
  queue.on('error', onError);
  worker.on('error', onError);
  void worker.startStalledCheckTimer().catch(onError);

  const waiting: Waiter[] = [];
  const held = new Set<Permit>();
  /** How many there are to be: what the latest taker said. */
  let count = 0;
  let made = 0;
  let fetching = false;
  let closing: Promise<void> | undefined;
  let idleTimer: NodeJS.Timeout | undefined;

  const rest = () => {
    clearTimeout(idleTimer);
    if (held.size > 0 || waiting.length > 0 || closing !== undefined) return;
    idleTimer = setTimeout(() => {
      onIdle();
      void close();
    }, idle);
    idleTimer.unref();
  };

  const permitOf = (entry: Entry, token: string, since: { wall: number; steady: number }) => {
    const id = entry.id as string;
    const hold: Hold = keepHold(
      since,
      async () => (await worker.extendJobLocks([id], [token], lockDuration)).length === 0,
      () =>
        new FerryError('network', `the permit ${name} was lost: its hold in the queue ran out`, {
          hint: 'the queue was out of reach, or this process stood still',
        }),
    );
    let released: Promise<void> | undefined;
    const permit: Permit = {
      lost: hold.lost,
      isOurs: hold.isOurs,
      release() {
        released ??= (async () => {
          hold.drop();
          held.delete(permit);
          // One that is lost belongs to somebody else; one that can't be put back runs out by itself.
          if (!hold.lost.aborted) await entry.moveToWait(token).catch(onError);
          rest();
        })();
        return released;
      },
    };
    held.add(permit);
    return permit;
  };

  const make = async () => {
    if (count <= made) return;
    const wanted = count;
    await queue.addBulk(
      Array.from({ length: wanted }, (_, number) => ({
        name: 'permit',
        data: {},
        opts: { jobId: `permit-${number}`, removeOnComplete: true },
      })),
    );
    made = wanted;
  };

  /** Fetches permits as long as somebody waits; one that nobody waits for any more goes back. */
  const fetch = async () => {
    fetching = true;
    let asked = 0;
    while (waiting.length > 0 && closing === undefined) {
      const token = randomUUID();
      const since = { wall: Date.now(), steady: performance.now() };
      let entry: Entry | undefined;
      try {
        await make();
        entry = await worker.getNextJob(token, { block: asked > 0 });
      } catch (error) {
        waiting.shift()?.fail(error);
        continue;
      }
      if (entry === undefined) {
        // The second look is the first that waits; by then those who keep one idle may let it go.
        onWanted(name);
        asked++;
        // A store that lost everything has lost the permits, too; those that are there stay as they are.
        made = 0;
        continue;
      }
      // Since `since`, a blocking call may have waited: its lock is younger, which does no harm.
      const surplus = Number(entry.id?.slice('permit-'.length)) >= count;
      if (surplus) {
        await entry.moveToCompleted(undefined, token, false).catch(onError);
        continue;
      }
      const permit = permitOf(entry, token, since);
      const waiter = waiting.shift();
      if (waiter === undefined) await permit.release();
      else waiter.give(permit);
    }
    fetching = false;
  };

  const close = () => {
    closing ??= (async () => {
      clearTimeout(idleTimer);
      for (const waiter of waiting.splice(0)) waiter.fail(new Error('closed'));
      await Promise.all([...held].map((permit) => permit.release()));
      await worker.close();
      await queue.close();
    })();
    return closing;
  };

  return {
    take(wanted, signal) {
      clearTimeout(idleTimer);
      count = wanted;
      return new Promise<Permit>((resolve, reject) => {
        const leave = () => {
          const at = waiting.indexOf(waiter);
          if (at >= 0) waiting.splice(at, 1);
          reject(signal.reason);
          rest();
        };
        const waiter: Waiter = {
          give(permit) {
            signal.removeEventListener('abort', leave);
            resolve(permit);
          },
          fail(error) {
            signal.removeEventListener('abort', leave);
            reject(error);
          },
        };
        if (signal.aborted) return leave();
        signal.addEventListener('abort', leave, { once: true });
        waiting.push(waiter);
        if (!fetching) void fetch();
      });
    },
    close,
  };
}
