/** Up to which moment the slots of each job have been dealt with: in a file of the state folder, so that a restart knows what was missed. */
import type { Job, Starts } from '../../core/job.js';
import type { Slots } from '../../queue/slots.js';
import { readKeptFile, writeKeptFile } from '../../state/kept-file.js';
import { seenSlotsFile } from '../../state/layout.js';

export interface Seen {
  /** The last slot of a job that is safe in the queue, ms since the epoch. */
  set(job: string, slot: number): void;
  /** The jobs that have a schedule, with the moment up to which its slots are done: for a schedule never seen before, now. */
  jobs(
    jobs: ReadonlyMap<string, Job>,
    slots: Slots,
  ): Promise<Map<string, { starts: Starts; seenUntil: number }>>;
}

interface Account {
  /** Ms since the epoch. */
  readonly until: number;
  /** The schedule and zone that it holds for. */
  readonly schedule: string;
}

/** Milliseconds for which changes are gathered before the file is written. */
const gather = 500;

export async function openSeen(state: string, onError: (error: Error) => void): Promise<Seen> {
  const file = seenSlotsFile(state);
  // Of a file that was cut, the queue's own entries remain.
  const seen = await readKeptFile(file, isAccount, (message) => onError(new Error(message)));
  let waiting = false;
  const write = async () => {
    waiting = false;
    try {
      await writeKeptFile(file, seen);
    } catch (error) {
      onError(error as Error);
    }
  };
  const keep = (job: string, account: Account) => {
    seen.set(job, account);
    if (waiting) return;
    waiting = true;
    setTimeout(() => void write(), gather);
  };
  return {
    set(job, slot) {
      const known = seen.get(job);
      if (known !== undefined && slot > known.until) keep(job, { ...known, until: slot });
    },
    async jobs(jobs, slots) {
      const queued = await slots.newest();
      const now = Date.now();
      const scheduled = new Map<string, { starts: Starts; seenUntil: number }>();
      for (const { name, starts } of jobs.values()) {
        if (starts.schedule.length === 0) continue;
        const schedule = JSON.stringify([starts.schedule, starts.timezone]);
        const known = seen.get(name);
        // What an older schedule would have done, or this one before it was there, was not missed.
        const fresh = known !== undefined && known.schedule !== schedule;
        const until = fresh ? now : Math.max(known?.until ?? 0, queued.get(name) ?? 0) || now;
        keep(name, { until, schedule });
        scheduled.set(name, { starts, seenUntil: until });
      }
      return scheduled;
    },
  };
}

function isAccount(value: unknown): value is Account {
  const { until, schedule } = (value ?? {}) as Partial<Account>;
  return Number.isFinite(until) && typeof schedule === 'string';
}
