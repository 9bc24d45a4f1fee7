/** What a server means that reports only "failure": usually that the name is taken or the disk is full. */
import { FerryError } from '../../core/errors.js';
import { confine } from '../confine.js';
import type { SftpChannel } from './client/channel.js';
import type { HandleLimit } from './handle-limit.js';
import type { Features } from './session.js';
import { statEntry } from './stat.js';

/** With fewer free bytes, the server's file system counts as full. */
const fullBelowBytes = 64 * 1024;

export interface BareFailure {
  /** Whether the file system of the endpoint's root is full; false if the server can't say. */
  isFull(channel: SftpChannel, signal: AbortSignal): Promise<boolean>;
  /** A better error for an operation that was to make `path`, if there is one. */
  explain(
    error: unknown,
    channel: SftpChannel,
    handles: HandleLimit,
    path: string,
    signal: AbortSignal,
  ): Promise<unknown>;
}

export function createBareFailure(root: string, features: Features): BareFailure {
  const isFull = async (channel: SftpChannel, signal: AbortSignal): Promise<boolean> => {
    if (!features.statvfs) return false;
    const free = await channel.freeBytes(root, signal).catch(() => undefined);
    return free !== undefined && free < fullBelowBytes;
  };
  return {
    isFull,
    async explain(error, channel, handles, path, signal) {
      if (!(error instanceof FerryError) || error.code !== 'EFAILURE') return error;
      const at = confine(root, path);
      const there = await statEntry(channel, handles, at, signal).catch(() => undefined);
      if (there !== undefined)
        return new FerryError('io', `a ${there.kind} with this name exists already`, {
          code: 'EEXIST',
          path,
        });
      if (await isFull(channel, signal))
        return new FerryError('io', 'no space left on the server', { code: 'ENOSPC', path });
      return error;
    },
  };
}
