/**
 * The server's side of SFTP version 3 over any duplex stream: parses requests and writes the
 * replies, one after another and in order. What to reply is decided elsewhere (folder.ts). It shares
 * no code with the client, so that each can test the other.
 *
 * Sources: draft-ietf-secsh-filexfer-02; PROTOCOL (OpenSSH) §4.
 */
import type { Duplex } from 'node:stream';

/** Requests by type (draft-ietf-secsh-filexfer-02 §3). */
const requestTypes = {
  1: 'INIT',
  3: 'OPEN',
  4: 'CLOSE',
  5: 'READ',
  6: 'WRITE',
  7: 'LSTAT',
  8: 'FSTAT',
  9: 'SETSTAT',
  10: 'FSETSTAT',
  11: 'OPENDIR',
  12: 'READDIR',
  13: 'REMOVE',
  14: 'MKDIR',
  15: 'RMDIR',
  16: 'REALPATH',
  17: 'STAT',
  18: 'RENAME',
  19: 'READLINK',
  20: 'SYMLINK',
  200: 'EXTENDED',
} as const;

export type RequestType = (typeof requestTypes)[keyof typeof requestTypes] | 'UNKNOWN';

const typeOf: ReadonlyMap<number, RequestType> = new Map(
  Object.entries(requestTypes).map(([number, type]) => [Number(number), type]),
);

export interface RawAttributes {
  readonly size?: number;
  /** Permissions with the file type's bits. */
  readonly mode?: number;
  readonly atime?: number;
  readonly mtime?: number;
}

/** A request with the fields of its type; the others are empty. */
export interface Request {
  readonly type: RequestType;
  /** For INIT the version. */
  readonly id: number;
  /** One character a byte, since names are bytes. For SYMLINK the link to create. */
  readonly path: string;
  /** For RENAME the new name, for SYMLINK the target (sent first, as by OpenSSH). One character a byte. */
  readonly to: string;
  readonly handle: string;
  readonly offset: number;
  readonly length: number;
  readonly flags: number;
  readonly attributes: RawAttributes;
  readonly data: Buffer;
  /** For copy-data the file that is written, and where. */
  readonly toHandle: string;
  readonly toOffset: number;
  /** For EXTENDED its name: `posix-rename@openssh.com`. */
  readonly extension: string;
}

export const statusCode = {
  OK: 0,
  EOF: 1,
  NO_SUCH_FILE: 2,
  PERMISSION_DENIED: 3,
  FAILURE: 4,
  BAD_MESSAGE: 5,
  UNSUPPORTED: 8,
} as const;

/** The stream is destroyed when a request is larger; OpenSSH's server has the same limit. */
const largestRequestBytes = 256 * 1024;

/** Decides what a request is answered with: bytes of one or several packets, or nothing. */
export type Responder = (request: Request) => Promise<Buffer | undefined>;

/** Serves a stream until it ends. Never rejects: when the client breaks the protocol, the stream is destroyed. */
export async function serveSftp(stream: Duplex, answer: Responder): Promise<void> {
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let at = 0;
      while (rest.length - at >= 5) {
        const length = rest.readUInt32BE(at);
        if (length < 1 || length > largestRequestBytes) throw new RangeError('a packet too large');
        if (rest.length - at < 4 + length) break;
        const reply = await answer(parseRequest(rest.subarray(at + 4, at + 4 + length)));
        at += 4 + length;
        if (stream.destroyed) return;
        if (reply !== undefined && !stream.write(reply)) await drained(stream);
      }
      rest = rest.subarray(at);
    }
    stream.end();
  } catch {
    stream.destroy();
  }
}

/** Resolves when a stream accepts more data or is closed. */
function drained(stream: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done).off('close', done).off('error', done);
      resolve();
    };
    stream.on('drain', done).on('close', done).on('error', done);
  });
}

