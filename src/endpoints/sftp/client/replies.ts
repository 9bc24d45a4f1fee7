/**
 * Which answer belongs to which request of SFTP version 3, and what is in it. Pure; bytes are in
 * wire.ts, waiting for answers in exchange.ts.
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
 * The answer each request has when it succeeds (draft-ietf-secsh-filexfer-02 §6); absent where
 * that is STATUS. An EXTENDED's depends on its name.
 */
export const answers: Readonly<Record<number, number>> = {
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
 * The body of a right answer (but DATA, STATUS and EXTENDED_REPLY) to the request type `asked`.
 * An error is returned, not thrown, where the answer keeps to the protocol and is of no use to us.
 */
export function readAnswer(
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

/** NAME with one name and attributes that mean nothing (draft-ietf-secsh-filexfer-02 §6.10, §6.11). */
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

/** An answer as one line of the transcript. */
export function describeAnswer(type: number, value: unknown): string {
  if (Array.isArray(value)) return `${value.length} names`;
  if (typeof value === 'string') return `NAME ${escapeText(value)}`;
  if (type !== packet.ATTRS) return commandName(type);
  const stat = value as RawStat;
  return `ATTRS ${stat.kind ?? 'untyped'} ${stat.size ?? '?'} bytes, mtime ${stat.mtime ?? '?'}`;
}
