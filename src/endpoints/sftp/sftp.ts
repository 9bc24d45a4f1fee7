/**
 * An Endpoint on a remote: relative paths to the server's, requests to whichever channel has the
 * least to do, and operations that can safely be repeated repeated once the session is back.
 */
import type { Attributes, Entry, Stat } from '../../core/entry.js';
import { FerryError } from '../../core/errors.js';
import type { Remote } from '../../core/remote.js';
import { confine } from '../confine.js';
import type { Capabilities, Endpoint, OpenMode, Whole } from '../endpoint.js';
import type { SftpChannel } from './client/channel.js';
import { isTyped, openFlag, type RawEntry, type RawStat } from './client/wire.js';
import { asFile, type HandleRules, SftpFile } from './handle.js';
import type { Handles } from './handle-limit.js';
import type { SessionPool } from './pool.js';
import type { Features } from './session.js';

/** READDIR requests in flight for one folder; OpenSSH answers each with 100 names at most. */
const readdirsAhead = 4;
/** Two suffice for most folders: the first answer and the end. Where a round trip costs more (ms) than asking in vain, it is four from the start. */
const shortLine = 5;
/** How often an operation is repeated on a new session before it counts as failed. */
const repeats = 3;
/** Entries one folder may have before the listing counts as endless. */
const mostEntries = 2_000_000;

const flags: Readonly<Record<OpenMode, number>> = {
  read: openFlag.READ,
  create: openFlag.WRITE | openFlag.CREAT | openFlag.EXCL,
  update: openFlag.READ | openFlag.WRITE,
};

