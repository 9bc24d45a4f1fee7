/**
 * An open file on a remote. It lives on one channel, and ends with it; while many chunks are
 * written at once it takes the session's other channels, too.
 */
import type { Stat } from '../../core/entry.js';
import { FerryError } from '../../core/errors.js';
import type { Capabilities, Ending, Handle } from '../endpoint.js';
import { mustCount } from '../set-stat-refusal.js';
import type { SftpChannel } from './client/channel.js';
import type { RawStat } from './client/wire.js';
import type { Handles } from './handle-limit.js';
import { type Lane, Lanes } from './striped-write.js';

export interface HandleRules {
  readonly can: Capabilities;
  /** Asked when the server says only "failure" to a write: the POSIX code, if it can be told. */
  readonly whyFailed: (channel: SftpChannel, signal: AbortSignal) => Promise<string | undefined>;
  /** The session's other channels that a file may be written over beside `channel`, open or about to open. */
  readonly others: (channel: SftpChannel) => readonly Promise<SftpChannel>[];
  /** Opens a file on one of them for writing, by its path on the server. */
  readonly reopen: (channel: SftpChannel, at: string, signal: AbortSignal) => Promise<Buffer>;
}

/** Where a file is: on which channel, by which handle, its path below the root and on the server. */
export interface Place extends Lane {
  readonly path: string;
  readonly at: string;
  /** What it was opened under. */
  readonly signal: AbortSignal;
  /** Told once it is closed, or gone with its channel. */
  readonly handles: Pick<Handles, 'closed'>;
}

export class SftpFile implements Handle {
  readonly #file: Place;
  readonly #rules: HandleRules;
  // the server may give a closed handle's number to the next file: it is closed once, ever
  #closing: Promise<void> | undefined;
  #lanes: Lanes | undefined;

  constructor(file: Place, rules: HandleRules) {
    this.#file = file;
    this.#rules = rules;
  }

  read(buffer: Buffer, position: number, signal: AbortSignal): Promise<number> {
    const { channel, handle } = this.#file;
    const { maxRead } = this.#rules.can;
    const first = buffer.length <= maxRead ? buffer : buffer.subarray(0, maxRead);
    /** A server may answer short anywhere; only nothing means the end. */
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

  async finish(ending: Ending, signal: AbortSignal): Promise<Stat | undefined> {
    const { channel, handle, at } = this.#file;
    const { setStat } = this.#rules.can;
    if (setStat === 'pipelined') {
      const finishing = Promise.all([channel.finish(handle, ending, signal), this.#lanes?.close()]);
      this.#closing = finishing.then(this.#closed, this.#closed);
      try {
        const [{ stat, unset }] = await finishing;
        if (unset !== undefined) mustCount(unset);
        return asFile(stat);
      } catch (error) {
        return this.#unwritten(error);
      }
    }
    const { data, attributes, sync } = ending;
    if (data !== undefined && data.length > 0) await this.write(data, 0, signal);
    try {
      if (setStat === 'handle') await channel.fsetstat(handle, attributes, signal).catch(mustCount);
      if (sync) await channel.fsync(handle, signal);
      await this.close();
      if (setStat === 'path') await channel.setstat(at, attributes, signal).catch(mustCount);
      return asFile(await channel.lstat(at, signal));
    } catch (error) {
      if (error instanceof FerryError && error.code === 'ENOENT') return undefined;
      return this.#failed(error);
    }
  }

  close(): Promise<void> {
    const { channel, handle } = this.#file;
    this.#closing ??= Promise.all([channel.closeHandle(handle), this.#lanes?.close()])
      .finally(this.#closed)
      .then(() => {}, this.#failed);
    return this.#closing;
  }

  /** One WRITE, on whichever channel has the least to do. */
  #write(buffer: Buffer, position: number, signal: AbortSignal): Promise<void> {
    this.#lanes ??= new Lanes(this.#file, {
      others: () => this.#rules.others(this.#file.channel),
      reopen: (other) => this.#rules.reopen(other, this.#file.at, this.#file.signal),
    });
    return this.#lanes
      .move(buffer.length, ({ channel, handle }) => channel.write(handle, position, buffer, signal))
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
          hint: 'free space there; nothing was published, the old file is as it was',
        });
    }
    return this.#failed(error);
  }
}

/** Whatever was opened by read or create is a file, on a server that tells no type too. */
export function asFile(stat: RawStat): Stat {
  return { ...stat, kind: stat.kind ?? 'file' };
}
