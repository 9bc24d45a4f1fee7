/**
 * Which reply answers which request of SFTP version 3, and how its body is read. Pure; byte layouts
 * are in wire.ts, waiting for replies in exchange.ts.
 */
import { isUtf8 } from 'node:buffer';
import { FerryError } from '../../../core/errors.js';
import { escapeText } from '../../../core/text.js';
import {
  commandName,
  packet,
  type RawEntry,
  type RawStat,
  type Reader,
  readAttributes,
  readEntries,
  violation,
} from './wire.js';

/**
 * The reply to each request type that succeeds (draft-ietf-secsh-filexfer-02 §6); absent where it is
 * STATUS. The reply to EXTENDED depends on its name.
 */
export const replyTypes: Readonly<Record<number, number>> = {
  [packet.OPEN]: packet.HANDLE,
  [packet.OPENDIR]: packet.HANDLE,
  [packet.READ]: packet.DATA,
  [packet.READDIR]: packet.NAME,
  [packet.REALPATH]: packet.NAME,
  [packet.READLINK]: packet.NAME,
  [packet.LSTAT]: packet.ATTRS,
  [packet.STAT]: packet.ATTRS,
  [packet.FSTAT]: packet.ATTRS,
};

/**
 * Reads the body of the reply (other than DATA, STATUS and EXTENDED_REPLY) to a request of type
 * `asked`. Returns an error, without throwing it, if the reply keeps to the protocol but is of no use.
 */
export function readReply(
  asked: number,
  reader: Reader,
): Buffer | RawEntry[] | RawStat | string | FerryError {
  switch (asked) {
    case packet.OPEN:
    case packet.OPENDIR:
      return reader.handle();
    case packet.READDIR:
      return readEntries(reader);
    case packet.REALPATH:
    case packet.READLINK:
      return readPath(asked, reader);
    default:
      return readAttributes(reader);
  }
}

/** NAME with one name and dummy attributes (draft-ietf-secsh-filexfer-02 §6.10, §6.11). */
function readPath(asked: number, reader: Reader): string | FerryError {
  const count = reader.u32();
  if (count !== 1) throw violation(`${commandName(asked)} answered with ${count} names`);
  const path = reader.bytes();
  reader.skipString();
  readAttributes(reader);
  return isUtf8(path)
    ? path.toString('utf8')
    : new FerryError('io', 'a path or link target on the server is not valid UTF-8', {
        code: 'EILSEQ',
      });
}

/** A reply as one line of the transcript. */
export function describeReply(type: number, value: unknown): string {
  if (Array.isArray(value)) return `${value.length} names`;
  if (typeof value === 'string') return `NAME ${escapeText(value)}`;
  if (type !== packet.ATTRS) return commandName(type);
  const stat = value as RawStat;
  return `ATTRS ${stat.kind ?? 'untyped'} ${stat.size ?? '?'} bytes, mtime ${stat.mtime ?? '?'}`;
}
