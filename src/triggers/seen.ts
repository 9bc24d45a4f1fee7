/** Up to which moment the slots of each job have been dealt with: in a file of the state folder, so that a restart knows what was missed. */
import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Job, Starts } from '../jobs/job.js';
import type { Slots } from '../queue/slots.js';

export interface Seen {
  /** The last slot of a job that is safe in the queue, ms since the epoch. */
  set(job: string, slot: number): void;
  /** The jobs that have a schedule, with the moment up to which theirs is done: for one never seen before, now. */
  jobs(
    jobs: ReadonlyMap<string, Job>,
    slots: Slots,
  ): Promise<Map<string, { starts: Starts; seenUntil: number }>>;
}

/** Milliseconds for which changes are gathered before the file is written. */
const gather = 500;

export async function openSeen(state: string, onError: (error: Error) => void): Promise<Seen> {
  const file = join(state, 'slots.json');
  const seen = new Map<string, number>();
  try {
    const known = JSON.parse(readFileSync(file, 'utf8')) as Record<string, number>;
    for (const [job, slot] of Object.entries(known)) seen.set(job, slot);
  } catch {
    // None yet, or one that was cut: the queue's own entries remain.
  }
  let waiting = false;
  const write = async () => {
    waiting = false;
    const temporary = `${file}.${process.pid}`;
    try {
      await writeFile(temporary, `${JSON.stringify(Object.fromEntries(seen))}\n`, { mode: 0o600 });
      await rename(temporary, file);
    } catch (error) {
      onError(error as Error);
    }
  };
  const set = (job: string, slot: number) => {
    seen.set(job, Math.max(slot, seen.get(job) ?? 0));
    if (waiting) return;
    waiting = true;
    setTimeout(() => void write(), gather);
  };
  return {
    set,
    async jobs(jobs, slots) {
      for (const [job, slot] of await slots.newest()) set(job, slot);
      const now = Date.now();
      const scheduled = new Map<string, { starts: Starts; seenUntil: number }>();
      for (const { name, starts } of jobs.values()) {
        if (starts.schedule.length === 0) continue;
        if (!seen.has(name)) set(name, now);
        scheduled.set(name, { starts, seenUntil: seen.get(name) ?? now });
      }
      return scheduled;
    },
  };
}
