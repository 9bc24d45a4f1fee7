/** Misbehaviour for hostile-server.ts around attributes. */
import { present } from '../../../src/core/present.js';
import { attributesReply, packet, statusCode } from '../../../src/test-server/sftp-server.js';
import type { Asked, Behave } from './hostile-server.js';

interface Said {
  readonly size: number | undefined;
  readonly mode: number | undefined;
  readonly mtime: number | undefined;
}

/** Stores another mtime than it is asked to, by what `stores` makes of it; undefined: refuses. */
export function storesMtimes(stores: (mtime: number, asked: Asked) => number | undefined): Behave {
  return (asked) => {
    const { mtime } = asked.attributes;
    if ((asked.type !== 'SETSTAT' && asked.type !== 'FSETSTAT') || mtime === undefined)
      return 'normal';
    const stored = stores(mtime, asked);
    if (stored === undefined) return { refuse: statusCode.PERMISSION_DENIED, message: 'no' };
    const path = Buffer.from(asked.path).toString('latin1');
    return { instead: { ...asked, path, attributes: { ...asked.attributes, mtime: stored } } };
  };
}

/** Answers with other attributes than the true ones, in stats and listings. */
export function says(change: (true_: Said) => Partial<Said>): Behave {
  return (asked) =>
    ['STAT', 'LSTAT', 'FSTAT', 'READDIR'].includes(asked.type)
      ? { alter: (reply) => altered(reply, change) }
      : 'normal';
}

/** Leaves SIZE out of all attributes. */
export const hidesSizes: Behave = says(() => ({ size: undefined }));

function altered(reply: Buffer, change: (true_: Said) => Partial<Said>): Buffer {
  const type = reply[4];
  if (type !== 104 && type !== 105) return reply;
  const parts: Buffer[] = [];
  let at = 9;
  const copy = (length: number) => {
    parts.push(reply.subarray(at, at + length));
    at += length;
  };
  const attributes = () => {
    const flags = reply.readUInt32BE(at);
    at += 4;
    const has = (bit: number) => (flags & bit) !== 0;
    const size = has(1) ? Number(reply.readBigUInt64BE(at)) : undefined;
    at += (has(1) ? 8 : 0) + (has(2) ? 8 : 0);
    const mode = has(4) ? reply.readUInt32BE(at) : undefined;
    at += has(4) ? 4 : 0;
    const mtime = has(8) ? reply.readUInt32BE(at + 4) : undefined;
    at += has(8) ? 8 : 0;
    const said = { size, mode, mtime };
    parts.push(attributesReply(0, present({ ...said, ...change(said) })).subarray(9));
  };
  if (type === 105) attributes();
  else {
    const count = reply.readUInt32BE(at);
    copy(4);
    for (let i = 0; i < count; i++) {
      copy(4 + reply.readUInt32BE(at));
      copy(4 + reply.readUInt32BE(at));
      attributes();
    }
  }
  return packet(type, reply.subarray(5, 9), ...parts);
}
