/** The files of reports: what their names say, and reading one. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Report } from '../core/events.js';
import { runTime } from '../core/run-id.js';
import { idleReportFile, reportFile } from './layout.js';

/** What a report's path says of it. */
export interface KeptReport {
  readonly run: string;
  readonly job: string;
}

/** What the name of a report's file says of it. */
export interface NamedReport {
  readonly run: string;
  readonly idle: boolean;
}

/** The run that a report's file is named for; undefined for any other file. */
export function namedReport(name: string): NamedReport | undefined {
  const found = /^(.+?)(\.idle)?\.json$/.exec(name);
  const run = found?.[1] ?? '';
  return runTime(run) === undefined ? undefined : { run, idle: found?.[2] !== undefined };
}

/** The report of a run of that job; undefined if none is kept, or no whole one. */
export async function readKeptReport(
  state: string,
  { run, job }: KeptReport,
): Promise<Report | undefined> {
  for (const file of [reportFile(state, job, run), idleReportFile(state, job, run)])
    try {
      return reportIn(await readFile(file, 'utf8'), { run, job });
    } catch {
      // the other name, removed meanwhile, truncated, or not ours
    }
  return undefined;
}

/** The same, for a thread of its own. */
export function readReportFileSync(file: string, kept: KeptReport): Report | undefined {
  try {
    return reportIn(readFileSync(file, 'utf8'), kept);
  } catch {
    return undefined;
  }
}

/** Throws for a text that is no JSON. */
function reportIn(text: string, { run, job }: KeptReport): Report | undefined {
  const value: unknown = JSON.parse(text);
  return isReportOf(value, run, job) ? value : undefined;
}

/** Whether a file holds the report its name promises; other fields are not checked. */
function isReportOf(value: unknown, run: string, job: string): value is Report {
  if (typeof value !== 'object' || value === null) return false;
  const report = value as Partial<Report>;
  return (
    report.run === run &&
    report.job === job &&
    typeof report.outcome === 'string' &&
    typeof report.startedAt === 'string' &&
    typeof report.endedAt === 'string' &&
    typeof report.files === 'object'
  );
}
