/** Run ids such as `20261124T020000Z-0gk3f97c`: the second, its milliseconds, then a random part. Sorted as text they are sorted by time. */
import { createHash, randomBytes } from 'node:crypto';

/** A new id for a run that starts now (`now`: ms since the epoch). */
export function newRunId(now: number): string {
  return runId(now, randomBytes(3).toString('hex'));
}

/**
 * The id of the run of a slot (ms since the epoch): the same in every process, so that a slot that is
 * decided again makes no second run. `again` counts the runs that the slot had under a wrong clock.
 */
export function slotRunId(job: string, slot: number, again = 0): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([job, slot, again]))
    .digest();
  const text = hash.readBigUInt64BE().toString(36).padStart(13, '0').slice(-8);
  return `${timeOf(slot)}-${text}`;
}

function timeOf(at: number): string {
  return new Date(at).toISOString().replace(/[-:]|\.\d+/g, '');
}

function runId(at: number, random: string): string {
  const ms = (at % 1000).toString(36).padStart(2, '0');
  return `${timeOf(at)}-${ms}${random}`;
}

const form = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-[0-9a-z]+$/;

/** When a run started, ms since the epoch; undefined for a text that is not a run id. */
export function runTime(id: string): number | undefined {
  const found = form.exec(id);
  if (found === null) return undefined;
  const [, year, month, day, hour, minute, second] = found.map(Number);
  return Date.UTC(
    year as number,
    (month as number) - 1,
    day as number,
    hour as number,
    minute as number,
    second as number,
  );
}

/** Whether a text is a whole run id: it may name a run that is not known here. */
export function isRunId(text: string): boolean {
  return /^\d{8}T\d{6}Z-[0-9a-z]{8}$/.test(text);
}

/** A run and, where it is known, its job. */
export interface KnownRun {
  readonly run: string;
  readonly job?: string;
}

/**
 * The runs that a person means by a text: an id or the beginning of one, `latest`, or a job's name
 * for its latest run. One run, none, or several that begin alike. Pure.
 */
export function runsMeant(text: string, known: Iterable<KnownRun>): string[] {
  let latest: string | undefined;
  let latestOfJob: string | undefined;
  const begun = new Set<string>();
  const newer = (run: string, than: string | undefined) =>
    than === undefined || run > than ? run : than;
  for (const { run, job } of known) {
    if (run === text) return [run];
    latest = newer(run, latest);
    if (job === text) latestOfJob = newer(run, latestOfJob);
    if (text !== '' && run.startsWith(text)) begun.add(run);
  }
  const one = text === 'latest' ? latest : latestOfJob;
  return one === undefined ? [...begun] : [one];
}
