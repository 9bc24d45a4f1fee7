/** From the values of jobs.yml, which have passed the schema, to those the program works with: defaults filled in, units fixed. */

import { dirname } from 'node:path';
import type { Bandwidth } from '../../core/bandwidth.js';
import { bareHost } from '../../core/host.js';
import { anyOf, type Hours, parseHours } from '../../core/hours.js';
import type {
  After,
  CatchUp,
  DeleteRules,
  FileLimit,
  Hooks,
  Job,
  Location,
  Modes,
  ScopeRules,
  Starts,
  TrashRules,
  WatchRules,
} from '../../core/job.js';
import type { IncidentRules } from '../../core/notify.js';
import { present } from '../../core/present.js';
import type { Auth, Remote } from '../../core/remote.js';
import { plainHostKey } from './host-key.js';
import { cleanPath, localPath, type UserContext } from './location.js';
import type { JobRules, RemoteKeys } from './merge.js';
import { opensshOptions } from './openssh-options.js';
import { listOf } from './shapes.js';
import { parseDuration, parseMode, parsePercent, parseRate, parseSize } from './units.js';

/** A remote without its jump host, which needs the other remotes. */
export function normaliseRemote(
  name: string,
  raw: RemoteKeys,
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
    host: bareHost(raw.host),
    port: raw.port ?? 22,
    username: raw.username ?? user.username,
    auth: normaliseAuth(raw.auth, user),
    hostKey: listOf(raw.hostKey).map(plainHostKey),
    knownHosts: listOf(knownHosts).map(file),
    root: raw.root === undefined ? undefined : cleanPath(raw.root) || '.',
    maxSessions: raw.maxSessions ?? 2,
    maxFiles: raw.maxFiles ?? 0,
    bandwidth: normaliseBandwidth(raw.bandwidth),
    replyTimeout: duration(raw.replyTimeout) ?? 30_000,
    stallTimeout: duration(raw.stallTimeout) ?? 60_000,
    algorithms: normaliseAlgorithms(raw.algorithms),
    ...present({ openssh: raw.transport === 'openssh' ? opensshOptions(raw, user) : undefined }),
  };
}

