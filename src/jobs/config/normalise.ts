/** From the values of jobs.yml, which have passed the schema, to those the program works with: defaults filled in, units fixed. */

import type {
  After,
  DeleteRules,
  Job,
  Location,
  Modes,
  ScopeRules,
  Starts,
} from '../../core/job.js';
import { present } from '../../core/present.js';
import type { Auth, Remote } from '../../core/remote.js';
import { plainHostKey } from './host-key.js';
import { cleanPath, localPath, type UserContext } from './location.js';
import { opensshOptions } from './openssh-options.js';
import type { RawRemote } from './remote-schema.js';
import type { RawRules } from './schema.js';
import { isMap, listOf } from './shapes.js';
import { parseDuration, parseMode, parsePercent, parseRate, parseSize } from './units.js';

/** A remote without its jump host, which needs the other remotes. */
export function normaliseRemote(
  name: string,
  raw: RawRemote,
  user: UserContext,
): Omit<Remote, 'jump'> {
  const file = (text: string) => localPath(text, user);
  const knownHosts = raw.knownHosts ?? [
    '~/.ssh/known_hosts',
    '~/.ssh/known_hosts2',
    '/etc/ssh/ssh_known_hosts',
  ];
  return {
    name,
    host: raw.host,
    port: raw.port ?? 22,
    username: raw.username ?? user.username,
    auth: normaliseAuth(raw.auth, user),
    hostKey: listOf(raw.hostKey).map(plainHostKey),
    knownHosts: listOf(knownHosts).map(file),
    root: raw.root === undefined ? undefined : cleanPath(raw.root) || '.',
    maxSessions: raw.maxSessions ?? 2,
    maxFiles: raw.maxFiles ?? 0,
    bandwidth: rate(raw.bandwidth),
    deadline: duration(raw.deadline) ?? 30_000,
    stall: duration(raw.stall) ?? 60_000,
    algorithms: normaliseAlgorithms(raw.algorithms),
    ...present({ openssh: raw.transport === 'openssh' ? opensshOptions(raw, user) : undefined }),
  };
}

function normaliseAuth(raw: RawRemote['auth'], user: UserContext): Auth {
  const agent = user.agent === '' ? undefined : user.agent;
  if (raw === undefined) {
    const keys = ['id_ed25519', 'id_ecdsa', 'id_rsa'];
    return {
      keys: keys.map((key) => localPath(`~/.ssh/${key}`, user)),
      keysOptional: true,
      ...present({ agent }),
    };
  }
  return {
    keys: listOf(raw.key).map((key) => localPath(key, user)),
    keysOptional: false,
    ...present({
      passphrase: raw.passphrase,
      password: raw.password,
      agent: raw.agent === true ? agent : undefined,
    }),
  };
}

function normaliseAlgorithms(raw: RawRemote['algorithms']): Remote['algorithms'] {
  const entries = Object.entries(raw ?? {}).map(([kind, change]) => {
    if (typeof change === 'string' || Array.isArray(change)) return [kind, listOf(change)];
    return [
      kind,
      Object.fromEntries(Object.entries(change ?? {}).map(([how, names]) => [how, listOf(names)])),
    ];
  });
  return Object.fromEntries(entries);
}

/** What a job's rules give: everything but name, operation, from, to and after. */
export function normaliseRules(
  raw: RawRules,
): Omit<Job, 'name' | 'operation' | 'from' | 'to' | 'after'> {
  return {
    scope: normaliseScope(raw),
    compare: raw.compare ?? 'auto',
    existing: raw.existing ?? 'replace',
    delete: normaliseDelete(raw.delete ?? {}),
    symlinks: raw.symlinks ?? 'skip',
    modes: normaliseModes(raw.modes),
    verify: raw.verify ?? 'size',
    fsync: raw.fsync ?? false,
    bandwidth: rate(raw.bandwidth),
    timeout: duration(raw.timeout),
    history: raw.history ?? 500,
    starts: normaliseStarts(raw),
  };
}

/** What happens to source files; `archive` is the location of `after: { archive: … }`. */
export function normaliseAfter(raw: RawRules['after'], archive: Location | undefined): After {
  if (archive !== undefined) return { kind: 'archive', to: archive };
  return { kind: raw === 'delete' ? 'delete' : 'keep' };
}

function normaliseScope(raw: RawRules): ScopeRules {
  return {
    include: listOf(raw.include),
    exclude: listOf(raw.exclude),
    ignoreFile: raw.ignoreFile,
    minSize: raw.minSize === undefined ? undefined : parseSize(raw.minSize),
    maxSize: raw.maxSize === undefined ? undefined : parseSize(raw.maxSize),
    minAge: duration(raw.minAge),
    maxAge: duration(raw.maxAge),
  };
}

function normaliseDelete(raw: NonNullable<RawRules['delete']>): DeleteRules {
  const max = raw.max ?? '50%';
  return {
    max: typeof max === 'number' ? { count: max } : { percent: parsePercent(max) ?? 0 },
    trash: raw.trash === undefined ? undefined : cleanPath(raw.trash),
    keep: duration(raw.keep),
    require: raw.require === undefined ? undefined : cleanPath(raw.require),
    allowEmptySource: raw.allowEmptySource ?? false,
  };
}

function normaliseModes(raw: RawRules['modes']): Modes {
  if (raw === undefined || typeof raw === 'string') return raw ?? 'source';
  return { files: parseMode(raw.files) ?? 0o600, folders: parseMode(raw.folders) ?? 0o700 };
}

function normaliseStarts(raw: RawRules): Starts {
  const watch = raw.watch === true ? {} : raw.watch;
  return {
    schedule: listOf(raw.schedule).map((expression) => expression.trim()),
    timezone: raw.timezone,
    missed: raw.missed ?? 'latest',
    missedWithin: duration(raw.missedWithin),
    watch:
      watch === undefined || watch === false
        ? undefined
        : {
            settle: duration(watch.settle) ?? 2000,
            rescan: duration(watch.rescan) ?? 15 * 60_000,
          },
    worker: raw.worker,
    retry: {
      attempts: raw.retry?.attempts ?? 5,
      backoff: duration(raw.retry?.backoff) ?? 10_000,
      maxBackoff: duration(raw.retry?.maxBackoff) ?? 10 * 60_000,
    },
  };
}

/** One set of job keys laid over another: maps merge, everything else replaces. */
export function mergeRules(under: RawRules, over: RawRules): RawRules {
  return merge(under, over) as RawRules;
}

function merge(under: unknown, over: unknown): unknown {
  if (!isMap(under) || !isMap(over)) return over;
  const merged: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) {
    merged[key] = Object.hasOwn(merged, key) ? merge(merged[key], value) : value;
  }
  return merged;
}

function duration(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDuration(text);
}

function rate(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseRate(text);
}
