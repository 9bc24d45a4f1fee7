/**
 * A request of SFTP version 3, and the bodies that several requests or methods share. Section
 * numbers are those of draft-ietf-secsh-filexfer-02.
 */
import type { Attributes } from '../../../core/entry.js';
import type { Outbox } from './outbox.js';
import { attributesLength, commandName, packet, type Reader, writeAttributes } from './wire.js';

export interface SftpRequest {
  readonly type: number;
  /** Bytes of the body that `encode` writes. */
  readonly length: number;
  readonly encode: (out: Outbox, at: number) => void;
  readonly signal?: AbortSignal | undefined;
  /** READ: where the data goes. */
  readonly target?: Buffer;
  /** WRITE: data sent after the body from its own buffer. */
  readonly trailing?: Buffer | undefined;
  /** EXTENDED: reads its EXTENDED_REPLY; absent if the reply is STATUS. */
  readonly reply?: ((reader: Reader) => unknown) | undefined;
  /** The request as a line of the transcript. */
  readonly describe?: () => string;
}

/** Bytes before a body: length, type and id (§3). */
const headerLength = 9;

/** Encodes a whole packet into the outbox. */
export function encode(out: Outbox, id: number, request: SftpRequest): void {
  const { type, length, trailing } = request;
  const at = out.reserve(headerLength + length);
  out.putU32(at, headerLength - 4 + length + (trailing?.length ?? 0));
  out.buffer[at + 4] = type;
  out.putU32(at + 5, id);
  request.encode(out, at + headerLength);
  if (trailing !== undefined) out.append(trailing);
}

/** A WRITE's data is copied into the outbox up to this size; larger data is sent from its own buffer. */
const largestInlineBytes = 32 * 1024;

/** A path or a handle. */
export type WireString = string | Buffer;

/** Bytes that a string takes in a packet: its length field and its text as UTF-8. */
export function stringLength(string: WireString): number {
  return 4 + Buffer.byteLength(string);
}

export function readRequest(
  handle: Buffer,
  offset: number,
  target: Buffer,
  signal?: AbortSignal,
): SftpRequest {
  return {
    type: packet.READ,
    length: 16 + handle.length,
    encode: (out, at) => {
      out.putU32(out.putU64(out.putString(at, handle), offset), target.length);
    },
    signal,
    target,
    describe: () => `READ ${target.length} bytes at ${offset}`,
  };
}

export function writeRequest(
  handle: Buffer,
  offset: number,
  data: Buffer,
  signal?: AbortSignal,
): SftpRequest {
  const inline = data.length <= largestInlineBytes;
  return {
    type: packet.WRITE,
    length: 16 + handle.length + (inline ? data.length : 0),
    encode: (out, at) => {
      const next = out.putU32(out.putU64(out.putString(at, handle), offset), data.length);
      if (inline) data.copy(out.buffer, next);
    },
    signal,
    trailing: inline ? undefined : data,
    describe: () => `WRITE ${data.length} bytes at ${offset}`,
  };
}

export function syncRequest(handle: Buffer, signal?: AbortSignal): SftpRequest {
  return stringsRequest(packet.EXTENDED, ['fsync@openssh.com', handle], '', signal);
}

export function copyDataRequest(
  from: Buffer,
  to: Buffer,
  offset: number,
  length: number,
  signal?: AbortSignal,
): SftpRequest {
  const name = 'copy-data';
  return {
    type: packet.EXTENDED,
    length: stringLength(name) + stringLength(from) + 16 + stringLength(to) + 8,
    encode: (out, at) => {
      const read = out.putString(out.putString(at, name), from);
      const write = out.putU64(out.putU64(read, offset), length);
      out.putU64(out.putString(write, to), offset);
    },
    signal,
    describe: () => `${name} ${length} bytes at ${offset}`,
  };
}

export function stringRequest(
  type: number,
  string: WireString,
  description: string,
  signal?: AbortSignal,
): SftpRequest {
  return {
    type,
    length: stringLength(string),
    encode: (out, at) => out.putString(at, string),
    signal,
    describe: () => `${commandName(type)} ${description}`.trimEnd(),
  };
}

export function stringsRequest(
  type: number,
  fields: readonly WireString[],
  description: string,
  signal: AbortSignal | undefined,
  reply?: (reader: Reader) => unknown,
): SftpRequest {
  return {
    type,
    length: fields.reduce((sum, field) => sum + stringLength(field), 0),
    encode: (out, at) => {
      let next = at;
      for (const field of fields) next = out.putString(next, field);
    },
    signal,
    reply,
    describe: () =>
      `${type === packet.EXTENDED ? fields[0] : commandName(type)} ${description}`.trimEnd(),
  };
}

export function attributesRequest(
  type: number,
  string: WireString,
  description: string,
  attributes: Attributes,
  signal?: AbortSignal,
): SftpRequest {
  return {
    type,
    length: stringLength(string) + attributesLength(attributes),
    encode: (out, at) => {
      writeAttributes(out.buffer, out.putString(at, string), attributes);
    },
    signal,
    describe: () => `${commandName(type)} ${description}`.trimEnd(),
  };
}
