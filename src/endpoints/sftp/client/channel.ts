/**
 * The SFTP version 3 client: the requests of the draft that ferryline makes and OpenSSH's
 * extensions, over any duplex stream. Many requests may be in flight; those made in one turn of the
 * event loop are sent as one write, and data arrives directly in the caller's buffer. The client
 * knows nothing of SSH, roots or retries. Byte layouts are in wire.ts, waiting and failing in
 * exchange.ts.
 *
 * Errors are FerryErrors without a path: `io` with a POSIX `code` if the server refused, `network`
 * if the stream ended or the server fell silent, `hostile-peer` if it broke the protocol. Section
 * numbers are those of draft-ietf-secsh-filexfer-02.
 */
import type { Duplex } from 'node:stream';
import type { Attributes } from '../../../core/entry.js';
import { FerryError } from '../../../core/errors.js';
import type { Ending } from '../../endpoint.js';
import { type ChannelOptions, Exchange } from './exchange.js';
import {
  attributesRequest,
  copyDataRequest,
  readRequest,
  type SftpRequest,
  stringLength,
  stringRequest,
  stringsRequest,
  syncRequest,
  type WireString,
  writeRequest,
} from './requests.js';
import {
  attributesLength,
  openFlag,
  packet,
  type RawEntry,
  type RawStat,
  type Reader,
  writeAttributes,
} from './wire.js';

/** The reply to `limits@openssh.com` (PROTOCOL (OpenSSH) §4.8), bytes and a number of handles; 0 means that the server states no limit. */
export interface ServerLimits {
  readonly packet: number;
  readonly read: number;
  readonly write: number;
  readonly handles: number;
}

/** The answers to the requests that finish a file. */
export interface Finished {
  /** Undefined if FSTAT was refused. */
  readonly stat: RawStat | undefined;
  /** FSETSTAT's refusal. */
  readonly unset: FerryError | undefined;
  /** The first refusal of the other requests. */
  readonly refusal: FerryError | undefined;
  /** Whether FSYNC alone was refused. */
  readonly unsynced: boolean;
  /** Whether CLOSE was answered OK. */
  readonly closed: boolean;
}

export class SftpChannel {
  readonly #exchange: Exchange;

  constructor(stream: Duplex, options: ChannelOptions) {
    this.#exchange = new Exchange(stream, options);
  }

  /** Resolves once the server has sent VERSION. Requests may be made before; they wait at the server. */
  get ready(): Promise<void> {
    return this.#exchange.version;
  }

  /** Resolves with the reason once the channel has ended; never rejects. */
  get ended(): Promise<FerryError> {
    return this.#exchange.ended;
  }

  /** Why the channel has ended, if it has. */
  get failure(): FerryError | undefined {
    return this.#exchange.failure;
  }

  /** Requests waiting for an answer or to be sent. */
  get inFlight(): number {
    return this.#exchange.inFlight;
  }

  /** The shortest time from a request to its answer so far, milliseconds; Infinity before the first. */
  get roundTrip(): number {
    return this.#exchange.roundTrip;
  }

  /** Extensions that the server offers, name to version. */
  get extensions(): ReadonlyMap<string, string> {
    return this.#exchange.extensions;
  }

  /** Ends the channel; all waiting requests are rejected with `reason`. */
  close(reason: FerryError): void {
    this.#exchange.fail(reason);
  }

