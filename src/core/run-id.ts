/** Run ids: `20261124T020000Z-0gk3f97c`, sorted by time as text: behind the second come its milliseconds, then chance. */
import { createHash, randomBytes } from 'node:crypto';

/** A new id for a run that starts now (`now`: ms since the epoch). */
export function newRunId(now: number): string {
  return runId(now, randomBytes(3).toString('hex'));
}

/**
 * The id of the run that follows another one, whoever asks for it and wherever: `since` is when that
 * other one was put in the queue (ms since the epoch).
 */
export function followerId(run: string, since: number): string {
  return runId(since + 1, createHash('sha256').update(run).digest('hex').slice(0, 6));
}

function runId(at: number, chance: string): string {
  const time = new Date(at).toISOString().replace(/[-:]|\.\d+/g, '');
  const ms = (at % 1000).toString(36).padStart(2, '0');
  return `${time}-${ms}${chance}`;
}

const form = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-[0-9a-z]+$/;

/** When a run started, ms since the epoch; undefined for what is no run id. */
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
