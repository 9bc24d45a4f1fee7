/** Up to which moment the slots of each job have been handled: kept in a file of the state folder, so that a restart knows what was missed. */
import type { Job } from '../../core/job.js';
import type { Slots } from '../../queue/slots.js';
import { readKeptFile, writeKeptFile } from '../../state/kept-file.js';
import { handledSlotsFile } from '../../state/layout.js';
import type { ScheduledJob } from './schedule.js';

export interface HandledSlots {
  /** Records that a job's slots up to this one (ms since the epoch) are stored in the queue, and none after it. */
  mark(job: string, slot: number): void;
  /**
   * The jobs that have a schedule, each with the moment up to which its slots are handled: now for a
   * schedule that is new. The queue is asked the first time only: from then on every slot is seen
   * here. Errors, the first time: `network`.
   */
  scheduledJobs(
    jobs: ReadonlyMap<string, Job>,
    slots: Slots,
    now: number,
  ): Promise<Map<string, ScheduledJob>>;
}

interface HandledSchedule {
  /** Ms since the epoch. */
  readonly until: number;
  /** The schedule and zone for which `until` holds. */
  readonly schedule: string;
}

/** Changes within this time are written together. */
const writeAfterMs = 500;

export async function openHandledSlots(
  state: string,
  onError: (error: Error) => void,
): Promise<HandledSlots> {
  const file = handledSlotsFile(state);
  // If the file is damaged, the queue's own entries still have the newest slots.
  const handled = await readKeptFile(file, isHandledSchedule, (message) =>
    onError(new Error(message)),
  );
  let queueWasAsked = false;
  let writeIsDue = false;
  const write = async () => {
    writeIsDue = false;
    try {
      await writeKeptFile(file, handled);
    } catch (error) {
      onError(error as Error);
    }
  };
  const keep = (job: string, until: HandledSchedule) => {
    handled.set(job, until);
    if (writeIsDue) return;
    writeIsDue = true;
    setTimeout(() => void write(), writeAfterMs);
  };
  return {
    mark(job, slot) {
      const known = handled.get(job);
      if (known !== undefined && slot !== known.until) keep(job, { ...known, until: slot });
    },
    async scheduledJobs(jobs, slots, now) {
      const queued = queueWasAsked ? new Map<string, number>() : await slots.newest();
      queueWasAsked = true;
      const scheduled = new Map<string, ScheduledJob>();
      for (const { name, starts, window } of jobs.values()) {
        if (starts.schedule.length === 0) continue;
        const schedule = JSON.stringify([starts.schedule, starts.timezone]);
        const known = handled.get(name);
        // Slots of the job's former schedule, or of this one before it was set, are not missed.
        const changed = known !== undefined && known.schedule !== schedule;
        const until = changed ? now : Math.max(known?.until ?? 0, queued.get(name) ?? 0) || now;
        keep(name, { until, schedule });
        scheduled.set(name, { starts: { ...starts, window }, handledUntil: until });
      }
      return scheduled;
    },
  };
}

function isHandledSchedule(value: unknown): value is HandledSchedule {
  const { until, schedule } = (value ?? {}) as Partial<HandledSchedule>;
  return Number.isFinite(until) && typeof schedule === 'string';
}
