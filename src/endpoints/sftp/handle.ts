/**
 * An open file on a remote. It is bound to one channel and lost with it; while many chunks are
 * written at once, it uses the session's other channels as well.
 */

import { each } from '../../core/at-once.js';
import type { Stat } from '../../core/entry.js';
import { FerryError } from '../../core/errors.js';
import type { Capabilities, Ending, Handle } from '../endpoint.js';
import { ignoreRefusal } from '../set-stat-refusal.js';
import type { Finished, SftpChannel } from './client/channel.js';
import { openFlag } from './client/wire.js';
import type { HandleLimit } from './handle-limit.js';
import type { Quirks } from './quirks.js';
import { withPath } from './repeat.js';
import { asFile } from './stat.js';
import { type ChannelHandle, StripedWrite } from './striped-write.js';

export interface HandleRules {
  readonly can: Capabilities;
  readonly quirks: Quirks;
  /** Called when the server reports only "failure" for a write; resolves to the POSIX code if that can be found out. */
  readonly whyFailed: (channel: SftpChannel, signal: AbortSignal) => Promise<string | undefined>;
  /** The session's other channels over which a file may be written, open or being opened. */
  readonly others: (channel: SftpChannel) => readonly Promise<SftpChannel>[];
  /** The path on the server of a path relative to the endpoint's root. */
  readonly full: (path: string) => string;
  /** Opens a file for writing on one of them, by its path on the server. */
  readonly reopen: (channel: SftpChannel, at: string, signal: AbortSignal) => Promise<Buffer>;
}

export interface OpenedFile extends ChannelHandle {
  /** Relative to the endpoint's root. */
  readonly path: string;
  /** The path on the server. */
  readonly at: string;
  /** The signal that the file was opened with. */
  readonly signal: AbortSignal;
  /** Counts the file until it is closed, or lost with its channel. */
  readonly handles: Pick<HandleLimit, 'open' | 'closed'>;
}

/** Bytes in one `copy-data`: a server does nothing else on that channel meanwhile, and more are no faster. */
const largestCopyBytes = 4 * 1024 * 1024;
/** `copy-data` requests of one file in flight: the next one is at the server when one is done. */
const copiesAtOnce = 2;

export class SftpFile implements Handle {
  readonly #file: OpenedFile;
  readonly #rules: HandleRules;
  // the server may give a closed handle's number to the next file, so it must be closed only once
  #closing: Promise<void> | undefined;
  /** The last requests, of which CLOSE is one. */
  #finishing: Promise<unknown> | undefined;
  #striped: StripedWrite | undefined;

  constructor(file: OpenedFile, rules: HandleRules) {
    this.#file = file;
    this.#rules = rules;
  }