/** `root` is absolute on the server; the pool has a session of this remote already. `listed` is what the root's first `list` goes by. */
export function openSftp(
  pool: SessionPool,
  remote: Remote,
  features: Features,
  root: string,
  label: string,
  caseSensitive: boolean,
  listed?: Promise<readonly RawEntry[]>,
): Endpoint {
  let ahead = listed;
  /** What was listed ahead, once; undefined where the session was lost before it was known. */
  const takeAhead = async (): Promise<readonly RawEntry[] | undefined> => {
    const listing = ahead;
    ahead = undefined;
    return listing?.catch((error) => {
      if (error instanceof FerryError && error.kind === 'network') return undefined;
      throw located(error, '');
    });
  };
  /** The newest session's, which its end does not make unknown. */
  let roundTrip = Number.POSITIVE_INFINITY;
  const can: Capabilities = {
    atomicReplace: features.posixRename,
    mtimePrecision: 1,
    setStat: features.ordered ? 'pipelined' : 'handle',
    clockOffset: 0,
    fsync: features.fsync,
    offsetWrites: features.offsetWrites,
    caseSensitive,
    maxHandles: features.limits.handles,
    maxRead: features.limits.read,
    maxWrite: features.limits.write,
    get roundTrip() {
      roundTrip = pool.live(remote)?.roundTrip ?? roundTrip;
      return roundTrip;
    },
    get requestsAtOnce() {
      return pool.depth(remote).kept;
    },
    set requestsAtOnce(limit) {
      pool.depth(remote).kept = limit;
    },
  };

  const full = (path: string) => confine(root, path);

  /** An error of the protocol with its path; ENOSPC put in words where the server only says "failure". */
  const located = (error: unknown, path: string): unknown =>
    error instanceof FerryError && error.path === undefined ? error.at({ path }) : error;

  /** Runs an operation on a channel, again on a new session when the connection went. `attempt` counts from 0. */
  const repeat = async <T>(
    path: string,
    signal: AbortSignal,
    operation: (channel: SftpChannel, attempt: number, handles: Handles) => Promise<T>,
    times = repeats,
  ): Promise<T> => {
    for (let attempt = 0; ; attempt++) {
      const current = pool.live(remote) ?? (await pool.session(remote, signal));
      try {
        const result = await operation(current.channel(), attempt, current.handles);
        pool.worked(remote);
        return result;
      } catch (error) {
        const lost = error instanceof FerryError && error.kind === 'network';
        if (!lost || attempt >= times || signal.aborted) throw located(error, path);
      }
    }
  };

  const typed = async (
    channel: SftpChannel,
    handles: Handles,
    at: string,
    stat: RawStat,
    signal: AbortSignal,
  ): Promise<Stat> => {
    if (stat.kind !== undefined) return stat as Stat;
    // No permissions, so no type. What can be opened as a folder is one; the rest is taken for a file.
    const handle = await handles
      .open(channel, () => channel.opendir(at), signal)
      .catch(() => undefined);
    signal.throwIfAborted();
    if (handle !== undefined) await channel.closeHandle(handle).finally(() => handles.closed());
    return { ...stat, kind: handle === undefined ? 'file' : 'folder' };
  };

  const lstat = async (
    channel: SftpChannel,
    handles: Handles,
    path: string,
    signal: AbortSignal,
  ): Promise<Stat | undefined> => {
    const at = full(path);
    try {
      return await typed(channel, handles, at, await channel.lstat(at, signal), signal);
    } catch (error) {
      if (error instanceof FerryError && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
        return undefined;
      throw error;
    }
  };

  /** A bare "failure" for an operation that makes a name usually means that the name is taken. */
  const explained = async (
    channel: SftpChannel,
    handles: Handles,
    error: unknown,
    path: string,
    signal: AbortSignal,
  ): Promise<unknown> => {
    if (!(error instanceof FerryError) || error.code !== 'EFAILURE') return error;
    const there = await lstat(channel, handles, path, signal).catch(() => undefined);
    if (there !== undefined)
      return new FerryError('io', `a ${there.kind} stands there already`, { code: 'EEXIST', path });
    if (features.statvfs && (await isFull(channel, root, signal)))
      return new FerryError('io', 'no space left on the server', { code: 'ENOSPC', path });
    return error;
  };

  const rules: HandleRules = {
    can,
    whyFailed: async (channel, signal) =>
      features.statvfs && (await isFull(channel, root, signal)) ? 'ENOSPC' : undefined,
    others: (channel) => {
      const others = pool.live(remote)?.others(channel) ?? [];
      return can.offsetWrites ? others : [];
    },
    reopen,
  };

  const openFile = async (
    channel: SftpChannel,
    handles: Handles,
    path: string,
    mode: OpenMode,
    permissions: number,
    signal: AbortSignal,
  ): Promise<SftpFile> => {
    const at = full(path);
    // SFTP v3 has no "don't follow"; a link in the way is refused before it is opened
    if (mode === 'update') {
      const there = await lstat(channel, handles, path, signal);
      if (there !== undefined && there.kind !== 'file')
        throw new FerryError('io', `a ${there.kind} stands there`, { code: 'ELOOP', path });
    }
    const attributes = mode === 'create' ? { mode: permissions } : {};
    const handle = await handles
      .open(channel, () => channel.open(at, flags[mode], attributes, signal), signal)
      .catch(async (error) => {
        throw mode === 'create' ? await explained(channel, handles, error, path, signal) : error;
      });
    return new SftpFile({ channel, handle, path, at, signal, handles }, rules);
  };

  return {
    label,
    root,
    can,

    list: async (folder, signal) => {
      const already = folder === '' ? await takeAhead() : undefined;
      return repeat(folder, signal, async (channel, _attempt, handles) => {
        const at = full(folder);
        const first = can.roundTrip < shortLine ? 2 : readdirsAhead;
        const raw = already ?? (await readFolder(channel, handles, at, first, signal));
        const entries: Entry[] = [];
        for (const entry of raw) {
          if (isTyped(entry)) entries.push(entry);
          else {
            const below = `${at === '/' ? '' : at}/${entry.name}`;
            const stat = await channel.lstat(below, signal);
            entries.push({ ...entry, ...(await typed(channel, handles, below, stat, signal)) });
          }
        }
        return entries;
      });
    },

    stat: (path, signal) =>
      repeat(path, signal, (channel, _attempt, handles) => lstat(channel, handles, path, signal)),

    // a new file is not asked for again: whoever copies tries the whole file again, under a new name
    open: (path, mode, permissions, signal) =>
      repeat(
        path,
        signal,
        (channel, _attempt, handles) => openFile(channel, handles, path, mode, permissions, signal),
        mode === 'create' ? 0 : repeats,
      ),

    readWhole: (path, target, signal) =>
      repeat(path, signal, async (channel, _attempt, handles): Promise<Whole> => {
        if (features.ordered) {
          const handle = await handles.open(
            channel,
            () => channel.open(full(path), flags.read, {}, signal),
            signal,
          );
          const { bytes, stat } = await channel
            .readWhole(handle, target, signal)
            .finally(() => handles.closed());
          // a short answer may be the file's end or the server's whim
          if (bytes === target.length || bytes === stat.size)
            return { bytes, before: undefined, after: asFile(stat) };
        }
        const file = await openFile(channel, handles, path, 'read', 0, signal);
        try {
          const bytes = await file.read(target, 0, signal);
          return { bytes, before: undefined, after: await file.stat(signal) };
        } finally {
          file.close().catch(() => {}); // nothing was written through it
        }
      }),

    mkdir: (path, permissions, signal) =>
      repeat(path, signal, async (channel, attempt, handles) => {
        try {
          await channel.mkdir(full(path), { mode: permissions }, signal);
        } catch (error) {
          if (attempt > 0 && (await lstat(channel, handles, path, signal))?.kind === 'folder')
            return;
          throw await explained(channel, handles, error, path, signal);
        }
      }),

    rename: (from, to, replace, signal) =>
      repeat(to, signal, async (channel, attempt, handles) => {
        // A reply was lost: the two names tell whether it had been done.
        if (attempt > 0 && (await lstat(channel, handles, from, signal)) === undefined) {
          if ((await lstat(channel, handles, to, signal)) !== undefined) return;
        }
        if (replace && features.posixRename) {
          await channel.posixRename(full(from), full(to), signal);
          return;
        }
        try {
          await channel.rename(full(from), full(to), signal);
        } catch (error) {
          throw await explained(channel, handles, error, to, signal);
        }
      }),

    setStat: (path, attributes: Attributes, signal) =>
      repeat(path, signal, (channel) => channel.setstat(full(path), attributes, signal)),

    remove: (path, signal) =>
      repeat(path, signal, async (channel, attempt) => {
        await channel.remove(full(path), signal).catch(goneOn(attempt));
      }),

    rmdir: (path, signal) =>
      repeat(path, signal, async (channel, attempt) => {
        await channel.rmdir(full(path), signal).catch(goneOn(attempt));
      }),

    readlink: (path, signal) =>
      repeat(path, signal, (channel) => channel.readlink(full(path), signal)),

    symlink: (target, path, signal) =>
      repeat(path, signal, async (channel, attempt, handles) => {
        try {
          await channel.symlink(target, full(path), signal);
        } catch (error) {
          if (attempt > 0 && (await lstat(channel, handles, path, signal))?.kind === 'link') return;
          throw await explained(channel, handles, error, path, signal);
        }
      }),

    // The session is the pool's, which keeps it warm.
    close: async () => {},
  };
}

/** After a lost reply, "no such file" means that the removal had been done. */
function goneOn(attempt: number): (error: unknown) => void {
  return (error) => {
    if (!(attempt > 0 && error instanceof FerryError && error.code === 'ENOENT')) throw error;
  };
}

/** Opens a file that is being written on a further channel. What is no plain file any more is left alone. */
async function reopen(channel: SftpChannel, at: string, signal: AbortSignal): Promise<Buffer> {
  const [there, handle] = await Promise.all([
    channel.lstat(at, signal),
    channel.open(at, flags.update, {}, signal),
  ]);
  if (there.kind === 'file') return handle;
  await channel.closeHandle(handle);
  throw new FerryError('io', `a ${there.kind ?? 'thing of unknown kind'} stands there`);
}

async function isFull(channel: SftpChannel, root: string, signal: AbortSignal): Promise<boolean> {
  const free = await channel.freeBytes(root, signal).catch(() => undefined);
  return free !== undefined && free < 64 * 1024;
}

/** All entries of a folder by its path on the server, several READDIRs ahead: `first` of them, then more. */
export async function readFolder(
  channel: SftpChannel,
  handles: Handles,
  at: string,
  first: number,
  signal: AbortSignal,
): Promise<RawEntry[]> {
  const handle = await handles.open(channel, () => channel.opendir(at, signal), signal);
  const all: RawEntry[] = [];
  try {
    for (let ahead = first; ; ahead = readdirsAhead) {
      const answers = await Promise.all(
        Array.from({ length: ahead }, () => channel.readdir(handle, signal)),
      );
      for (const names of answers) {
        if (names === undefined) continue;
        for (const entry of names) all.push(entry);
      }
      if (all.length > mostEntries)
        throw new FerryError('hostile-peer', `the listing of a folder does not end`, {
          hint: `it has given ${all.length} names so far; check the folder on the server`,
        });
      if (answers.includes(undefined)) return all;
    }
  } finally {
    channel
      .closeHandle(handle)
      .catch(() => {})
      .finally(() => handles.closed());
  }
}
