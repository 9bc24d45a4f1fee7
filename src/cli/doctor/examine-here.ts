/** Examines this machine: what runs need of it besides the servers. */
import { readdir, readFile, stat, statfs } from 'node:fs/promises';
import { arch, platform } from 'node:os';
import { join } from 'node:path';
import { bindingAvailable } from 'ssh2/lib/protocol/crypto.js';
import { FerryError } from '../../core/errors.js';
import { type Config, type Job, partsOf } from '../../core/job.js';
import type { Remote } from '../../core/remote.js';
import { count, escapeText, formatBytes, formatDuration } from '../../core/text.js';
import { openStore, storeKind } from '../../queue/store/store.js';
import { queueFolder } from '../../state/layout.js';
import { daemonOf } from '../../state/lock.js';
import type { Examination, Finding } from './examination.js';

export interface Here {
  /** Undefined: there is no jobs.yml, or it is broken. */
  readonly config: Config | undefined;
  /** What is wrong with jobs.yml. */
  readonly broken: FerryError | undefined;
  readonly remotes: readonly Remote[];
  readonly state: string;
  readonly version: string;
  readonly signal: AbortSignal;
}

/** Less free space than this is a warning, bytes. */
const littleSpace = 256 * 1024 * 1024;
/** Folders are counted up to here. */
const mostFolders = 200_000;
/** Node's data for all time zones has more than this; a build for one language has a handful. */
const manyZones = 300;

export async function examineHere(examination: Examination, here: Here): Promise<void> {
  const { config, broken, remotes, state, version, signal } = here;
  const look = (stage: string, what: () => Promise<Finding> | Finding) =>
    examination.look(stage, signal, what);
  examination.begin(
    'here',
    `ferryline ${version}, Node ${process.version}, ${platform()} ${arch()}`,
  );
  await look('ciphers', ciphers);
  await look('time zones', zones);
  if (broken !== undefined) await look('jobs.yml', () => Promise.reject(broken));
  if (config !== undefined) {
    await look('jobs.yml', () => configFile(config));
    await look('queue', () => queue(config, state));
  }
  for (const key of new Set(remotes.flatMap(keysOf))) await look('key', () => keyFile(key));
  await look('state folder', () => stateFolder(state));
  const jobs = [...(config?.jobs.values() ?? [])].flatMap(partsOf);
  for (const folder of new Set(jobs.flatMap(localFolders)))
    await look('local folder', () => localFolder(folder));
  const watched = jobs.filter(({ starts }) => starts.watch !== undefined).flatMap(localFolders);
  if (watched.length > 0) await look('watches', () => watches([...new Set(watched)]));
}

function ciphers(): Finding {
  if (bindingAvailable) return { found: "ssh2's native code encrypts" };
  return {
    found: `ssh2's native code is not there for Node ${process.version} on ${platform()} ${arch()}: JavaScript and OpenSSL encrypt, at a lower speed`,
    fix: 'a release has it for Node 20, 22 and 24 on x64 Linux with glibc; a build from the sources has it for the Node that ran `npm ci`, where there is a C++ compiler',
  };
}

function zones(): Finding {
  const names = Intl.supportedValuesOf('timeZone').length;
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const found = `${count(names, 'zone')}; this machine is in ${own}`;
  return names >= manyZones
    ? { found }
    : { found, fix: 'use a Node with full ICU data: `timezone` of a job needs it' };
}

async function configFile({ file, jobs, remotes, warnings }: Config): Promise<Finding> {
  const { mode } = await stat(file);
  const found = `${escapeText(file)}, ${count(jobs.size, 'job')}, ${count(remotes.size, 'remote')}${warnings.length === 0 ? '' : `, ${count(warnings.length, 'warning')}`}`;
  if ((mode & 0o022) === 0) return { found };
  return {
    found: `${found}; others may write to it`,
    fix: `chmod go-w ${escapeText(file)}: who may change it may run commands as you`,
  };
}

