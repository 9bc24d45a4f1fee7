/** Shows the events of a check: as lines of JSON, or in words for people. */
import type { CheckEvent, CheckReport, DifferenceEvent } from '../../core/check.js';
import { FerryError } from '../../core/errors.js';
import { present } from '../../core/present.js';
import {
  count,
  escapeText,
  formatBytes,
  formatDuration,
  grouped,
  terminalSafe,
} from '../../core/text.js';
import type { Output } from './output.js';
import { ProgressDisplay } from './progress-display.js';
import { fileLine } from './summary.js';
import { tableLines } from './table.js';

export class CheckReporter {
  readonly #output: Output;
  readonly #name: string;
  readonly #progress: ProgressDisplay;

  /** `name` is the job's, and its target's, for people. */
  constructor(output: Output, name: string) {
    this.#output = output;
    this.#name = name;
    this.#progress = new ProgressDisplay(output, name);
  }

  readonly emit = (event: CheckEvent): void => {
    const output = this.#output;
    if (event.event === 'progress') {
      this.#progress.update(event);
      return;
    }
    if (output.json) {
      const { event: name, ...fields } = event;
      output.record({ event: name, time: new Date().toISOString(), ...fields });
    } else if (event.event === 'difference') output.data(differenceLine(event));
    if (event.event === 'file') {
      const { path, kind, message = '' } = event;
      if (event.action === 'fail')
        output.alert(
          `  ${output.style.red('failed')}  ${escapeText(path)}: ${terminalSafe(message)} (${kind})`,
        );
      else if (output.verbosity >= 1) output.note(fileLine(event));
    }
    if (event.event === 'check') this.#showEnd(event);
  };

  /** Stops drawing and timers. */
  end(): void {
    this.#progress.end();
  }

  #showEnd(report: CheckReport): void {
    this.end();
    const output = this.#output;
    const { error, exitCode } = report;
    const name = this.#name;
    if (error !== undefined)
      output.error(
        new FerryError(error.kind, `${name}: ${error.message}`, {
          ...present({ path: error.path, hint: error.hint }),
        }),
      );
    if (output.json) return;
    const { bold, green, red } = output.style;
    const verdict = verdictOf(report);
    const coloured = exitCode === 0 ? green(verdict) : red(verdict);
    output.note(`${bold(name)}: ${coloured}: ${checkFacts(report)}`);
  }
}

/** `content   sub/a.txt  (the same size, but other bytes)`. */
function differenceLine({ kind, path, message }: DifferenceEvent): string {
  return `${kind.padEnd(8)}  ${escapeText(path)}  (${terminalSafe(message)})`;
}

function verdictOf({ exitCode, error }: CheckReport): string {
  if (exitCode === 0) return 'equal';
  if (exitCode === 10) return 'different';
  if (exitCode === 130 || exitCode === 143) return 'cancelled';
  return error === undefined ? 'not all could be read' : 'failed';
}

/** `40 files, 38 read (3.4 MiB), 37 equal, 1 different, 2 missing in 4.2 s, sample of 5 % (--seed 1f2e)`. */
function checkFacts(report: CheckReport): string {
  const { files, read, bytes, equal, different, missing, extra, unreadable } = report;
  const parts = [count(files, 'file'), `${grouped(read)} read (${formatBytes(bytes)})`];
  const add = (n: number, what: string) => {
    if (n > 0) parts.push(`${grouped(n)} ${what}`);
  };
  add(equal, 'equal');
  add(different, 'different');
  add(missing, 'missing');
  add(extra, 'extra');
  add(unreadable, 'unreadable');
  add(report.skipped, 'skipped');
  add(report.vanished, 'vanished');
  let line = `${parts.join(', ')} in ${formatDuration(report.seconds * 1000)}`;
  const { sample, sessions } = report;
  if (sessions > 0) line += `, ${count(sessions, 'session')}`;
  if (sample !== undefined)
    line += `, sample of ${sample.percent} % (--seed ${escapeText(sample.seed)})`;
  return line;
}

/** A table of what the checks of several jobs and targets found. */
export function checksTable(reports: readonly CheckReport[]): string[] {
  const rows = reports.map((report) => [
    checkedName(report),
    verdictOf(report),
    ...[report.files, report.read, report.different, report.missing].map(grouped),
    ...[report.extra, report.unreadable].map(grouped),
    formatDuration(report.seconds * 1000),
  ]);
  const counts = ['files', 'read', 'different', 'missing', 'extra', 'unreadable'];
  return tableLines([['job', 'outcome', ...counts, 'time'], ...rows]);
}

/** `publish`, `publish web1:www`. */
export function checkedName({ job, target }: Pick<CheckReport, 'job' | 'target'>): string {
  return target === undefined ? job : `${job} ${escapeText(target)}`;
}
