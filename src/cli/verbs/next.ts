/** `ferryline next [JOB…]`: prints when schedules run jobs next. triggers/schedule/slots.ts computes it. */
import type { Job } from '../../core/job.js';
import { present } from '../../core/present.js';
import { formatDuration } from '../../core/text.js';
import type { Zone } from '../../core/zone.js';
import { nextOpenSlot, zoneOf } from '../../triggers/schedule/slots.js';
import { readConfig } from '../config-file.js';
import type { Context } from '../context.js';
import { selectJobs } from '../select-jobs.js';
import { offsetText } from '../show/table.js';

const slotsShown = 5;
const weekdays = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

export async function next(
  names: readonly string[],
  flags: { readonly all?: boolean },
  context: Context,
): Promise<number> {
  const { output } = context;
  const config = await readConfig(context);
  const jobs =
    names.length === 0 && flags.all !== true
      ? [...config.jobs.values()].filter(({ starts }) => starts.schedule.length > 0)
      : selectJobs(config, { names, all: flags.all === true }, 'next');
  const now = Date.now();
  for (const job of jobs) {
    const zone = zoneOf(job.starts);
    const slots = nextSlots(job, now);
    if (output.json) {
      output.record({
        event: 'next',
        time: new Date(now).toISOString(),
        job: job.name,
        timezone: zone.name,
        ...present({ window: job.window?.text }),
        slots: slots.map((slot) => new Date(slot).toISOString()),
      });
    } else if (job.starts.schedule.length === 0) output.data(`${job.name}: no schedule`);
    else {
      const window = job.window === undefined ? '' : `, in the window ${job.window.text}`;
      output.data(`${job.name}: ${zone.name}${window}`);
      const seconds = slots.some((slot) => slot % 60_000 !== 0);
      for (const slot of slots)
        output.data(`  ${wallText(slot, zone, seconds)}  ${fromNow(slot - now)}`);
      if (slots.length === 0) output.data('  never in the next five years');
    }
  }
  if (jobs.length === 0) output.note('no job has a schedule');
  return 0;
}

function nextSlots(job: Job, now: number): number[] {
  const slots: number[] = [];
  const schedule = { ...job.starts, window: job.window };
  for (let slot = nextOpenSlot(schedule, now); slot !== undefined; ) {
    slots.push(slot);
    slot = slots.length < slotsShown ? nextOpenSlot(schedule, slot) : undefined;
  }
  return slots;
}

/** `Wed 2026-11-25 02:00 +01:00`, with seconds if wanted. The offset distinguishes the two passes of a repeated hour. */
function wallText(slot: number, zone: Zone, seconds: boolean): string {
  const wall = zone.wall(slot);
  const date = new Date(wall);
  const [day = '', time = ''] = date.toISOString().split('T');
  return [
    weekdays[date.getUTCDay()],
    day,
    time.slice(0, seconds ? 8 : 5),
    offsetText(wall - slot),
  ].join(' ');
}

/** `in 3 h 20 min`, `in 5 d 3 h`. */
function fromNow(ms: number): string {
  const hours = Math.floor(ms / 3_600_000);
  return hours < 24 ? `in ${formatDuration(ms)}` : `in ${Math.floor(hours / 24)} d ${hours % 24} h`;
}