async function queue({ queue: url, name }: Config, state: string): Promise<Finding> {
  if (storeKind(url) === 'embedded') {
    const daemon = await daemonOf(state);
    return {
      found:
        daemon === undefined ? 'embedded; no daemon is running' : 'embedded; a daemon is running',
    };
  }
  const since = performance.now();
  const warnings: string[] = [];
  const store = await openStore({
    url,
    name,
    folder: queueFolder(state),
    onTrouble: () => {},
    onWarning: (text) => warnings.push(text),
  });
  try {
    await store.ping();
    return {
      found: [
        `${store.kind}, answers in ${formatDuration(Math.ceil(performance.now() - since))}`,
        ...warnings,
      ].join('\n'),
    };
  } finally {
    await store.close();
  }
}

function keysOf({ auth: { keys, keysOptional } }: Remote): readonly string[] {
  return keysOptional ? [] : keys;
}

async function keyFile(file: string): Promise<Finding> {
  const path = escapeText(file);
  const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
    throw new FerryError(
      'config',
      `the key ${path} can't be read: ${error.code ?? error.message}`,
      {
        hint: 'check `auth: { key }` of the remote',
      },
    );
  });
  if (!found.isFile()) throw new FerryError('config', `the key ${path} is no file`);
  if ((found.mode & 0o077) === 0) return { found: path };
  return { found: `${path} can be read by others`, fix: `chmod 600 ${path}` };
}

async function stateFolder(state: string): Promise<Finding> {
  const folder = escapeText(state);
  const isThere = await stat(state).then(
    () => true,
    () => false,
  );
  if (!isThere) return { found: `${folder}, which the first run makes` };
  return space(folder, state);
}

async function localFolder(folder: string): Promise<Finding> {
  const path = escapeText(folder);
  try {
    await stat(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT')
      return {
        found: `${path} does not exist`,
        fix: 'nothing, if a first run is to make it; else check the path in jobs.yml',
      };
    throw new FerryError('io', `${path} can't be looked at: ${code}`, {
      hint: 'check who may read it',
    });
  }
  return space(path, folder);
}

async function space(path: string, folder: string): Promise<Finding> {
  const { bavail, bsize, ffree, files } = await statfs(folder);
  const free = bavail * bsize;
  const found = `${path}, ${formatBytes(free)} free`;
  if (free < littleSpace) return { found, fix: 'make room on that disk' };
  return files > 0 && ffree === 0
    ? { found: `${found}, and no inodes`, fix: 'remove files on that disk' }
    : { found };
}

function localFolders({ from, to }: Job): string[] {
  return [from, to].filter(({ remote }) => remote === undefined).map(({ path }) => path);
}

/** One inotify watch a folder; the limit is a user's, over all programs. */
async function watches(roots: readonly string[]): Promise<Finding> {
  const limit = Number(
    await readFile('/proc/sys/fs/inotify/max_user_watches', 'utf8').catch(() => 'none'),
  );
  if (!Number.isFinite(limit))
    return { found: 'this system has no inotify; folders are watched in another way' };
  let folders = 0;
  for (const root of roots) folders += await countFolders(root, mostFolders - folders);
  const many = folders >= mostFolders ? 'over ' : '';
  const found = `${many}${count(folders, 'folder')} to watch; the limit of inotify is ${limit}`;
  if (folders < limit * 0.9) return { found };
  return {
    found,
    fix: `sysctl fs.inotify.max_user_watches=${Math.max(folders * 2, 524_288)}; without room, folders are looked at every few seconds instead`,
  };
}

async function countFolders(root: string, most: number): Promise<number> {
  let folders = 0;
  const waiting = [root];
  for (let folder = waiting.pop(); folder !== undefined && folders < most; folder = waiting.pop()) {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => undefined);
    if (entries === undefined) continue;
    folders++;
    for (const entry of entries) if (entry.isDirectory()) waiting.push(join(folder, entry.name));
  }
  return folders;
}
