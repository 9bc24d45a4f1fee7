/** A line of runs.index: what is known of an ended run without its report, or that its report is gone. Pure. */
import type { Outcome, Report } from '../core/events.js';
import { isIdle } from '../core/events.js';
import { runTime } from '../core/run-id.js';

/** What the index has of a report. */
export interface IndexedRun {
  readonly run: string;
  readonly job: string;
  readonly outcome: Outcome;
  /** ISO 8601, UTC. */
  readonly endedAt: string;
  /** Whether it changed nothing; the name of its report's file says so, too. */
  readonly idle: boolean;
  /** Whether it only planned. */
  readonly dryRun?: true;
  /** How long it took. Absent in lines of earlier versions. */
  readonly seconds?: number;
}

/** What a line says: a run has this report now, or none any more. */
export type RunLine = IndexedRun | (Pick<IndexedRun, 'run' | 'job'> & { readonly gone: true });

const outcomes: readonly Outcome[] = ['succeeded', 'incomplete', 'failed', 'refused', 'cancelled'];

export function indexedRun(report: Report): IndexedRun {
  const { run, job, outcome, endedAt, seconds, dryRun } = report;
  return { run, job, outcome, endedAt, idle: isIdle(report), seconds, ...(dryRun && { dryRun }) };
}

/**
 * The line with its end, at most 300 bytes. A job's name and a run's id are ASCII of at most 64
 * characters each; what has longer ones is not indexed (undefined).
 */
export function textOfLine(line: RunLine): string | undefined {
  const { run, job } = line;
  if (run.length > 64 || job.length > 64) return undefined;
  if ('gone' in line) return `${JSON.stringify({ run, job, gone: true })}\n`;
  const { outcome, endedAt, idle, seconds, dryRun } = line;
  return `${JSON.stringify({ run, job, outcome, endedAt, ...(idle && { idle }), seconds, dryRun })}\n`;
}

/** What a line says; undefined for one that is torn, damaged or of a later version. */
export function readLine(text: string): RunLine | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { run, job, outcome, endedAt, idle, seconds, dryRun, gone } = value as Record<
    string,
    unknown
  >;
  if (typeof run !== 'string' || typeof job !== 'string' || runTime(run) === undefined)
    return undefined;
  if (gone === true) return { run, job, gone };
  // The constant, so that it is one text in memory.
  const known = outcomes.find((one) => one === outcome);
  if (known === undefined || typeof endedAt !== 'string') return undefined;
  const took = typeof seconds === 'number' ? { seconds } : {};
  const planned = dryRun === true ? ({ dryRun } as const) : {};
  return { run, job, outcome: known, endedAt, idle: idle === true, ...took, ...planned };
}
