/** What `pause` and `resume` are about: the jobs named on the command line, remotes, or all. */
import { FerryError } from '../core/errors.js';
import { argumentsOf, type PauseScope } from '../core/pause.js';
import type { Controls } from '../server/control/controls.js';
import { daemonJobs } from './select-jobs.js';

export interface PauseScopeFlags {
  readonly remote?: readonly string[];
  readonly all?: boolean;
}

/** A wrong name is reported before anything is paused. Errors: `config`. */
export async function pauseScopes(
  verb: 'pause' | 'resume',
  names: readonly string[],
  { remote: remotes = [], all = false }: PauseScopeFlags,
  controls: Pick<Controls, 'status'>,
): Promise<PauseScope[]> {
  const isNamed = names.length + remotes.length > 0;
  if (all && isNamed)
    throw new FerryError('config', `${verb} takes either names or --all`, {
      hint: 'with --all it is about every job, also those that are added later',
    });
  if (all) return [{ scope: 'all' }];
  if (!isNamed)
    throw new FerryError('config', `${verb} needs the name of a job, --remote NAME or --all`);
  const jobs = names.length === 0 ? [] : await daemonJobs(controls, { names, all: false }, verb);
  return [
    ...jobs.map((job): PauseScope => ({ scope: 'job', job })),
    ...[...new Set(remotes)].map((remote): PauseScope => ({ scope: 'remote', remote })),
  ];
}

/** For people: `nightly`, `remote archive`, `all jobs`. */
export function scopeText(scope: PauseScope): string {
  if (scope.scope === 'job') return scope.job;
  return scope.scope === 'all' ? 'all jobs' : `remote ${scope.remote}`;
}

export function resumeCommand(scope: PauseScope): string {
  return `\`ferryline resume ${argumentsOf(scope)}\``;
}
