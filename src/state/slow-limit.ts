/** After which time a run of a job is slow, by its `slow` and by the runs before. */
import type { IncidentRules } from '../core/notify.js';
import type { RunTable } from './run-table.js';

/** Runs of which the median counts, and how many must be known. */
const mostForMedian = 20;
const leastForMedian = 5;
/** By the median no run is slow before this. */
const leastSlowMs = 60_000;

export interface SlowLimit {
  readonly ms: number;
  /** By what it was found, unless `slow` is a time: the median of so many runs, in seconds. */
  readonly median?: number;
  readonly of?: number;
}

/** Undefined where no run is slow: `slow: false`, or too few runs are known. */
export function slowLimit(
  job: string,
  rule: IncidentRules['slow'],
  table: RunTable,
): SlowLimit | undefined {
  if (rule === undefined) return undefined;
  if ('ms' in rule) return rule;
  const seconds = secondsOf(table, job);
  const median = seconds[Math.floor(seconds.length / 2)];
  if (seconds.length < leastForMedian || median === undefined) return undefined;
  const ms = Math.max(leastSlowMs, rule.times * median * 1000);
  return { ms, median, of: seconds.length };
}

/** How long the newest runs of a job took that succeeded and moved something, the shortest first. */
function secondsOf(table: RunTable, job: string): number[] {
  return table
    .newest({ job, limit: 5 * mostForMedian, idle: false })
    .flatMap(({ outcome, seconds }) => (outcome === 'succeeded' ? (seconds ?? []) : []))
    .slice(0, mostForMedian)
    .sort((one, other) => one - other);
}
