/**
 * A report as the queue keeps it: at most 8 KiB, since it keeps thousands, and one may name 1,000
 * failures in 480 KiB. Whoever needs the whole one reads it on the worker. Pure.
 */
import type { Failure, FailureEnd, Report, TargetEnd } from './events.js';
import { present } from './present.js';

/** Bytes of a report's JSON in the queue; what is beyond is left out. */
export const mostReportBytes = 8192;
/** Bytes of a text's JSON that are kept in a report that is cut. */
const mostTextBytes = 1000;

/**
 * The report itself if it fits; else one with the same counts, the same outcome and error, and as many
 * of the targets (those that did not succeed first) and of the first failures as fit. `cut` says so.
 */
export function cutReport(report: Report): Report {
  if (bytesOf(report) <= mostReportBytes) return report;
  const { description, error, failures, failuresOmitted, targets, ...rest } = report;
  let cut: Report = {
    ...rest,
    ...present({ description: description && shortened(description), error: shortError(error) }),
    cut: true,
    failures: [],
    failuresOmitted: failuresOmitted + failures.length,
  };
  if (targets !== undefined) cut = { ...cut, targets: fitting(targets, bytesOf(cut)) };
  return withFailures(cut, failures);
}

/** The targets that fit beside what is there, in their order. */
function fitting(targets: readonly TargetEnd[], used: number): TargetEnd[] {
  const short = targets.map(({ error, failures, failuresOmitted, ...rest }) => ({
    ...rest,
    ...present({ error: shortError(error) }),
    failures: [],
    failuresOmitted: failuresOmitted + failures.length,
  }));
  let left = mostReportBytes - used - bytesOf({ targets: [] });
  const kept = new Set<TargetEnd>();
  const unsuccessfulFirst = [...short].sort((a, b) => rankOf(a) - rankOf(b));
  for (const target of unsuccessfulFirst) {
    left -= bytesOf(target) + 1;
    if (left < 0) break;
    kept.add(target);
  }
  return short.filter((target) => kept.has(target));
}

function rankOf({ outcome }: TargetEnd): number {
  return outcome === 'succeeded' ? 1 : 0;
}

function withFailures(cut: Report, failures: readonly Failure[]): Report {
  let left = mostReportBytes - bytesOf(cut);
  const kept: Failure[] = [];
  for (const failure of failures) {
    const short = { ...failure, message: shortened(failure.message) };
    left -= bytesOf(short) + 1;
    if (left < 0) break;
    kept.push(short);
  }
  return { ...cut, failures: kept, failuresOmitted: cut.failuresOmitted - kept.length };
}

/** A path that is cut would be another one, so a long one is left out. */
function shortError(error: FailureEnd | undefined): FailureEnd | undefined {
  if (error === undefined) return undefined;
  const { kind, message, hint, path } = error;
  const isShort = path !== undefined && bytesOf(path) <= mostTextBytes;
  return {
    kind,
    message: shortened(message),
    ...present({ hint: hint && shortened(hint), path: isShort ? path : undefined }),
  };
}

function shortened(text: string): string {
  let short = text;
  for (let bytes = bytesOf(short); bytes > mostTextBytes; bytes = bytesOf(`${short}…`))
    short = short.slice(0, Math.floor((short.length * (mostTextBytes - 4)) / bytes));
  return short === text ? text : `${short}…`;
}

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
