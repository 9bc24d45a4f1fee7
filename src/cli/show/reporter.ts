/** What a run tells, as it goes on, shown in the way that was asked for: lines of JSON, or words for people. */

import { FerryError } from '../../core/errors.js';
import type { ActionEvent, Emit, PlanEvent, Report, RunEvent } from '../../core/events.js';
import { grouped, terminalSafe } from '../../core/text.js';
import { createMeter, progressBlock, progressLine } from './meter.js';
import type { Output } from './output.js';
import { actionLine, failureLines, fileLine, planLine, summaryLine } from './summary.js';

export interface ReporterOptions {
  /** What people call the job. */
  readonly job: string;
  /** Whether the plan itself is what was asked for (`plan`). */
  readonly plan: boolean;
  readonly dryRun: boolean;
}

export interface Reporter {
  readonly emit: Emit;
  /** Stops drawing and timers. */
  end(): void;
}

/** Milliseconds between two lines of progress where no block can be drawn. */
const lineEvery = 30_000;
/** Deletions of a refused plan that are shown: they are what it was refused for. */
const refusedShown = 10;

export function createReporter(output: Output, options: ReporterOptions): Reporter {
  const people = createForPeople(output, options);
  return {
    end: people.end,
    emit(event) {
      if (output.json) record(output, options, event);
      people.emit(event);
    },
  };
}

/** Only plan, action, file and run events go to stdout; `event` and `time` come first. */
function record(output: Output, options: ReporterOptions, event: RunEvent): void {
  if (event.event === 'notice' || event.event === 'progress' || event.event === 'transcript')
    return;
  // A plan tells in actions what a run tells in files.
  if (event.event === (options.plan ? 'file' : 'action')) return;
  const { event: name, ...fields } = event;
  output.record({ event: name, time: new Date().toISOString(), ...fields });
}

function createForPeople(output: Output, { job, plan, dryRun }: ReporterOptions): Reporter {
  const { style, block } = output;
  const meter = createMeter();
  const asked = plan || dryRun;
  const deletions: ActionEvent[] = [];
  let deletionCount = 0;
  let timer: NodeJS.Timeout | undefined;
  /** An empty plan: that there is nothing to do is known once nothing stood in its way. */
  let nothing: PlanEvent | undefined;

  const showProgress = () => {
    if (timer !== undefined) return;
    if (block !== undefined) {
      block.set((columns) => {
        const view = meter.view(Date.now());
        return view === undefined ? [] : progressBlock(job, view, columns);
      });
    }
    timer = setInterval(() => {
      const view = meter.view(Date.now());
      if (block === undefined && view !== undefined) output.note(progressLine(job, view));
    }, lineEvery);
    timer.unref();
  };
  const end = () => {
    clearInterval(timer);
    timer = undefined;
    block?.end();
  };

  const showEnd = (report: Report) => {
    end();
    if (report.outcome === 'refused') {
      for (const action of deletions) output.note(`  would ${actionLine(action)}`);
      const more = deletionCount - deletions.length;
      if (more > 0) output.note(`  and ${grouped(more)} more`);
    }
    for (const line of failureLines(report)) output.alert(`  ${style.red('failed')}  ${line}`);
    if (report.error !== undefined) output.error(errorOf(job, report.error));
    // Of a plan there is nothing to sum up when it went well.
    if (asked && report.outcome === 'succeeded') {
      if (nothing !== undefined) output.note(`${style.bold(job)}: ${planLine(nothing)}`);
      return;
    }
    if (output.json) return;
    const colour = report.outcome === 'succeeded' ? style.green : style.red;
    const line = summaryLine(report).replace(report.outcome, colour(report.outcome));
    output.note(`${style.bold(job)}: ${line}`);
  };

  return {
    end,
    emit(event) {
      switch (event.event) {
        case 'action':
          if (asked) {
            if (!output.json) output.data(actionLine(event));
          } else if (event.action === 'delete' && ++deletionCount <= refusedShown) {
            deletions.push(event);
          }
          return;
        case 'plan':
          if (!asked || output.json) return;
          if (isEmpty(event)) nothing = event;
          else output.note(`${style.bold(job)}: ${planLine(event)}`);
          return;
        case 'file':
          // What a plan passes over is among its actions.
          if (output.verbosity >= 1 && !asked) output.note(fileLine(event));
          return;
        case 'notice': {
          const text = `${job}: ${terminalSafe(event.message)}`;
          if (event.level === 'warning') output.note(`${style.yellow('warning:')} ${text}`);
          else if (output.verbosity >= 1) output.note(text);
          return;
        }
        case 'progress':
          meter.update(event, Date.now());
          showProgress();
          return;
        case 'transcript':
          showTranscript(output, event.remote, event.kind, event.text);
          return;
        case 'run':
          showEnd(event);
      }
    },
  };
}

function isEmpty({ mkdirs, copies, attrs, deletes, conflicts }: PlanEvent): boolean {
  return mkdirs + copies + attrs + deletes + conflicts === 0;
}

/** A line of the session transcript, in the manner of a file-transfer client's log. */
export function showTranscript(output: Output, remote: string, kind: string, text: string): void {
  if (output.verbosity < 2) return;
  output.note(`${output.style.dim(remote)}  ${`${kind}:`.padEnd(10)}${terminalSafe(text)}`);
}

/** The report's error with the job in front, unless the message begins with it. */
function errorOf(job: string, error: NonNullable<Report['error']>): FerryError {
  const named = error.message.startsWith(`${job}: `) || error.message.startsWith(`job ${job} `);
  return new FerryError(error.kind, named ? error.message : `${job}: ${error.message}`, {
    ...(error.path === undefined ? {} : { path: error.path }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}
