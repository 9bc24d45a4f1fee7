/** Shows the events of a run while it runs: as lines of JSON, or in words for people. */
import { FerryError } from '../../core/errors.js';
import type { ActionEvent, Emit, PlanEvent, Report, RunEvent } from '../../core/events.js';
import { present } from '../../core/present.js';
import { escapeText, grouped, terminalSafe } from '../../core/text.js';
import type { Output } from './output.js';
import { ProgressDisplay } from './progress-display.js';
import {
  actionLine,
  endsTable,
  failureLines,
  fileLine,
  isEmptyPlan,
  planLine,
  summaryLine,
} from './summary.js';

export interface ReporterOptions {
  /** The job's name for people. */
  readonly job: string;
  /** Whether the plan is the result (`plan`), rather than a run. */
  readonly plan: boolean;
  readonly dryRun: boolean;
}

/** Deletions shown of a refused plan without `-v`; of the others, the number. */
const refusedDeletionsShown = 10;

export class Reporter {
  readonly #output: Output;
  readonly #options: ReporterOptions;
  /** Whether the actions of a plan are shown, rather than the files of a run. */
  readonly #planOnly: boolean;
  readonly #progress: ProgressDisplay;
  /** The deletions of each target, in case it is refused. */
  readonly #deletions = new Map<string | undefined, { shown: ActionEvent[]; count: number }>();
  /** Empty plans, held back until the run succeeds: after a failure "nothing to do" would be wrong. */
  readonly #emptyPlans: PlanEvent[] = [];

  constructor(output: Output, options: ReporterOptions) {
    this.#output = output;
    this.#options = options;
    this.#progress = new ProgressDisplay(output, options.job);
    this.#planOnly = options.plan || options.dryRun;
  }

  readonly emit: Emit = (event) => {
    if (this.#output.json) this.#record(event);
    this.#show(event);
  };

  /** Stops drawing and timers. */
  end(): void {
    this.#progress.end();
  }

  /** Only plan, action, file and run events go to stdout; `event` and `time` come first. */
  #record(event: RunEvent): void {
    if (event.event === 'notice' || event.event === 'progress' || event.event === 'transcript')
      return;
    // A plan has action events where a run has file events.
    if (event.event === (this.#options.plan ? 'file' : 'action')) return;
    const { event: name, ...fields } = event;
    this.#output.record({ event: name, time: new Date().toISOString(), ...fields });
  }

  #show(event: RunEvent): void {
    const output = this.#output;
    const { style } = output;
    const { job } = this.#options;
    switch (event.event) {
      case 'action':
        if (this.#planOnly) {
          if (!output.json) output.data(actionLine(event));
        } else if (event.action === 'delete') this.#keepDeletion(event);
        return;
      case 'plan':
        if (!this.#planOnly || output.json) return;
        if (isEmptyPlan(event)) this.#emptyPlans.push(event);
        else this.#showPlan(event);
        return;
      case 'file':
        // A plan has printed these as actions.
        if (output.verbosity >= 1 && !this.#planOnly) output.note(fileLine(event));
        return;
      case 'notice': {
        const text = `${nameOf(job, event)}: ${terminalSafe(event.message)}`;
        if (event.level === 'warning') output.note(`${style.yellow('warning:')} ${text}`);
        else if (output.verbosity >= 1) output.note(text);
        return;
      }
      case 'progress':
        this.#progress.update(event);
        return;
      case 'transcript':
        showTranscript(output, event.remote, event.kind, event.text);
        return;
      case 'run':
        this.#showEnd(event);
    }
  }

  #keepDeletion(event: ActionEvent): void {
    const kept = this.#deletions.get(event.target) ?? { shown: [], count: 0 };
    this.#deletions.set(event.target, kept);
    const most = this.#output.verbosity >= 1 ? Number.POSITIVE_INFINITY : refusedDeletionsShown;
    if (++kept.count <= most) kept.shown.push(event);
  }

  #showDeletions(target: string | undefined): void {
    const { shown = [], count = 0 } = this.#deletions.get(target) ?? {};
    for (const action of shown) this.#output.note(`  would ${actionLine(action)}`);
    if (count > shown.length)
      this.#output.note(`  and ${grouped(count - shown.length)} more; -v shows them`);
  }

  #showPlan(plan: PlanEvent): void {
    const { style } = this.#output;
    this.#output.note(`${style.bold(nameOf(this.#options.job, plan))}: ${planLine(plan)}`);
  }

  #showEnd(report: Report): void {
    this.end();
    const output = this.#output;
    const { style } = output;
    const { job } = this.#options;
    for (const { target, outcome } of report.targets ?? [{ ...report, target: undefined }])
      if (outcome === 'refused') this.#showDeletions(target);
    for (const line of failureLines(report)) output.alert(`  ${style.red('failed')}  ${line}`);
    for (const end of report.targets ?? [report])
      if (end.error !== undefined) output.error(errorOf(nameOf(job, end), end.error));
    if (report.description !== undefined && report.outcome !== 'succeeded')
      output.alert(`  about: ${terminalSafe(report.description)}`);
    // A plan that succeeded has no summary.
    if (this.#planOnly && report.outcome === 'succeeded') {
      for (const plan of this.#emptyPlans) this.#showPlan(plan);
      return;
    }
    if (output.json) return;
    if (report.targets !== undefined && !this.#planOnly) {
      const ends = report.targets.map((end) => ({ ...end, name: end.target }));
      for (const line of endsTable('target', ends)) output.note(`  ${line}`);
    }
    const colour = report.outcome === 'succeeded' ? style.green : style.red;
    const line = summaryLine(report).replace(report.outcome, colour(report.outcome));
    output.note(`${style.bold(job)}: ${line}`);
  }
}

/** `publish`, `publish web1:www`. */
function nameOf(job: string, of: object): string {
  const { target } = of as { readonly target?: string };
  return target === undefined ? job : `${job} ${escapeText(target)}`;
}

/** A table of how the runs of several jobs ended. */
export function showSummary(reports: readonly Report[], output: Output): void {
  if (reports.length < 2 || output.json) return;
  const ends = reports.map((report) => ({ ...report, name: report.job }));
  for (const line of endsTable('job', ends)) output.note(line);
}

/** A line of the session transcript, in the style of a file-transfer client's log. */
export function showTranscript(output: Output, remote: string, kind: string, text: string): void {
  if (output.verbosity < 2) return;
  output.note(`${output.style.dim(remote)}  ${`${kind}:`.padEnd(10)}${terminalSafe(text)}`);
}

/** The report's error with the job's name in front, unless the message starts with it. */
function errorOf(job: string, error: NonNullable<Report['error']>): FerryError {
  const named = error.message.startsWith(`${job}: `) || error.message.startsWith(`job ${job} `);
  return new FerryError(error.kind, named ? error.message : `${job}: ${error.message}`, {
    ...present({ path: error.path, hint: error.hint }),
  });
}
