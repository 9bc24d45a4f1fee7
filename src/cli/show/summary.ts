/** The result of a run and the contents of a plan, as lines for people. Pure. */
import type { ActionEvent, FileEvent, PlanEvent, Report } from '../../core/events.js';
import { present } from '../../core/present.js';
import {
  count,
  escapeText,
  formatBytes,
  formatDuration,
  grouped,
  terminalSafe,
} from '../../core/text.js';
import { tableLines } from './table.js';

/** Failures listed; of the others, the number. */
const failuresShown = 20;

/** `succeeded: 12 copied (3.4 MiB), 2 deleted, 4,988 unchanged in 4.2 s (830 KiB/s), 1 session, verified by size`. */
export function summaryLine(report: Report): string {
  const { files, bytes, seconds, sessions, verified } = report;
  const parts: string[] = [];
  const add = (n: number, what: string) => {
    if (n > 0) parts.push(`${grouped(n)} ${what}`);
  };
  add(files.copied, `copied (${formatBytes(bytes)})`);
  add(files.renamed ?? 0, 'renamed');
  add(files.attrs, 'with new attributes');
  add(files.deleted, 'deleted');
  add(files.unchanged, 'unchanged');
  add(files.skipped, 'skipped');
  add(files.vanished ?? 0, 'vanished');
  add(files.failed, 'failed');
  const time = formatDuration(seconds * 1000);
  if (parts.length === 0 && report.outcome !== 'succeeded')
    return `${report.outcome} after ${time}`;
  if (parts.length === 0) parts.push('nothing to do');
  let line = `${report.outcome}: ${parts.join(', ')} in ${time}`;
  // The rate of a few bytes in a moment means nothing.
  if (seconds >= 1 || (bytes >= 1024 ** 2 && seconds > 0)) {
    if (bytes > 0) line += ` (${formatBytes(Math.round(bytes / seconds))}/s)`;
  }
  if (sessions > 0) line += `, ${count(sessions, 'session')}`;
  if (files.copied > 0) {
    line += verified === 'none' ? ', not verified' : `, verified by ${verified}`;
  }
  if (report.notGuaranteed?.includes('live')) line += ', growing files as of when they were opened';
  if (report.notGuaranteed?.includes('skip'))
    line += ', existing files kept as of one look before each rename';
  if (report.notGuaranteed?.includes('confinement'))
    line += ', links on the way to its folders not ruled out';
  if (report.attempt > 1) line += `, attempt ${report.attempt}`;
  return line;
}

/** The first failures, one a line, and the number of the others. */
export function failureLines({ failures, failuresOmitted }: Report): string[] {
  const lines = failures
    .slice(0, failuresShown)
    .map(
      ({ target, path, kind, message }) =>
        `${ofTarget(target)}${ofPath(path)}${terminalSafe(message)} (${kind})`,
    );
  const more = failures.length + failuresOmitted - lines.length;
  if (more > 0) lines.push(`and ${grouped(more)} more`);
  return lines;
}

/** `d/a: `; a root's own message says which root it is. */
function ofPath(path: string): string {
  return path === '' ? '' : `${escapeText(path)}: `;
}

/** `web1:www: `, where a job has several targets. */
function ofTarget(target: string | undefined): string {
  return target === undefined ? '' : `${escapeText(target)}: `;
}

/** What a line of the table of ends has: a job, or a target. */
export type End = Pick<Report, 'outcome' | 'files' | 'seconds'> & { readonly name: string };

/** A table of how jobs, or targets of one, ended. */
export function endsTable(what: 'job' | 'target', ends: readonly End[]): string[] {
  const rows = ends.map(({ name, outcome, files: { copied, deleted, failed }, seconds }) => [
    escapeText(name),
    outcome,
    ...[copied, deleted, failed].map(grouped),
    formatDuration(seconds * 1000),
  ]);
  return tableLines([[what, 'outcome', 'copied', 'deleted', 'failed', 'time'], ...rows]);
}

/** A table of what the plans of several jobs hold. */
export function plansTable(
  plans: readonly { readonly report: Report; readonly event: PlanEvent | undefined }[],
): string[] {
  const rows = plans.map(({ report, event }) => [
    report.job,
    report.outcome,
    ...[event?.copies, event?.deletes, event?.conflicts].map((n) =>
      n === undefined ? '-' : grouped(n),
    ),
    formatDuration(report.seconds * 1000),
  ]);
  return tableLines([['job', 'outcome', 'to copy', 'to delete', 'conflicts', 'time'], ...rows]);
}

/** Whether there is nothing to do, and no conflict. */
export function isEmptyPlan({
  mkdirs,
  renames,
  copies,
  attrs,
  deletes,
  conflicts,
}: PlanEvent): boolean {
  return mkdirs + renames + copies + attrs + deletes + conflicts === 0;
}

/** `12 files to copy (3.4 MiB), 2 to delete`; `nothing to do`. */
export function planLine(plan: PlanEvent): string {
  const parts: string[] = [];
  if (plan.mkdirs > 0) parts.push(`${count(plan.mkdirs, 'folder')} to make`);
  if (plan.renames > 0) parts.push(`${count(plan.renames, 'file')} to rename`);
  if (plan.copies > 0) {
    parts.push(`${count(plan.copies, 'file')} to copy (${formatBytes(plan.bytes)})`);
  }
  if (plan.attrs > 0) parts.push(`${count(plan.attrs, 'file')} to give new attributes`);
  if (plan.deletes > 0) parts.push(`${grouped(plan.deletes)} to delete`);
  if (plan.conflicts > 0) parts.push(count(plan.conflicts, 'conflict'));
  return parts.length === 0 ? 'nothing to do' : parts.join(', ');
}

/** `copy      sub/report.pdf  (12 KiB, new)`. */
export function actionLine({
  action,
  target,
  path,
  from,
  bytes,
  kind,
  reason,
}: ActionEvent): string {
  const facts: string[] = [];
  if (from !== undefined) facts.push(`was ${escapeText(from)}`);
  if (bytes !== undefined) facts.push(formatBytes(bytes));
  if (kind !== undefined && kind !== 'file') facts.push(kind);
  if (reason !== undefined) facts.push(terminalSafe(reason));
  const line = `${action.padEnd(8)}  ${ofTarget(target)}${escapeText(path)}`;
  return facts.length === 0 ? line : `${line}  (${facts.join(', ')})`;
}

/** The same line for something that was done. */
export function fileLine({ action, target, path, from, bytes, kind, message }: FileEvent): string {
  const known = present({ target, from, bytes, kind, reason: message });
  return actionLine({ event: 'action', action, path, ...known });
}
