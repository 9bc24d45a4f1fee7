/** The end of a job's window, as a signal that stops a run. */
import { FerryError } from '../core/errors.js';
import type { Job } from '../core/job.js';
import { isOpen, nextEdge, windowClosed } from '../core/window.js';

/** The longest wait before the clock is looked at again, in milliseconds, so that a jump or a suspend is noticed. */
const longestWaitMs = 30_000;

export interface WindowEnd {
  /** Aborted when the window closes, with the error of the run. */
  readonly signal: AbortSignal;
  /** Stops waiting for it. */
  drop(): void;
}

/** For a job without a window the signal is never aborted. */
export function windowEndOf(job: Job): WindowEnd {
  const closed = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const look = () => {
    const now = Date.now();
    if (!isOpen(job, now)) {
      closed.abort(windowEnded(job));
      return;
    }
    const edge = nextEdge(job, now);
    if (edge !== undefined) timer = setTimeout(look, Math.min(edge - now, longestWaitMs));
  };
  if (job.window !== undefined) look();
  return { signal: closed.signal, drop: () => clearTimeout(timer) };
}

function windowEnded({ window }: Job): FerryError {
  return new FerryError('timeout', `the window ${window?.text ?? ''} ended before the run did`, {
    code: windowClosed,
    hint: 'the files copied so far stay; the run goes on when the window opens again',
  });
}
