/** What the processes of daemons say about themselves, and what is wrong with them as a group. Pure. */
import type { Job } from './job.js';
import { count } from './text.js';

/** A process of a daemon, as it describes itself. Names only, never a secret. */
export interface WorkerPresence {
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly roles: readonly string[];
  /** The names under which it takes runs. */
  readonly names: readonly string[];
  /** What its jobs.yml means, as a hash: two that differ only in comments or layout have the same. */
  readonly digest: string;
  /** Its jobs, each as a hash of its name: at most 64, the smallest ones, so that two processes with jobs in common find one. */
  readonly jobs?: readonly string[];
  /** The runs it has in hand. */
  readonly runs: readonly string[];
  /** ISO 8601, UTC, by its own clock. */
  readonly startedAt: string;
}

/** A process that was heard of a short while ago. */
export interface KnownWorker extends WorkerPresence {
  /** New for each start of a process. */
  readonly id: string;
  /** When it last said so, ISO 8601, UTC, by the store's clock. */
  readonly seenAt: string;
}

/**
 * What an operator should know of the group: other versions, other jobs.yml, jobs that nobody takes.
 * `earlier`: where processes are connected from whose version does not make itself known.
 */
export function warningsOfWorkers(
  workers: readonly KnownWorker[],
  earlier: readonly string[],
  jobs: Iterable<Pick<Job, 'name' | 'starts'>>,
): string[] {
  const strangers = strangersAmong(workers);
  return [
    ...unmarked(earlier),
    ...(strangers === undefined ? differences(workers) : [strangers]),
    ...untakenJobs(workers, jobs),
  ];
}

function unmarked(earlier: readonly string[]): string[] {
  if (earlier.length === 0) return [];
  const places = earlier.filter((place) => place !== '');
  const where = places.length === 0 ? '' : `, connected from ${few(places)}`;
  return [
    `an earlier version of ferryline uses the queue as well${where}; stop it: the two know nothing of each other's runs`,
  ];
}

/** The processes in groups that have no job in common; those that don't say which jobs they have are in none. */
function installationsOf(workers: readonly KnownWorker[]): KnownWorker[][] {
  let groups: KnownWorker[][] = [];
  for (const worker of workers) {
    const jobs = new Set(worker.jobs ?? []);
    if (jobs.size === 0) continue;
    const isAkin = (group: readonly KnownWorker[]) =>
      group.some((other) => other.jobs?.some((job) => jobs.has(job)));
    const akin = groups.filter(isAkin);
    groups = [...groups.filter((group) => !akin.includes(group)), [...akin.flat(), worker]];
  }
  return groups;
}

/**
 * Says that two installations share a queue. Workers of one give back runs of the other, but remotes
 * and jobs of one name share logins, permits and pauses.
 */
export function strangersAmong(workers: readonly KnownWorker[]): string | undefined {
  const installations = installationsOf(workers);
  if (installations.length < 2) return undefined;
  const named = installations.map((group) => few(group.map(labelOf))).join('; ');
  return `${installations.length} installations share the queue, since their jobs.yml have no job in common: ${named}; give one of them a "name" in its jobs.yml, or another database in the URL of its queue`;
}

/** How reports call the worker of a process: `NAME@HOST` or `HOST`. */
export function labelOfWorker({ names, host }: Pick<WorkerPresence, 'names' | 'host'>): string {
  return names.length === 0 ? host : `${names.join(',')}@${host}`;
}

/** `web-1 (process 4711)`. */
function labelOf({ host, pid }: Pick<KnownWorker, 'host' | 'pid'>): string {
  return `${host} (process ${pid})`;
}

function differences(workers: readonly KnownWorker[]): string[] {
  const versions = groupedBy(workers, ({ version }) => version);
  const warnings: string[] = [];
  if (versions.size > 1)
    warnings.push(
      `processes of different versions share the queue: ${listed(versions)}; finish the upgrade`,
    );
  // Another version may read the same file as something else: only equal versions are compared.
  for (const same of versions.values()) {
    const digests = groupedBy(same, ({ digest }) => digest);
    if (digests.size > 1)
      warnings.push(
        `processes go by different jobs.yml: ${listed(digests)}; give all of them the same file`,
      );
  }
  return warnings;
}

/** The jobs whose runs no process takes: it has to be a worker, of the name that the job asks for. */
function untakenJobs(
  workers: readonly KnownWorker[],
  jobs: Iterable<Pick<Job, 'name' | 'starts'>>,
): string[] {
  const names = new Set(
    workers.filter(({ roles }) => roles.includes('worker')).flatMap((worker) => worker.names),
  );
  const waiting = new Map<string, string[]>();
  for (const { name, starts } of jobs)
    if (starts.worker !== undefined && !names.has(starts.worker))
      waiting.set(starts.worker, [...(waiting.get(starts.worker) ?? []), name]);
  return [...waiting].map(
    ([worker, untaken]) =>
      `no known process is worker ${worker}: runs of ${few(untaken)} wait; start one with --worker ${worker}`,
  );
}

function groupedBy(
  workers: readonly KnownWorker[],
  keyOf: (worker: KnownWorker) => string,
): Map<string, KnownWorker[]> {
  const groups = new Map<string, KnownWorker[]>();
  for (const worker of workers)
    groups.set(keyOf(worker), [...(groups.get(keyOf(worker)) ?? []), worker]);
  return groups;
}

/** `0.2.0 on web-1 (process 12), web-2 (process 9); 0.1.0 on …`. */
function listed(groups: ReadonlyMap<string, readonly KnownWorker[]>): string {
  return [...groups].map(([key, workers]) => `${key} on ${few(workers.map(labelOf))}`).join('; ');
}

const mostNamed = 4;

function few(names: readonly string[]): string {
  const more = names.length - mostNamed;
  const shown = names.slice(0, mostNamed).join(', ');
  return more > 0 ? `${shown} and ${count(more, 'more', 'more')}` : shown;
}
