/** A job given on the command line: the same keys and checks as in jobs.yml, without a file. */
import { createHash } from 'node:crypto';
import type { Operation } from '../../core/events.js';
import type { Job, Location } from '../../core/job.js';
import { buildJob } from './jobs.js';
import type { LocationContext } from './location.js';
import { checkOverrides, throwByKey } from './overrides.js';
import { ConfigProblems } from './problems.js';
import type { PlainMap } from './shapes.js';

/**
 * `raw` holds the operation and job keys, as text or values; its `from` and `to` are ignored in
 * favour of `locations`. A relative `after: { archive: … }` is resolved against `folder`, or refused
 * without one. The job's name is made from its operation and sides, so that the same call gives the
 * same name. Throws a config error.
 */
export function adHocJob(
  raw: PlainMap,
  locations: { readonly from: Location; readonly to: Location },
  { home, folder }: { readonly home: string; readonly folder?: string },
): Job {
  const { operation, from: _from, to: _to, ...keys } = raw;
  const rules = checkOverrides(keys);
  const problems = new ConfigProblems();
  const { from, to } = locations;
  const remotes: LocationContext['remotes'] = new Map(
    [from.remote, to.remote].flatMap((remote) =>
      remote === undefined ? [] : [[remote.name, remote] as const],
    ),
  );
  const identity = JSON.stringify([operation, from.label, from.path, to.label, to.path]);
  const name = `${operation}-${createHash('sha256').update(identity).digest('hex').slice(0, 8)}`;
  const job = buildJob(
    { name, operation: operation as Operation, pairs: [{ from, to }], rules },
    { folder, home, remotes },
    (path, message) => problems.add({ path, message }),
  );
  throwByKey(problems);
  if (job === undefined) throw new Error('a job without problems was not built');
  return { ...job, isAdHoc: true };
}
