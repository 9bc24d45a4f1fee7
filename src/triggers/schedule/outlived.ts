/** Which ended slots are kept. */
import { nextSlot, type Schedule, slotsBetween } from './slots.js';

/** Ended slots kept of each job. */
const slotsKept = 100;

/**
 * Returns a function that finds the slot whose record is not kept any more once `slot` has ended: the
 * one 100 before it; undefined where a schedule has fewer.
 */
export function createOutlived(): (
  job: string,
  schedule: Schedule,
  slot: number,
) => number | undefined {
  /** The last answer for each job: the slot after it costs two steps and not a hundred. */
  const last = new Map<string, { readonly slot: number; readonly old: number }>();
  return (job, schedule, slot) => {
    const known = last.get(job);
    const old =
      known !== undefined && nextSlot(schedule, known.slot) === slot
        ? nextSlot(schedule, known.old)
        : slotsBetween(schedule, 0, slot - 1, slotsKept)[0];
    if (old !== undefined) last.set(job, { slot, old });
    return old;
  };
}
