/** What a jobs.yml means, as a hash: daemons compare theirs without showing them to each other. */
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import type { Config } from '../core/job.js';
import type { Redact } from '../observe/redact.js';

/** Differs from machine to machine though the jobs are the same: sockets of agents. */
const ownToMachine: ReadonlySet<string> = new Set(['agent']);
/** Never part of a hash that others see: a short one could be found by trying. */
const secretKeys: ReadonlySet<string> = new Set(['password', 'passphrase']);

/**
 * Twelve hex digits over jobs, remotes and limits. Comments, layout, the order of keys, the place of the
 * file, the home folder of its user, and secrets don't count.
 */
export function configDigest(config: Config, home: string, redact: Redact): string {
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
  const text = JSON.stringify({ bandwidth, groups, remotes, jobs }, plain);
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
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
