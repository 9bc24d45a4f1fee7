/** What a jobs.yml means, as a hash: daemons compare theirs without showing them to each other. */
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Config } from '../core/job.js';
import type { Remote } from '../core/remote.js';
import type { Redact } from '../observe/redact.js';

/** Differs from machine to machine though the jobs are the same: sockets of agents. */
const ownToMachine: ReadonlySet<string> = new Set(['agent']);
/** Never part of a hash that others see: a short one could be found by trying. */
const secretKeys: ReadonlySet<string> = new Set(['password', 'passphrase']);

/** Jobs that are hashed before others get their turn. */
const jobsInTurn = 200;

/**
 * Twelve hex digits over jobs, remotes and limits. Comments, layout, the order of keys, the place of the
 * file, the home folder of its user, and secrets don't count.
 */
export function configDigest(...given: Parameters<typeof digestOf>): string {
  const steps = digestOf(...given);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** The same, while others get their turns: thousands of jobs take a tenth of a second. */
export async function configDigestInTurns(...given: Parameters<typeof digestOf>): Promise<string> {
  const steps = digestOf(...given);
  for (let jobs = 1; ; jobs++) {
    const { done, value } = steps.next();
    if (done === true) return value;
    if (jobs % jobsInTurn === 0) await setImmediate();
  }
}

/** Yields after each job. */
function* digestOf(config: Config, home: string, redact: Redact): Generator<void, string> {
  const { bandwidth, groups, remotes, jobs, file } = config;
  const folders = [
    [dirname(file), '.'],
    [home, '~'],
  ] as const;
  const plain = (key: string, value: unknown): unknown => {
    if (ownToMachine.has(key) || secretKeys.has(key)) return value === undefined ? value : true;
    if (typeof value === 'string') return redact(placed(value, folders));
    if (value instanceof Map) return inOrder(Object.fromEntries(value));
    return value !== null && typeof value === 'object' && !Array.isArray(value)
      ? inOrder(value)
      : value;
  };
  const hash = createHash('sha256');
  hash.update(JSON.stringify({ bandwidth, groups, remotes }, plain));
  // A job has its remotes whole, which are hashed above.
  const plainOfJob = (key: string, value: unknown) =>
    key === 'remote' && value !== undefined ? (value as Remote).name : plain(key, value);
  const byName = [...jobs.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const job of byName) {
    hash.update(`${JSON.stringify(job, plainOfJob)}\n`);
    yield;
  }
  return hash.digest('hex').slice(0, 12);
}

const mostMarks = 64;

/** Hashes of the jobs' names, the 64 smallest. */
export function jobMarks(jobs: Iterable<string>): string[] {
  const marks = [...jobs].map((name) =>
    createHash('sha256').update(name).digest('hex').slice(0, 8),
  );
  return marks.sort().slice(0, mostMarks);
}

function inOrder(object: object): object {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A path below one of the folders, with the folder's sign in its place. */
function placed(text: string, folders: readonly (readonly [string, string])[]): string {
  for (const [folder, sign] of folders) {
    if (text === folder) return sign;
    if (folder !== '/' && text.startsWith(`${folder}/`)) return sign + text.slice(folder.length);
  }
  return text;
}
