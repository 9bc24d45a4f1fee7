/** Run ids: `20261124T020000Z-0gk3f97c`, sorted by time as text: behind the second come its milliseconds, then chance. */
import { randomBytes } from 'node:crypto';

/** A new id for a run that starts now (`now`: ms since the epoch). */
export function newRunId(now: number): string {
  const time = new Date(now).toISOString().replace(/[-:]|\.\d+/g, '');
  const ms = (now % 1000).toString(36).padStart(2, '0');
  return `${time}-${ms}${randomBytes(3).toString('hex')}`;
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
