/** Pauses: what keeps runs from starting, of one job, of every job that uses a remote, or of all jobs. Pure. */
import { present } from './present.js';
import { terminalSafe } from './text.js';

/** What a pause holds. */
export type PauseScope =
  | { readonly scope: 'job'; readonly job: string }
  | { readonly scope: 'remote'; readonly remote: string }
  | { readonly scope: 'all' };

/** What whoever pauses may say about it. */
export interface PauseDetails {
  /** When it ends by itself, ms since the epoch; absent: when somebody resumes. */
  readonly until?: number;
  /** Why, in words for people. */
  readonly reason?: string;
  /** Who paused: `user@host`. */
  readonly by?: string;
}

export type Pause = PauseScope &
  PauseDetails & { /** Ms since the epoch. */ readonly since: number };

/** A pause as `status` lists it: times as ISO 8601, UTC. */
export type PauseView = PauseScope & {
  readonly since: string;
  readonly until?: string;
  readonly reason?: string;
  readonly by?: string;
};

const remotePrefix = 'remote/';
const everything = '*';

/** The name under which a pause is stored; that of a job is the job's. A name of a job contains no slash. */
export function keyOf(scope: PauseScope): string {
  if (scope.scope === 'job') return scope.job;
  return scope.scope === 'all' ? everything : `${remotePrefix}${scope.remote}`;
}

export function scopeOf(key: string): PauseScope {
  if (key === everything) return { scope: 'all' };
  return key.startsWith(remotePrefix)
    ? { scope: 'remote', remote: key.slice(remotePrefix.length) }
    : { scope: 'job', job: key };
}

/** The keys of all pauses that hold a job which uses these remotes. */
export function keysOf(job: string, remotes: Iterable<string>): string[] {
  return [everything, job, ...[...remotes].map((remote) => `${remotePrefix}${remote}`)];
}

/** The pause that ends last. */
export function longestOf(pauses: readonly Pause[]): Pause | undefined {
  const end = ({ until = Number.POSITIVE_INFINITY }: Pause) => until;
  return [...pauses].sort((a, b) => end(b) - end(a))[0];
}

export function viewOfPause({ since, until, reason, by, ...scope }: Pause): PauseView {
  const iso = (ms: number) => new Date(ms).toISOString();
  return {
    ...scope,
    since: iso(since),
    ...present({ until: until === undefined ? undefined : iso(until), reason, by }),
  };
}

/** Why a run does not start: `the job is paused by ann@web-1: the disk is full`. */
export function reasonOfPause(pause: PauseScope & Pick<PauseDetails, 'by' | 'reason'>): string {
  const by = pause.by === undefined ? '' : ` by ${terminalSafe(pause.by)}`;
  const why = pause.reason === undefined ? '' : `: ${terminalSafe(pause.reason)}`;
  return `${subjects[pause.scope](pause)} paused${by}${why}`;
}

const subjects: Readonly<Record<PauseScope['scope'], (pause: PauseScope) => string>> = {
  job: () => 'the job is',
  remote: (pause) => `remote ${pause.scope === 'remote' ? pause.remote : ''} is`,
  all: () => 'all jobs are',
};

/** The arguments of `pause` and `resume` that mean this scope. */
export function argumentsOf(scope: PauseScope): string {
  if (scope.scope === 'job') return scope.job;
  return scope.scope === 'all' ? '--all' : `--remote ${scope.remote}`;
}