  /** OPEN (§6.3); resolves to the handle. */
  open(path: string, flags: number, attributes: Attributes, signal?: AbortSignal): Promise<Buffer> {
    return this.#exchange.ask({
      type: packet.OPEN,
      length: 4 + stringLength(path) + attributesLength(attributes),
      encode: (out, at) => {
        const next = out.putU32(out.putString(at, path), flags);
        writeAttributes(out.buffer, next, attributes);
      },
      signal,
      describe: () =>
        `OPEN ${path} (${flags & openFlag.CREAT ? 'create' : flags & openFlag.WRITE ? 'write' : 'read'})`,
    }) as Promise<Buffer>;
  }

  /** READ (§6.4) into `target`; resolves to the bytes read, 0 at the end of the file. They may be fewer than fit. */
  read(handle: Buffer, offset: number, target: Buffer, signal?: AbortSignal): Promise<number> {
    return this.#exchange.ask(readRequest(handle, offset, target, signal)) as Promise<number>;
  }

  /**
   * WRITE (§6.4). `data` must not change until this settles; after an abort it must never change
   * again, since it may still be waiting to be sent.
   */
  write(handle: Buffer, offset: number, data: Buffer, signal?: AbortSignal): Promise<void> {
    return this.#exchange.ask(writeRequest(handle, offset, data, signal)) as Promise<void>;
  }

  /**
   * Finishes a file in one round trip, on a server that carries out requests in order: WRITE of
   * `data` at 0 if there is any, FSETSTAT, fsync if asked for, FSTAT, CLOSE. Refusals are returned, not thrown.
   */
  finish(
    handle: Buffer,
    { data, attributes, sync }: Ending,
    signal: AbortSignal,
  ): Promise<Finished> {
    const requests: SftpRequest[] = [];
    if (data !== undefined && data.length > 0) requests.push(writeRequest(handle, 0, data, signal));
    requests.push(attributesRequest(packet.FSETSTAT, handle, '', attributes, signal));
    if (sync) requests.push(syncRequest(handle, signal));
    requests.push(
      stringRequest(packet.FSTAT, handle, '', signal),
      stringRequest(packet.CLOSE, handle, ''),
    );
    return this.#exchange.askAll(requests).then((answers) => finished(requests, answers, sync));
  }

  /** READ into `target` from 0, FSTAT and CLOSE in one round trip, on a server that carries out requests in order. `bytes` may be fewer than fit. Undefined if FSTAT was refused, which happens where CLOSE overtook it. */
  readWhole(
    handle: Buffer,
    target: Buffer,
    signal: AbortSignal,
  ): Promise<{ readonly bytes: number; readonly stat: RawStat } | undefined> {
    const requests = [
      readRequest(handle, 0, target, signal),
      stringRequest(packet.FSTAT, handle, '', signal),
      stringRequest(packet.CLOSE, handle, ''),
    ];
    return this.#exchange.askAll(requests).then((answers) => {
      const bytes = answers[0];
      const stat = answers[1];
      if (stat instanceof FerryError && stat.kind === 'io') return undefined;
      if (bytes instanceof FerryError) throw bytes;
      if (stat instanceof FerryError) throw stat;
      return { bytes: bytes as number, stat: stat as RawStat };
    });
  }

  /** CLOSE (§6.3). */
  closeHandle(handle: Buffer): Promise<void> {
    return this.#withString(packet.CLOSE, handle, '') as Promise<void>;
  }

  /** FSTAT (§6.8). */
  fstat(handle: Buffer, signal?: AbortSignal): Promise<RawStat> {
    return this.#withString(packet.FSTAT, handle, '', signal) as Promise<RawStat>;
  }

  /** LSTAT (§6.8): does not follow a link. */
  lstat(path: string, signal?: AbortSignal): Promise<RawStat> {
    return this.#withPath(packet.LSTAT, path, signal) as Promise<RawStat>;
  }

  /** STAT (§6.8): follows links. */
  stat(path: string, signal?: AbortSignal): Promise<RawStat> {
    return this.#withPath(packet.STAT, path, signal) as Promise<RawStat>;
  }

  /** SETSTAT (§6.9). */
  setstat(path: string, attributes: Attributes, signal?: AbortSignal): Promise<void> {
    return this.#withAttributes(packet.SETSTAT, path, path, attributes, signal);
  }

  /** FSETSTAT (§6.9). */
  fsetstat(handle: Buffer, attributes: Attributes, signal?: AbortSignal): Promise<void> {
    return this.#withAttributes(packet.FSETSTAT, handle, '', attributes, signal);
  }

  /** OPENDIR (§6.7). */
  opendir(path: string, signal?: AbortSignal): Promise<Buffer> {
    return this.#withPath(packet.OPENDIR, path, signal) as Promise<Buffer>;
  }

  /** READDIR (§6.7); resolves to some entries, undefined when there are no more. */
  readdir(handle: Buffer, signal?: AbortSignal): Promise<RawEntry[] | undefined> {
    return this.#withString(packet.READDIR, handle, '', signal) as Promise<RawEntry[] | undefined>;
  }

  /** REMOVE (§6.5). */
  remove(path: string, signal?: AbortSignal): Promise<void> {
    return this.#withPath(packet.REMOVE, path, signal) as Promise<void>;
  }

  /** MKDIR (§6.6). */
  mkdir(path: string, attributes: Attributes, signal?: AbortSignal): Promise<void> {
    return this.#withAttributes(packet.MKDIR, path, path, attributes, signal);
  }

  /** RMDIR (§6.6). */
  rmdir(path: string, signal?: AbortSignal): Promise<void> {
    return this.#withPath(packet.RMDIR, path, signal) as Promise<void>;
  }

  /** REALPATH (§6.11); resolves to the canonical absolute path. */
  realpath(path: string, signal?: AbortSignal): Promise<string> {
    return this.#withPath(packet.REALPATH, path, signal) as Promise<string>;
  }

  /** READLINK (§6.10). */
  readlink(path: string, signal?: AbortSignal): Promise<string> {
    return this.#withPath(packet.READLINK, path, signal) as Promise<string>;
  }

  /** RENAME (§6.5): fails if `to` exists, on servers that follow the draft. */
  rename(from: string, to: string, signal?: AbortSignal): Promise<void> {
    return this.#withStrings(packet.RENAME, [from, to], `${from} to ${to}`, signal);
  }

  /** SYMLINK with its arguments in OpenSSH's order, target first (PROTOCOL (OpenSSH) §4.1). */
  symlink(target: string, path: string, signal?: AbortSignal): Promise<void> {
    return this.#withStrings(packet.SYMLINK, [target, path], `${path} to ${target}`, signal);
  }

  /** `posix-rename@openssh.com` (PROTOCOL (OpenSSH) §4.3): replaces an existing file in one step. */
  posixRename(from: string, to: string, signal?: AbortSignal): Promise<void> {
    const fields = ['posix-rename@openssh.com', from, to];
    return this.#withStrings(packet.EXTENDED, fields, `${from} over ${to}`, signal);
  }

  /** `hardlink@openssh.com` (PROTOCOL (OpenSSH) §4.5): makes `to` a second name for `from`. */
  hardlink(from: string, to: string, signal?: AbortSignal): Promise<void> {
    const fields = ['hardlink@openssh.com', from, to];
    return this.#withStrings(packet.EXTENDED, fields, `${from} as ${to}`, signal);
  }

  /**
   * `copy-data` (draft-ietf-secsh-filexfer-extensions-00 §7): copies `length` bytes at `offset` from
   * one open file to the same place in another one.
   */
  copyData(
    from: Buffer,
    to: Buffer,
    offset: number,
    length: number,
    signal?: AbortSignal,
  ): Promise<void> {
    return this.#exchange.ask(copyDataRequest(from, to, offset, length, signal)) as Promise<void>;
  }

  /** `fsync@openssh.com` (PROTOCOL (OpenSSH) §4.6). */
  fsync(handle: Buffer, signal?: AbortSignal): Promise<void> {
    return this.#exchange.ask(syncRequest(handle, signal)) as Promise<void>;
  }

  /** `limits@openssh.com` (PROTOCOL (OpenSSH) §4.8). */
  limits(signal?: AbortSignal): Promise<ServerLimits> {
    return this.#withStrings(packet.EXTENDED, ['limits@openssh.com'], '', signal, readLimits);
  }

  /** `statvfs@openssh.com` (PROTOCOL (OpenSSH) §4.4); resolves to the bytes that an ordinary user can still store at `path`. */
  freeBytes(path: string, signal?: AbortSignal): Promise<number> {
    const fields = ['statvfs@openssh.com', path];
    return this.#withStrings(packet.EXTENDED, fields, path, signal, readFreeBytes);
  }

  // ---- requests of one shape ----

  #withString(
    type: number,
    string: WireString,
    description: string,
    signal?: AbortSignal,
  ): Promise<unknown> {
    return this.#exchange.ask(stringRequest(type, string, description, signal));
  }

  #withPath(type: number, path: string, signal?: AbortSignal): Promise<unknown> {
    return this.#withString(type, path, path, signal);
  }

  #withStrings<Reply = void>(
    type: number,
    fields: readonly WireString[],
    description: string,
    signal: AbortSignal | undefined,
    reply?: (reader: Reader) => Reply,
  ): Promise<Reply> {
    const request = stringsRequest(type, fields, description, signal, reply);
    return this.#exchange.ask(request) as Promise<Reply>;
  }

  #withAttributes(
    type: number,
    string: WireString,
    description: string,
    attributes: Attributes,
    signal?: AbortSignal,
  ): Promise<void> {
    const request = attributesRequest(type, string, description, attributes, signal);
    return this.#exchange.ask(request) as Promise<void>;
  }
}

