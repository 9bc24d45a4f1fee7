/** What a daemon does when it is asked to pause and to resume. */
import type { Job } from '../core/job.js';
import { keyOf, type Pause, type PauseScope, viewOfPause } from '../core/pause.js';
import { present } from '../core/present.js';
import type { RunRequest } from '../core/request.js';
import type { OpenQueue } from '../queue/open.js';
import { type Controls, noSuchJob, noSuchRemote, type Resumed } from './control/controls.js';

export interface PauseControlsParts {
  readonly queue: Pick<OpenQueue, 'pauses' | 'runs' | 'signals'>;
  readonly jobs: () => ReadonlyMap<string, Job>;
  readonly remotes: () => Iterable<string>;
  readonly pauseOf: (job: string) => Pause | undefined;
  readonly onPauses: () => void;
  readonly latestSlot: (job: string, after: number) => number | undefined;
  readonly newRunId: () => string;
}

export function pauseControls(parts: PauseControlsParts): Pick<Controls, 'pause' | 'resume'> {
  const { pauses, signals } = parts.queue;
  const changed = async (scope: PauseScope) => {
    parts.onPauses();
    await signals.send('pauses', { job: keyOf(scope) });
  };
  return {
    async pause(scope, details) {
      checkScope(scope, parts);
      await pauses.pause(scope, details);
      await changed(scope);
    },

    async resume(scope, { by, catchUp = false }) {
      checkScope(scope, parts);
      const before = heldSince(parts);
      const wasPaused = await pauses.resume(scope, present({ by }));
      await changed(scope);
      const still = scope.scope === 'job' ? parts.pauseOf(scope.job) : undefined;
      const others = scope.scope === 'all' ? pauses.holding().map(viewOfPause) : undefined;
      return {
        wasPaused,
        ...present({ pause: still && viewOfPause(still), others }),
        caughtUp: catchUp ? await catchUpOn(before, parts) : [],
      };
    },
  };
}

function checkScope(scope: PauseScope, { jobs, remotes }: PauseControlsParts): void {
  if (scope.scope === 'job' && !jobs().has(scope.job)) throw noSuchJob(scope.job, jobs().keys());
  if (scope.scope !== 'remote') return;
  const names = [...remotes()];
  if (!names.includes(scope.remote)) throw noSuchRemote(scope.remote, names);
}

/** The jobs that are paused, each with the moment since when. */
function heldSince({ jobs, pauseOf }: PauseControlsParts): Map<string, number> {
  const held = new Map<string, number>();
  for (const name of jobs().keys()) {
    const pause = pauseOf(name);
    if (pause !== undefined) held.set(name, pause.since);
  }
  return held;
}

/** Requests a run for the latest slot of each job that was paused and no longer is. */
async function catchUpOn(
  before: ReadonlyMap<string, number>,
  { jobs, queue, pauseOf, latestSlot, newRunId }: PauseControlsParts,
): Promise<Resumed['caughtUp']> {
  const caughtUp: { job: string; run: string; slot: string }[] = [];
  for (const [name, since] of before) {
    const starts = jobs().get(name)?.starts;
    const missed = latestSlot(name, since);
    if (starts === undefined || missed === undefined || pauseOf(name) !== undefined) continue;
    const slot = new Date(missed).toISOString();
    const request: RunRequest = { run: newRunId(), job: name, trigger: 'catch-up', slot };
    const rules = { worker: starts.worker, attempts: starts.retry.attempts };
    const { run } = await queue.runs.request(request, rules);
    caughtUp.push({ job: name, run, slot });
  }
  return caughtUp;
}
