/**
 * What a request of SFTP version 3 is, and the bodies of those that are asked for in more than one
 * way, or have a shape in common. Section numbers are draft-ietf-secsh-filexfer-02's.
 */
import type { Attributes } from '../../../core/entry.js';
import type { Outbox } from './outbox.js';
import { attributesLength, commandName, packet, type Reader, writeAttributes } from './wire.js';

export interface Request {
  readonly type: number;
  /** Bytes of the body that `encode` writes. */
  readonly length: number;
  readonly encode: (out: Outbox, at: number) => void;
  readonly signal?: AbortSignal | undefined;
  /** READ: where the answer goes. */
  readonly target?: Buffer;
  /** WRITE: data sent behind the body from its own buffer. */
  readonly trailing?: Buffer;
  /** EXTENDED: reads its EXTENDED_REPLY; without it, the answer is a STATUS. */
  readonly reply?: ((reader: Reader) => unknown) | undefined;
  /** For the transcript. */
  readonly describe?: () => string;
}

/** Bytes before a body: length, type and id (§3). */
const headerLength = 9;

/** Puts the whole packet into the outbox. */
export function encode(out: Outbox, id: number, request: Request): void {
  const { type, length, trailing } = request;
  const at = out.reserve(headerLength + length);
  out.putU32(at, headerLength - 4 + length + (trailing?.length ?? 0));
  out.buffer[at + 4] = type;
  out.putU32(at + 5, id);
  request.encode(out, at + headerLength);
  if (trailing !== undefined) out.append(trailing);
}

/** A WRITE's data up to this size is copied in beside its neighbours; larger goes from its own buffer. */
const largestInline = 32 * 1024;

/** A path or a handle. */
export type Text = string | Buffer;

/** Bytes of a string as the protocol has it. */
export function stringLength(string: Text): number {
  return 4 + Buffer.byteLength(string);
}

export function reading(
  handle: Buffer,
  offset: number,
  target: Buffer,
  signal?: AbortSignal,
): Request {
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

export function writing(
  handle: Buffer,
  offset: number,
  data: Buffer,
  signal?: AbortSignal,
): Request {
  const inline = data.length <= largestInline;
  return {
    type: packet.WRITE,
    length: 16 + handle.length + (inline ? data.length : 0),
    encode: (out, at) => {
      const next = out.putU32(out.putU64(out.putString(at, handle), offset), data.length);
      if (inline) data.copy(out.buffer, next);
    },
    signal,
    ...(inline ? {} : { trailing: data }),
    describe: () => `WRITE ${data.length} bytes at ${offset}`,
  };
}

export function syncing(handle: Buffer, signal?: AbortSignal): Request {
  return aboutStrings(packet.EXTENDED, ['fsync@openssh.com', handle], '', signal);
}

export function aboutString(
  type: number,
  string: Text,
  words: string,
  signal?: AbortSignal,
): Request {
  return {
    type,
    length: stringLength(string),
    encode: (out, at) => out.putString(at, string),
    signal,
    describe: () => `${commandName(type)} ${words}`.trimEnd(),
  };
}

export function aboutStrings(
  type: number,
  fields: readonly Text[],
  words: string,
  signal: AbortSignal | undefined,
  reply?: (reader: Reader) => unknown,
): Request {
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
      `${type === packet.EXTENDED ? fields[0] : commandName(type)} ${words}`.trimEnd(),
  };
}

export function settingAttributes(
  type: number,
  string: Text,
  words: string,
  attributes: Attributes,
  signal?: AbortSignal,
): Request {
  return {
    type,
    length: stringLength(string) + attributesLength(attributes),
    encode: (out, at) => {
      writeAttributes(out.buffer, out.putString(at, string), attributes);
    },
    signal,
    describe: () => `${commandName(type)} ${words}`.trimEnd(),
  };
}