/** What the answers to the requests that finish a file say. */
function finished(
  requests: readonly SftpRequest[],
  answers: readonly unknown[],
  sync: boolean,
): Finished {
  let unset: FerryError | undefined;
  let refusal: FerryError | undefined;
  let stat: RawStat | undefined;
  let refused = 0;
  for (let i = 0; i < requests.length; i++) {
    const type = requests[i]?.type;
    const answer = answers[i];
    if (answer instanceof FerryError) {
      if (type === packet.FSETSTAT) unset = answer;
      else {
        refusal ??= answer;
        refused++;
      }
    } else if (type === packet.FSTAT) stat = answer as RawStat;
  }
  const ofSync = sync && answers[requests.length - 3] instanceof FerryError;
  const closed = !(answers[answers.length - 1] instanceof FerryError);
  return { stat, unset, refusal, unsynced: ofSync && refused === 1, closed };
}

function readLimits(reader: Reader): ServerLimits {
  return { packet: reader.u64(), read: reader.u64(), write: reader.u64(), handles: reader.u64() };
}

function readFreeBytes(reader: Reader): number {
  reader.u64(); // f_bsize
  const fragment = reader.u64();
  reader.u64(); // f_blocks
  reader.u64(); // f_bfree
  const available = reader.u64();
  for (let i = 0; i < 6; i++) reader.u64(); // f_files to f_namemax
  return fragment * available;
}
