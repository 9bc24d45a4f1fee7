/** `ferryline next [JOB…]`: prints when schedules run jobs next. triggers/schedule/job-slots.ts computes it. */
import type { JobSlots } from '../../core/request.js';
import { formatDuration } from '../../core/text.js';
import { type Zone, zoneNamed } from '../../core/zone.js';
import { slotsAfter } from '../../triggers/schedule/job-slots.js';
import { readConfig } from '../config-file.js';
import { looksOf } from '../config-texts.js';
import type { Context } from '../context.js';
import { daemonClient } from '../daemon-client.js';
import { findConfig } from '../folders.js';
import { type Selection, selectJobs } from '../select-jobs.js';
import { offsetText } from '../show/table.js';

const weekdays = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
/** A daemon that has not answered by then is not waited for, ms: the files are read instead. */
const answerWithinMs = 1000;

export async function next(
  names: readonly string[],
  flags: { readonly all?: boolean },
  context: Context,
): Promise<number> {
  const { output } = context;
  const selection = { names, all: flags.all === true };
  const jobs = (await ofDaemon(selection, context)) ?? (await ofFiles(selection, context));
  const now = Date.now();
  for (const { slots = [], ...job } of jobs)
    if (output.json)
      output.record({ event: 'next', time: new Date(now).toISOString(), ...job, slots });
  if (!output.json) for (const job of jobs) for (const line of linesOf(job, now)) output.data(line);
  if (jobs.length === 0) output.note('no job has a schedule');
  return 0;
}

/**
 * What the daemon answers, which has read the files already: thousands of jobs take it a tenth of the
 * time. Undefined without a daemon, and when it works by other files than there are now.
 */
async function ofDaemon(
  { names, all }: Selection,
  context: Context,
): Promise<readonly JobSlots[] | undefined> {
  const file = findConfig(context.environment, context.config);
  if (file === undefined || all) return undefined;
  const meant = [...new Set(names)];
  try {
    const controls = await daemonClient(context);
    const { filesSeen, jobs } = await controls.next(meant, AbortSignal.timeout(answerWithinMs));
    const isWhole = meant.length === 0 || meant.length === jobs.length;
    return isWhole && filesSeen === (await looksOf(file)) ? jobs : undefined;
  } catch {
    return undefined;
  }
}

/** What the files of jobs.yml mean. Errors: `config`. */
async function ofFiles(selection: Selection, context: Context): Promise<JobSlots[]> {
  const config = await readConfig(context);
  const jobs =
    selection.names.length === 0 && !selection.all
      ? [...config.jobs.values()].filter(({ starts }) => starts.schedule.length > 0)
      : selectJobs(config, selection, 'next');
  return jobs.map(slotsAfter(Date.now()));
}

/** The lines for people. Pure. */
function linesOf({ job, timezone, window, slots }: JobSlots, now: number): string[] {
  if (slots === undefined) return [`${job}: no schedule`];
  const zone = zoneNamed(timezone);
  const moments = slots.map((slot) => Date.parse(slot));
  const seconds = moments.some((slot) => slot % 60_000 !== 0);
  return [
    `${job}: ${timezone}${window === undefined ? '' : `, in the window ${window}`}`,
    ...moments.map((slot) => `  ${wallText(slot, zone, seconds)}  ${fromNow(slot - now)}`),
    ...(slots.length === 0 ? ['  never in the next five years'] : []),
  ];
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
  return hours < 24
    ? `in ${formatDuration(Math.max(0, ms))}`
    : `in ${Math.floor(hours / 24)} d ${hours % 24} h`;
}
