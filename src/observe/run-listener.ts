/** Writes the events of a daemon's runs: to each run's own log, to the transfer log, and a line about its end to the daemon's log. */
import type { Report } from '../core/events.js';
import { present } from '../core/present.js';
import type { ListenToRun } from '../core/request.js';
import type { Log } from './log.js';
import type { Redact } from './redact.js';
import { openRunLog } from './run-log.js';
import type { TransferLog, TransferSource } from './transfer-log.js';

export interface RunListenerOptions {
  /** The state folder. */
  readonly state: string;
  readonly log: Log;
  readonly transfers: TransferLog;
  readonly redact: Redact;
  /** Whether session transcripts are kept as well. */
  readonly debug: boolean;
  /** The name of the remote that the files of a job, or of one of its targets, go to or come from. */
  readonly remoteOf: (job: string, target: string | undefined) => string | undefined;
  readonly onError: (error: Error) => void;
}

export function runListener(options: RunListenerOptions): ListenToRun {
  const { state, log, transfers, redact, debug, onError } = options;
  return ({ run, job }) => {
    const sources = new Map<string | undefined, TransferSource>();
    const sourceOf = (target: string | undefined) => {
      const known = sources.get(target);
      if (known !== undefined) return known;
      const remote = options.remoteOf(job, target);
      const found = { job, run, ...present({ remote, target }) };
      sources.set(target, found);
      return found;
    };
    const lines = openRunLog({ state, run, debug, redact, onError });
    return {
      emit(event) {
        lines.emit(event);
        if (event.event === 'file') transfers.file(sourceOf(event.target), event);
        if (event.event === 'notice' && event.level === 'warning')
          log.warn(`${nameOf(job, event.target)}: ${event.message}`, { run });
        if (event.event === 'run') logEnd(log, event);
      },
      async end() {
        lines.close();
      },
    };
  };
}

/** `publish`, `publish web1:www`. */
function nameOf(job: string, target: string | undefined): string {
  return target === undefined ? job : `${job} ${target}`;
}

function logEnd(log: Log, report: Report): void {
  const { run, job, description, outcome, trigger, seconds, bytes, files, error } = report;
  const level = outcome === 'succeeded' || outcome === 'cancelled' ? 'info' : 'error';
  const { copied, deleted, failed } = files;
  const why = error === undefined ? '' : `: ${error.message}`;
  const figures = {
    run,
    trigger,
    seconds,
    copied,
    deleted,
    failed,
    bytes,
    ...present({ description }),
  };
  log[level](`${job}: ${outcome}${why}`, figures);
}
