/** What `pause` and `resume` are about: the jobs named on the command line, remotes, or all. */
import { FerryError } from '../core/errors.js';
import { argumentsOf, type PauseScope } from '../core/pause.js';
import { type Controls, noSuchJob } from '../server/control/controls.js';

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
  const jobs = await jobsNamed(names, controls);
  return [
    ...jobs.map((job): PauseScope => ({ scope: 'job', job })),
    ...[...new Set(remotes)].map((remote): PauseScope => ({ scope: 'remote', remote })),
  ];
}

/** The jobs that these names and globs (`'web-*'`) mean, each once. */
async function jobsNamed(
  names: readonly string[],
  controls: Pick<Controls, 'status'>,
): Promise<string[]> {
  if (names.length < 2 && !names.some(isGlob)) return [...names];
  const known = (await controls.status()).jobs.map(({ job }) => job);
  const found = names.flatMap((name) => {
    const matching = known.filter((job) => (isGlob(name) ? matches(name, job) : job === name));
    if (matching.length === 0) throw noSuchJob(name, known);
    return matching;
  });
  return [...new Set(found)];
}

function isGlob(name: string): boolean {
  return /[*?]/.test(name);
}

function matches(glob: string, job: string): boolean {
  const pattern = glob.replace(/[.*+?^${}()|[\]\\]/g, (found) =>
    found === '*' ? '.*' : found === '?' ? '.' : `\\${found}`,
  );
  return new RegExp(`^${pattern}$`).test(job);
}

/** For people: `nightly`, `remote archive`, `all jobs`. */
export function scopeText(scope: PauseScope): string {
  if (scope.scope === 'job') return scope.job;
  return scope.scope === 'all' ? 'all jobs' : `remote ${scope.remote}`;
}

export function resumeCommand(scope: PauseScope): string {
  return `\`ferryline resume ${argumentsOf(scope)}\``;
}
