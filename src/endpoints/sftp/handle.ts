/**
 * An open file on a remote. It lives on one channel, and ends with it; while many chunks are
 * written at once it takes the session's other channels, too.
 */
import type { Stat } from '../../core/entry.js';
import { FerryError } from '../../core/errors.js';
import type { Handle } from '../endpoint.js';
import { type Lane, Lanes } from './lanes.js';
import type { SftpChannel } from './protocol.js';

/** WRITEs on their way at once that make a handle take further channels. */
const many = 8;

export interface HandleRules {
  readonly maxRead: number;
  readonly maxWrite: number;
  /** Asked when the server says only "failure" to a write: the POSIX code, if it can be told. */
  readonly whyFailed: () => Promise<string | undefined>;
  /** The session's other channels that the file may be written over, too. */
  readonly others: () => readonly SftpChannel[];
  /** Opens the file on one of them for writing. */
  readonly reopen: (channel: SftpChannel) => Promise<Buffer>;
  /** Called once it is closed, or gone with its channel. */
  readonly onClosed: () => void;
}

export function openHandle(
  channel: SftpChannel,
  handle: Buffer,
  path: string,
  rules: HandleRules,
): Handle {
  // the server may give a closed handle's number to the next file: it is closed once, ever
  let closing: Promise<void> | undefined;

  const first: Lane = { channel, handle };
  let lanes: Lanes | undefined;
  let writes = 0;

  const written = () => {
    writes--;
  };
  const unwritten = (error: unknown) => {
    writes--;
    return writeFailed(error);
  };

  /** One WRITE, on whichever channel has the least to do. */
  const write = (buffer: Buffer, position: number, signal: AbortSignal): Promise<void> => {
    if (lanes === undefined && writes >= many) {
      const others = rules.others();
      if (others.length > 0) lanes = new Lanes(first, others, rules.reopen);
    }
    writes++;
    const asked =
      lanes === undefined
        ? channel.write(handle, position, buffer, signal)
        : lanes.move((lane) => lane.channel.write(lane.handle, position, buffer, signal));
    return asked.then(written, unwritten);
  };

  const located = (error: unknown): never => {
    throw error instanceof FerryError && error.path === undefined ? error.at({ path }) : error;
  };

  const writeFailed = async (error: unknown): Promise<never> => {
    if (error instanceof FerryError && error.code === 'EFAILURE') {
      const code = await rules.whyFailed();
      if (code === 'ENOSPC')
        throw new FerryError('io', 'no space left on the server', {
          path,
          code,
          hint: 'free space there; nothing was published, the old file is as it was',
        });
    }
    return located(error);
  };

  return {
    read(buffer, position, signal) {
      const asked = channel.read(
        handle,
        position,
        buffer.length <= rules.maxRead ? buffer : buffer.subarray(0, rules.maxRead),
        signal,
      );
      /** A server may answer short anywhere; only nothing means the end. */
      const further = async (n: number): Promise<number> => {
        let got = n;
        while (got > 0 && got < buffer.length) {
          const rest = buffer.subarray(got, Math.min(got + rules.maxRead, buffer.length));
          const more = await channel.read(handle, position + got, rest, signal);
          if (more === 0) break;
          got += more;
        }
        return got;
      };
      return asked.then(
        (n) => (n === 0 || n === buffer.length ? n : further(n).catch(located)),
        located,
      );
    },

    write(buffer, position, signal) {
      if (buffer.length <= rules.maxWrite) return write(buffer, position, signal);
      const parts: Promise<void>[] = [];
      for (let at = 0; at < buffer.length; at += rules.maxWrite) {
        const part = buffer.subarray(at, at + rules.maxWrite);
        parts.push(write(part, position + at, signal));
      }
      return Promise.all(parts).then(() => {});
    },

    stat: (signal) =>
      // whatever was opened by read or create is a file, on a server that tells no type too
      channel.fstat(handle, signal).then((s): Stat => ({ ...s, kind: s.kind ?? 'file' }), located),

    setStat: (attributes, signal) => channel.fsetstat(handle, attributes, signal).catch(located),

    sync: (signal) => channel.fsync(handle, signal).catch(located),

    close: () => {
      closing ??= Promise.all([channel.closeHandle(handle), lanes?.close()])
        .finally(rules.onClosed)
        .then(() => {}, located);
      return closing;
    },
  };
}