/** Parses one packet without its length field. Throws a RangeError if it is too short. */
function parseRequest(packet: Buffer): Request {
  let at = 5;
  const u32 = () => {
    at += 4;
    return packet.readUInt32BE(at - 4);
  };
  const bytes = () => {
    const length = u32();
    if (length > packet.length - at) throw new RangeError('a string past the end of its packet');
    at += length;
    return packet.subarray(at - length, at);
  };
  const name = () => bytes().toString('latin1');
  const u64 = () => u32() * 0x1_0000_0000 + u32();
  const attributes = (): RawAttributes => {
    const flags = u32();
    const size = flags & 1 ? u64() : undefined;
    if (flags & 2) at += 8;
    const mode = flags & 4 ? u32() : undefined;
    const times = flags & 8 ? { atime: u32(), mtime: u32() } : {};
    return {
      ...(size === undefined ? {} : { size }),
      ...(mode === undefined ? {} : { mode }),
      ...times,
    };
  };
  const type = typeOf.get(packet[0] ?? 0) ?? 'UNKNOWN';
  const nothing = {
    ...{ path: '', to: '', handle: '', offset: 0, length: 0, flags: 0 },
    ...{ attributes: {}, data: Buffer.alloc(0), extension: '', toHandle: '', toOffset: 0 },
  };
  const base = { ...nothing, type, id: packet.readUInt32BE(1) };
  switch (type) {
    case 'OPEN':
      return { ...base, path: name(), flags: u32(), attributes: attributes() };
    case 'CLOSE':
    case 'FSTAT':
    case 'READDIR':
      return { ...base, handle: name() };
    case 'READ':
      return { ...base, handle: name(), offset: u64(), length: u32() };
    case 'WRITE':
      return { ...base, handle: name(), offset: u64(), data: bytes() };
    case 'FSETSTAT':
      return { ...base, handle: name(), attributes: attributes() };
    case 'SETSTAT':
    case 'MKDIR':
      return { ...base, path: name(), attributes: attributes() };
    case 'RENAME':
      return { ...base, path: name(), to: name() };
    case 'SYMLINK':
      return { ...base, to: name(), path: name() };
    case 'EXTENDED': {
      const extension = name();
      if (extension === 'posix-rename@openssh.com' || extension === 'hardlink@openssh.com')
        return { ...base, extension, path: name(), to: name() };
      if (extension === 'fsync@openssh.com') return { ...base, extension, handle: name() };
      if (extension === 'copy-data') {
        const from = { handle: name(), offset: u64(), length: u64() };
        return { ...base, extension, ...from, toHandle: name(), toOffset: u64() };
      }
      return { ...base, extension };
    }
    case 'INIT':
    case 'UNKNOWN':
      return base;
    default:
      return { ...base, path: name() };
  }
}

// ---- replies (draft-ietf-secsh-filexfer-02 §7) ----

/** One packet: length, type and body. */
export function packet(type: number, ...body: readonly Buffer[]): Buffer {
  const length = body.reduce((sum, part) => sum + part.length, 1);
  return Buffer.concat([u32(length), Buffer.from([type]), ...body]);
}

export function u32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

/** A string field; text is one character a byte. */
export function string(value: Buffer | string): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
  return Buffer.concat([u32(bytes.length), bytes]);
}

export function versionReply(extensions: Readonly<Record<string, string>>): Buffer {
  const pairs = Object.entries(extensions).flatMap(([name, data]) => [string(name), string(data)]);
  return packet(2, u32(3), ...pairs);
}

export function statusReply(id: number, code: number, message = ''): Buffer {
  return packet(101, u32(id), u32(code), string(message), string(''));
}

export function handleReply(id: number, handle: string): Buffer {
  return packet(102, u32(id), string(handle));
}

export function dataReply(id: number, data: Buffer): Buffer {
  return packet(103, u32(id), string(data));
}

/** An entry of a NAME reply. */
export interface NameLine {
  /** One character a byte. */
  readonly name: string;
  readonly attributes: RawAttributes;
}

export function nameReply(id: number, names: readonly NameLine[]): Buffer {
  const lines = names.flatMap(({ name, attributes }) => [
    string(name),
    // longname, as `ls -l` would print it; ferryline does not read it
    string(name),
    attributesField(attributes),
  ]);
  return packet(104, u32(id), u32(names.length), ...lines);
}

/** The reply to limits@openssh.com; a WRITE may be as large as a READ. */
export function limitsReply(id: number, largestReadBytes: number): Buffer {
  const openHandles = 1000;
  const limits = [largestRequestBytes, largestReadBytes, largestReadBytes, openHandles];
  return packet(201, u32(id), ...limits.map(u64));
}

export function attributesReply(id: number, attributes: RawAttributes): Buffer {
  return packet(105, u32(id), attributesField(attributes));
}

function attributesField({ size, mode, atime, mtime }: RawAttributes): Buffer {
  const flags =
    (size === undefined ? 0 : 1) | (mode === undefined ? 0 : 4) | (mtime === undefined ? 0 : 8);
  return Buffer.concat([
    u32(flags),
    ...(size === undefined ? [] : [u64(size)]),
    ...(mode === undefined ? [] : [u32(mode)]),
    ...(mtime === undefined ? [] : [u32(atime ?? mtime), u32(mtime)]),
  ]);
}