function normaliseAuth(raw: RemoteKeys['auth'], user: UserContext): Auth {
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

function normaliseAlgorithms(raw: RemoteKeys['algorithms']): Remote['algorithms'] {
  const entries = Object.entries(raw ?? {}).map(([kind, change]) => {
    if (typeof change === 'string' || Array.isArray(change)) return [kind, listOf(change)];
    return [
      kind,
      Object.fromEntries(Object.entries(change ?? {}).map(([how, names]) => [how, listOf(names)])),
    ];
  });
  return Object.fromEntries(entries);
}

/** A limit as written: one rate, or windows; false and absent: none. */
export function normaliseBandwidth(
  raw: RemoteKeys['bandwidth'] | JobRules['bandwidth'],
): Bandwidth | undefined {
  if (raw === undefined || raw === false) return undefined;
  if (typeof raw === 'string') return { rate: parseRate(raw), windows: [] };
  const windows = raw.windows.map(({ hours, rate }) => ({
    hours: parsedHours(hours),
    rate: parseRate(rate) ?? 0,
  }));
  return { rate: rate(raw.rate), windows };
}

/** What a job's rules give: everything but name, operation, from, to and after. A key that is switched off has its off state. */
export function normaliseRules(
  raw: JobRules,
): Omit<Job, 'name' | 'operation' | 'from' | 'to' | 'after'> {
  const { watch } = raw;
  const isWatched = watch !== undefined && watch !== false;
  return {
    description: on(raw.description),
    scope: normaliseScope(raw),
    live: listOf(on(raw.live)),
    compare: on(raw.compare) ?? 'auto',
    existing: on(raw.existing) ?? 'overwrite',
    renames: on(raw.renames) === 'follow',
    delete: normaliseDelete(raw.delete ?? {}),
    trash: normaliseTrash(raw.trash ?? false),
    replace: normaliseReplace(raw.replace),
    symlinks: on(raw.symlinks) ?? 'skip',
    modes: normaliseModes(on(raw.modes)),
    verify: on(raw.verify) ?? 'size',
    fsync: raw.fsync ?? false,
    settle: raw.settle === false ? 0 : (duration(raw.settle) ?? (isWatched ? 2000 : 0)),
    bandwidth: normaliseBandwidth(raw.bandwidth),
    window: normaliseWindow(listOf(on(raw.window))),
    timeout: duration(raw.timeout),
    history: normaliseHistory(on(raw.history) ?? 500),
    starts: normaliseStarts(raw),
    incidents: normaliseIncidents(raw),
  };
}

function normaliseIncidents({ notify, stale, slow }: JobRules): IncidentRules {
  return {
    notify:
      notify === undefined || notify === true ? undefined : notify === false ? [] : listOf(notify),
    stale: stale === false ? false : duration(stale),
    slow: normaliseSlow(slow),
  };
}

function normaliseSlow(raw: JobRules['slow']): IncidentRules['slow'] {
  if (raw === undefined || raw === false) return undefined;
  if (raw.endsWith('x')) return { times: Number(raw.slice(0, -1)) };
  return { ms: duration(raw) ?? 0 };
}

/** The value of a key that is not switched off. */
function on<T>(value: T | false | undefined): T | undefined {
  return value === false ? undefined : value;
}

/** What happens to source files; `archive` is the location of `after: { archive: … }`. */
export function normaliseAfter(raw: JobRules['after'], archive: Location | undefined): After {
  if (archive !== undefined) return { kind: 'archive', to: archive };
  return { kind: raw === 'delete' ? 'delete' : 'keep' };
}

/** The hooks of a job of this jobs.yml. */
export function normaliseHooks(raw: JobRules['hooks'], config: string): Pick<Job, 'hooks'> {
  if (raw === undefined || raw === false) return {};
  const command = (argv: readonly string[] | false | undefined) => on(argv);
  const hooks: Hooks = {
    before: command(raw.before),
    success: command(raw.success),
    failure: command(raw.failure),
    always: command(raw.always),
    timeout: duration(raw.timeout) ?? 10 * 60_000,
    env: listOf(on(raw.env)),
    config,
    folder: dirname(config),
  };
  return { hooks };
}

function normaliseScope(raw: JobRules): ScopeRules {
  const size = (value: string | number | false | undefined) =>
    value === undefined || value === false ? undefined : parseSize(value);
  return {
    include: listOf(on(raw.include)),
    exclude: listOf(on(raw.exclude)),
    ignoreFile: on(raw.ignoreFile),
    minSize: size(raw.minSize),
    maxSize: size(raw.maxSize),
    minAge: duration(raw.minAge),
    maxAge: duration(raw.maxAge),
  };
}

function normaliseDelete(raw: NonNullable<JobRules['delete']>): DeleteRules {
  if (raw === false)
    return { enabled: false, max: { count: 0 }, require: undefined, allowEmptySource: false };
  const max = on(raw.max);
  const require = on(raw.require);
  return {
    enabled: true,
    max: max === undefined ? undefined : fileLimit(max),
    require: require === undefined ? undefined : cleanPath(require),
    allowEmptySource: raw.allowEmptySource ?? false,
  };
}

function fileLimit(max: string | number): FileLimit {
  return typeof max === 'number' ? { count: max } : { percent: parsePercent(max) ?? 0 };
}

/** The default folder of the trash and how long files stay there. */
const trashDir = '.ferryline/trash';
const trashKeepMs = 30 * 86_400_000;

function normaliseTrash(raw: NonNullable<JobRules['trash']>): TrashRules | undefined {
  if (raw === false) return undefined;
  return {
    dir: cleanPath(on(raw.dir) ?? trashDir),
    keep: raw.keep === false ? undefined : (duration(raw.keep) ?? trashKeepMs),
  };
}

function normaliseReplace(raw: JobRules['replace']): Job['replace'] {
  return raw === undefined || raw === false ? undefined : { max: fileLimit(raw.max) };
}

function normaliseWindow(written: readonly string[]): Hours | undefined {
  return written.length === 0 ? undefined : anyOf(written.map(parsedHours));
}

function normaliseHistory(raw: number | string): Job['history'] {
  return typeof raw === 'number' ? { count: raw } : { ms: duration(raw) ?? 0 };
}

function normaliseModes(raw: Exclude<JobRules['modes'], false>): Modes {
  if (raw === undefined || typeof raw === 'string') return raw ?? 'source';
  return { files: parseMode(raw.files) ?? 0o600, folders: parseMode(raw.folders) ?? 0o700 };
}

function normaliseStarts(raw: JobRules): Starts {
  const retry = raw.retry === false ? { attempts: 1 } : raw.retry;
  return {
    schedule: listOf(on(raw.schedule)).map((expression) => expression.trim()),
    timezone: on(raw.timezone),
    catchUp: normaliseCatchUp(raw.catchUp),
    watch: normaliseWatch(raw.watch),
    worker: on(raw.worker),
    retry: {
      attempts: retry?.attempts ?? 5,
      backoff: duration(retry?.backoff) ?? 10_000,
      maxBackoff: duration(retry?.maxBackoff) ?? 10 * 60_000,
    },
  };
}

function normaliseCatchUp(raw: JobRules['catchUp']): CatchUp {
  if (raw === false) return { slots: 'none', within: undefined };
  return { slots: on(raw?.slots) ?? 'latest', within: duration(raw?.within) };
}

function normaliseWatch(raw: JobRules['watch']): WatchRules | undefined {
  if (raw === undefined || raw === false) return undefined;
  return { rescan: duration(raw.rescan) ?? 15 * 60_000, poll: duration(raw.poll) };
}

/** The hours of a text that the schema has accepted. */
function parsedHours(text: string): Hours {
  const hours = parseHours(text);
  if (typeof hours === 'string') throw new Error(`hours that were checked are not valid: ${hours}`);
  return hours;
}

function duration(text: string | false | undefined): number | undefined {
  return text === undefined || text === false ? undefined : parseDuration(text);
}

function rate(text: string | false | undefined): number | undefined {
  return text === undefined || text === false ? undefined : parseRate(text);
}