  read(buffer: Buffer, position: number, signal: AbortSignal): Promise<number> {
    const { channel, handle } = this.#file;
    const { maxRead } = this.#rules.can;
    const first = buffer.length <= maxRead ? buffer : buffer.subarray(0, maxRead);
    /** Reads on after a short answer, which a server may give anywhere; only an empty one means the end. */
    const further = async (n: number): Promise<number> => {
      let got = n;
      while (got > 0 && got < buffer.length) {
        const rest = buffer.subarray(got, Math.min(got + maxRead, buffer.length));
        const more = await channel.read(handle, position + got, rest, signal);
        if (more === 0) break;
        got += more;
      }
      return got;
    };
    return channel
      .read(handle, position, first, signal)
      .then(
        (n) => (n === 0 || n === buffer.length ? n : further(n).catch(this.#failed)),
        this.#failed,
      );
  }

  write(buffer: Buffer, position: number, signal: AbortSignal): Promise<void> {
    const { maxWrite } = this.#rules.can;
    if (buffer.length <= maxWrite) return this.#write(buffer, position, signal);
    const parts: Promise<void>[] = [];
    for (let at = 0; at < buffer.length; at += maxWrite) {
      const part = buffer.subarray(at, at + maxWrite);
      parts.push(this.#write(part, position + at, signal));
    }
    return Promise.all(parts).then(() => {});
  }

  stat(signal: AbortSignal): Promise<Stat> {
    const { channel, handle } = this.#file;
    return channel.fstat(handle, signal).then(asFile, this.#failed);
  }

  /** `fsync@openssh.com` writes out the file, whichever channel it was written over (PROTOCOL (OpenSSH) §4.6). */
  async flush(signal: AbortSignal): Promise<void> {
    const { channel, handle } = this.#file;
    if (this.#rules.can.fsync) await channel.fsync(handle, signal).catch(this.#failed);
  }

  isCountedBy(handles: OpenedFile['handles']): boolean {
    return this.#file.handles === handles;
  }

  async copyFrom(path: string, bytes: number, signal: AbortSignal): Promise<Stat> {
    const { channel, handle, handles } = this.#file;
    const at = this.#rules.full(path);
    if (!this.#rules.can.copyData) throw noCopyData(path);
    const open = () => channel.open(at, openFlag.READ, {}, signal);
    const from = await handles.open(channel, open, signal, 'here').catch((error) => {
      throw withPath(error, path);
    });
    try {
      const parts = Math.ceil(bytes / largestCopyBytes);
      await each(Array(parts).keys(), copiesAtOnce, (part) => {
        const offset = part * largestCopyBytes;
        const length = Math.min(largestCopyBytes, bytes - offset);
        return channel.copyData(from, handle, offset, length, signal);
      }).catch((error) => this.#unwritten(error));
      return asFile(await channel.fstat(from, signal).catch(this.#failed));
    } finally {
      channel
        .closeHandle(from)
        .catch(() => {}) // it was only read from
        .finally(() => handles.closed());
    }
  }

  finish(ending: Ending, signal: AbortSignal): Promise<Stat | undefined> {
    const { can, quirks } = this.#rules;
    return can.setStat === 'pipelined' && !quirks.expects('disorder')
      ? this.#finishPipelined(ending, signal)
      : this.#finishInSteps(ending, signal);
  }

  close(): Promise<void> {
    const { channel, handle } = this.#file;
    this.#closing ??= this.#finishing?.then(
      () => {},
      () => {},
    );
    this.#closing ??= Promise.all([channel.closeHandle(handle), this.#striped?.close()])
      .finally(this.#closed)
      .then(() => {}, this.#failed);
    return this.#closing;
  }

  #finishPipelined(ending: Ending, signal: AbortSignal): Promise<Stat | undefined> {
    const { channel, handle } = this.#file;
    const last = channel.finish(handle, ending, signal);
    const finishing =
      this.#striped === undefined
        ? last
        : Promise.all([last, this.#striped.close()]).then(([finished]) => finished);
    this.#finishing = finishing;
    return finishing.then(
      (finished) => {
        this.#closed();
        if (!lookOvertaken(finished, ending)) return this.#finished(finished);
        const again = this.#finishAgain(ending, signal).catch(() => undefined);
        return again.then((stored) => stored ?? this.#finished(finished));
      },
      (error) => {
        this.#closed();
        return this.#unwritten(error);
      },
    );
  }

  #finished({ stat, unset, refusal }: Finished): Stat | undefined | Promise<never> {
    try {
      if (refusal !== undefined) throw refusal;
      if (unset !== undefined) ignoreRefusal(unset);
      return stat === undefined ? undefined : asFile(stat);
    } catch (error) {
      return this.#unwritten(error);
    }
  }

  /**
   * Sends a small file's data and its last requests once more, each after the answer to the one before. If the
   * file is complete now, the server does not keep the order of requests. Undefined if it is not.
   */
  async #finishAgain(ending: Ending, signal: AbortSignal): Promise<Stat | undefined> {
    const { channel, at, handles } = this.#file;
    const reopened = () => this.#rules.reopen(channel, at, signal);
    const handle = await handles.open(channel, reopened, signal);
    const again = new SftpFile({ ...this.#file, handle }, this.#rules);
    try {
      const stored = await again.#finishInSteps(ending, signal);
      if (stored?.size !== ending.data?.length) return undefined;
      this.#rules.quirks.saw('disorder');
      return stored;
    } finally {
      again.close().catch(() => {}); // after an error that one counts
    }
  }

  async #finishInSteps(ending: Ending, signal: AbortSignal): Promise<Stat | undefined> {
    const { channel, handle, at } = this.#file;
    const { setStat } = this.#rules.can;
    const { data, attributes, sync } = ending;
    if (data !== undefined && data.length > 0) await this.write(data, 0, signal);
    try {
      if (setStat === 'handle' || setStat === 'pipelined')
        await channel.fsetstat(handle, attributes, signal).catch(ignoreRefusal);
      if (sync) await channel.fsync(handle, signal);
      await this.close();
      if (setStat === 'path') await channel.setstat(at, attributes, signal).catch(ignoreRefusal);
      return asFile(await channel.lstat(at, signal));
    } catch (error) {
      if (error instanceof FerryError && error.code === 'ENOENT') return undefined;
      return this.#failed(error);
    }
  }

  /** Sends one WRITE over the channel with the least to do. */
  #write(buffer: Buffer, position: number, signal: AbortSignal): Promise<void> {
    this.#striped ??= new StripedWrite(this.#file, {
      others: () => this.#rules.others(this.#file.channel),
      reopen: (other) => this.#rules.reopen(other, this.#file.at, this.#file.signal),
    });
    return this.#striped
      .write(buffer.length, ({ channel, handle }) =>
        channel.write(handle, position, buffer, signal),
      )
      .catch((error) => this.#unwritten(error));
  }

  readonly #closed = () => this.#file.handles.closed();

  readonly #failed = (error: unknown): never => {
    const { path } = this.#file;
    throw error instanceof FerryError && error.path === undefined ? error.at({ path }) : error;
  };

  async #unwritten(error: unknown): Promise<never> {
    if (error instanceof FerryError && error.code === 'EFAILURE') {
      const code = await this.#rules.whyFailed(this.#file.channel, this.#file.signal);
      if (code === 'ENOSPC')
        throw new FerryError('io', 'no space left on the server', {
          path: this.#file.path,
          code,
          hint: 'free some space there; nothing was published, the old file is unchanged',
        });
    }
    return this.#failed(error);
  }
}

/**
 * Whether the last requests of a small file seem to have overtaken each other: it is closed, and FSTAT found no
 * open file or not yet its data, or FSYNC found it closed. What failed may also have failed for good; trying again shows it.
 */
function lookOvertaken({ stat, closed, unsynced }: Finished, { data }: Ending): boolean {
  if (!closed || data === undefined) return false;
  return unsynced || stat === undefined || (stat.size !== undefined && stat.size !== data.length);
}

function noCopyData(path: string): FerryError {
  return new FerryError('io', 'the server does not copy files itself', { code: 'ENOTSUP', path });
}
