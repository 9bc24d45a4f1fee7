/** When a job's schedule runs it next, as `ferryline next` prints it. Pure. */
import type { Job } from '../../core/job.js';
import { present } from '../../core/present.js';
import type { JobSlots } from '../../core/request.js';
import { nextOpenSlot, zoneOf } from './slots.js';

const slotsShown = 5;

/** The first five slots after `now`, ms since the epoch, that lie in the job's window. */
export function jobSlots({ name, starts, window }: Job, now: number): JobSlots {
  const schedule = { ...starts, window };
  const slots: string[] = [];
  for (let slot = nextOpenSlot(schedule, now); slot !== undefined; ) {
    slots.push(new Date(slot).toISOString());
    slot = slots.length < slotsShown ? nextOpenSlot(schedule, slot) : undefined;
  }
  return {
    job: name,
    timezone: zoneOf(starts).name,
    ...present({ window: window?.text }),
    ...(starts.schedule.length > 0 && { slots }),
  };
}
