/** When a job's schedule runs it next, as `ferryline next` prints it. Pure. */
import type { Job } from '../../core/job.js';
import { present } from '../../core/present.js';
import type { JobSlots } from '../../core/request.js';
import { nextOpenSlot, zoneOf } from './slots.js';

const slotsShown = 5;

/**
 * Finds the first five slots after `now`, ms since the epoch, that lie in a job's window. Thousands of
 * jobs have some hundred schedules: each is looked at once.
 */
export function slotsAfter(now: number): (job: Job) => JobSlots {
  const known = new Map<string, readonly string[]>();
  return ({ name, starts, window }) => {
    const key = JSON.stringify([starts.schedule, starts.timezone, window?.text]);
    const slots = known.get(key) ?? firstSlots({ ...starts, window }, now);
    known.set(key, slots);
    return {
      job: name,
      timezone: zoneOf(starts).name,
      ...present({ window: window?.text }),
      ...(starts.schedule.length > 0 && { slots }),
    };
  };
}

function firstSlots(schedule: Parameters<typeof nextOpenSlot>[0], now: number): string[] {
  const slots: string[] = [];
  for (let slot = nextOpenSlot(schedule, now); slot !== undefined; ) {
    slots.push(new Date(slot).toISOString());
    slot = slots.length < slotsShown ? nextOpenSlot(schedule, slot) : undefined;
  }
  return slots;
}
