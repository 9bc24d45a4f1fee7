/** What an entry on a server is, with an answer also for servers that send no type. */
import type { Stat } from '../../core/entry.js';
import { FerryError } from '../../core/errors.js';
import type { SftpChannel } from './client/channel.js';
import { type RawStat, usableMode } from './client/wire.js';
import type { HandleLimit } from './handle-limit.js';

/** The stat of an open handle: a file, even if the server sends no type. */
export function asFile(stat: RawStat): Stat {
  return { ...stat, kind: stat.kind ?? 'file' };
}

/** Adds the kind where the server sent none: what opens as a folder is one, anything else counts as a file. */
export async function withKind(
  channel: SftpChannel,
  handles: HandleLimit,
  at: string,
  stat: RawStat,
  signal: AbortSignal,
): Promise<Stat> {
  if (stat.kind !== undefined) return stat as Stat;
  const handle = await handles
    .open(channel, () => channel.opendir(at), signal)
    .catch(() => undefined);
  signal.throwIfAborted();
  if (handle !== undefined) await channel.closeHandle(handle).finally(() => handles.closed());
  const kind = handle === undefined ? 'file' : 'folder';
  return { ...stat, kind, mode: usableMode(stat.mode, kind) };
}

/** The entry at a path on the server, without following a link; undefined if there is none. */
export async function statEntry(
  channel: SftpChannel,
  handles: HandleLimit,
  at: string,
  signal: AbortSignal,
): Promise<Stat | undefined> {
  try {
    return await withKind(channel, handles, at, await channel.lstat(at, signal), signal);
  } catch (error) {
    if (error instanceof FerryError && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return undefined;
    throw error;
  }
}
