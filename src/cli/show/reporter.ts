/** Shows the events of a run while it runs: as lines of JSON, or in words for people. */
import { FerryError } from '../../core/errors.js';
import type { ActionEvent, Emit, PlanEvent, Report, RunEvent } from '../../core/events.js';
import { present } from '../../core/present.js';
import { grouped, terminalSafe } from '../../core/text.js';
import { Meter, progressBlock, progressLine } from './meter.js';
import type { Output } from './output.js';
import {
  actionLine,
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

export interface Reporter {
  readonly emit: Emit;
  /** Stops drawing and timers. */
  end(): void;
}

/** Time between two lines of progress when no block can be drawn. */
const progressLineEveryMs = 30_000;
/** Deletions shown of a refused plan; of the others, the number. */
const refusedDeletionsShown = 10;

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
  // A plan has action events where a run has file events.
  if (event.event === (options.plan ? 'file' : 'action')) return;
  const { event: name, ...fields } = event;
  output.record({ event: name, time: new Date().toISOString(), ...fields });
}

function createForPeople(output: Output, { job, plan, dryRun }: ReporterOptions): Reporter {
  const { style, block } = output;
  const meter = new Meter();
  const planOnly = plan || dryRun;
  const deletions: ActionEvent[] = [];
  let deletionCount = 0;
  let timer: NodeJS.Timeout | undefined;
  /** An empty plan, held back until the run succeeds: after a failure "nothing to do" would be wrong. */
  let emptyPlan: PlanEvent | undefined;

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
    }, progressLineEveryMs);
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
    // A plan that succeeded has no summary.
    if (planOnly && report.outcome === 'succeeded') {
      if (emptyPlan !== undefined) output.note(`${style.bold(job)}: ${planLine(emptyPlan)}`);
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
          if (planOnly) {
            if (!output.json) output.data(actionLine(event));
          } else if (event.action === 'delete' && ++deletionCount <= refusedDeletionsShown) {
            deletions.push(event);
          }
          return;
        case 'plan':
          if (!planOnly || output.json) return;
          if (isEmptyPlan(event)) emptyPlan = event;
          else output.note(`${style.bold(job)}: ${planLine(event)}`);
          return;
        case 'file':
          // A plan has printed these as actions.
          if (output.verbosity >= 1 && !planOnly) output.note(fileLine(event));
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
