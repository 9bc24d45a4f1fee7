/** Ready-made misbehaviour for hostile-server.ts: replies that break the protocol, hostile listings, weak algorithms. */
import type { Algorithms } from 'ssh2';
import {
  attributesReply,
  dataReply,
  type NameLine,
  nameReply,
  packet,
  type Request,
  type RequestType,
  statusCode,
  statusReply,
  string,
  u32,
} from '../../../src/test-server/sftp-server.js';
import type { Asked, Behave, Behaviour } from './hostile-server.js';

/** Whether a request is a RENAME or a posix-rename. */
export function isRename(asked: Asked): boolean {
  return (
    asked.type === 'RENAME' ||
    (asked.type === 'EXTENDED' && asked.extension === 'posix-rename@openssh.com')
  );
}

/** Misbehaves in requests of one type, all of them or those that `where` picks. */
export function inEvery(
  type: RequestType,
  behaviour: Behaviour | ((asked: Asked) => Behaviour),
  where: (asked: Asked) => boolean = () => true,
): Behave {
  return (asked) => {
    if (asked.type !== type || !where(asked)) return 'normal';
    return typeof behaviour === 'function' ? behaviour(asked) : behaviour;
  };
}

/** The first of several behaviours that isn't normal. */
export function oneOf(...behaviours: readonly Behave[]): Behave {
  return async (asked) => {
    for (const behave of behaviours) {
      const behaviour = await behave(asked);
      if (behaviour !== 'normal') return behaviour;
    }
    return 'normal';
  };
}

/** Stores other bytes than were sent, of the same length. */
export const storesOtherBytes: Behave = inEvery('WRITE', (asked) => ({
  instead: {
    ...asked,
    path: Buffer.from(asked.path).toString('latin1'),
    data: Buffer.from(asked.data.map((byte) => byte ^ 0x20)),
  },
}));

/** Answers OK to SETSTAT and FSETSTAT without doing anything. */
export const ignoresAttributes: Behave = (asked) =>
  asked.type === 'SETSTAT' || asked.type === 'FSETSTAT'
    ? statusReply(asked.id, statusCode.OK)
    : 'normal';

/** Refuses SETSTAT and FSETSTAT. */
export const refusesAttributes: Behave = (asked) =>
  asked.type === 'SETSTAT' || asked.type === 'FSETSTAT'
    ? { refuse: statusCode.UNSUPPORTED, message: 'operation unsupported' }
    : 'normal';

/** Ends files early: EOF from `offset` (bytes) on. */
export function shortEof(offset: number): Behave {
  return inEvery('READ', (asked) =>
    asked.offset >= offset ? statusReply(asked.id, statusCode.EOF) : 'normal',
  );
}

/** Answers every READ with DATA of no bytes. */
export const emptyData: Behave = inEvery('READ', (asked) => dataReply(asked.id, Buffer.alloc(0)));

/** Answers every READ with more bytes than were asked for. */
export const tooMuchData: Behave = inEvery('READ', (asked) =>
  dataReply(asked.id, Buffer.alloc(asked.length + 1, 0x41)),
);

/** Replies that break the protocol, by name; each is sent in place of a correct one. */
export const brokenReplies: Readonly<Record<string, (asked: Request) => Buffer>> = {
  'a length of 4 GiB': () => Buffer.concat([u32(0xffff_ffff), Buffer.from([103]), u32(0)]),
  'a length of 0': () => Buffer.concat([u32(0), u32(0)]),
  'a length of 1 MiB and as many bytes': () =>
    Buffer.concat([u32(1 << 20), Buffer.alloc(1 << 20, 0x67)]),
  'an unknown id': ({ id }) => statusReply(id + 1_000_000, statusCode.OK),
  'the reply twice': ({ id }) =>
    Buffer.concat([statusReply(id, statusCode.OK), statusReply(id, statusCode.OK)]),
  'an unknown type': ({ id }) => packet(199, u32(id)),
  'a wrong type': ({ id, type }) =>
    type !== 'OPEN' && type !== 'OPENDIR'
      ? packet(102, u32(id), string('h'))
      : attributesReply(id, { size: 1, mode: 0o100644 }),
  'a second VERSION': () => packet(2, u32(3)),
  'a status cut short': ({ id }) => packet(101, u32(id), Buffer.from([0, 0])),
  'a string past its packet': ({ id, type }) =>
    packet(type === 'READ' ? 103 : type === 'READDIR' ? 104 : 102, u32(id), u32(0x7fff_ffff)),
  'an empty handle': ({ id }) => packet(102, u32(id), string('')),
  'a handle of 1,000 bytes': ({ id }) => packet(102, u32(id), string('x'.repeat(1000))),
  'four billion names': ({ id }) => packet(104, u32(id), u32(0xffff_ffff)),
  'four billion extended attributes': ({ id }) =>
    packet(105, u32(id), u32(0x8000_0000), u32(0xffff_ffff)),
  garbage: () => Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
};

const plainFile = { size: 3, mode: 0o100644, mtime: 1_700_000_000 };

/** Lists these names (text, or one character a byte in a Buffer) in every folder that `where` picks, then nothing more. */
export function listing(
  names: readonly (string | Buffer | NameLine)[],
  where: (folder: string) => boolean = () => true,
): Behave {
  const done = new Set<string>();
  return inEvery('READDIR', (asked) => {
    if (!where(asked.at)) return 'normal';
    // The server never reuses a handle, and several READDIRs of one may be in flight.
    const key = `${asked.channel} ${asked.handle}`;
    if (done.has(key)) return statusReply(asked.id, statusCode.EOF);
    done.add(key);
    return nameReply(
      asked.id,
      names.map((name) =>
        typeof name === 'string' || Buffer.isBuffer(name)
          ? { name: Buffer.from(name).toString('latin1'), attributes: plainFile }
          : name,
      ),
    );
  });
}

/** Lists `total` empty files f0, f1 … in the folder; without `total`, for ever. */
export function longListing(folder: string, total = Number.POSITIVE_INFINITY): Behave {
  const listed = new Map<string, number>();
  return inEvery('READDIR', (asked) => {
    if (asked.at !== folder) return 'normal';
    const key = `${asked.channel} ${asked.handle}`;
    const from = listed.get(key) ?? 0;
    if (from >= total) return statusReply(asked.id, statusCode.EOF);
    const length = Math.min(1000, total - from);
    listed.set(key, from + length);
    return nameReply(
      asked.id,
      Array.from({ length }, (_, i) => ({
        name: `f${from + i}`,
        attributes: { ...plainFile, size: 0 },
      })),
    );
  });
}

/** Answers READDIR of the folder for ever with these names alone: none, or `.` and `..`. */
export function emptyListing(folder: string, ...names: string[]): Behave {
  const folderAttributes = { ...plainFile, mode: 0o040755 };
  return inEvery('READDIR', (asked) =>
    asked.at === folder
      ? nameReply(
          asked.id,
          names.map((name) => ({ name, attributes: folderAttributes })),
        )
      : 'normal',
  );
}

/** Every folder, however deep, exists and holds `width` folders and a file. `real`: a folder that does exist. */
export function endlessDepth(real: string, width: number): Behave {
  const folder = { size: 0, mode: 0o040755, mtime: plainFile.mtime };
  const listed = new Set<string>();
  return (asked) => {
    if (asked.type === 'STAT' || asked.type === 'LSTAT') return attributesReply(asked.id, folder);
    if (asked.type === 'OPENDIR') return { instead: { ...asked, path: real } };
    if (asked.type !== 'READDIR') return 'normal';
    const key = `${asked.channel} ${asked.handle}`;
    if (listed.has(key)) return statusReply(asked.id, statusCode.EOF);
    listed.add(key);
    const folders = Array.from({ length: width }, (_, n) => ({
      name: `d${n}`,
      attributes: folder,
    }));
    return nameReply(asked.id, [...folders, { name: 'f', attributes: plainFile }]);
  };
}

/** A listing that begins well and then fails. */
export function listingFails(folder: string): Behave {
  const begun = new Set<string>();
  return inEvery('READDIR', (asked) => {
    const key = `${asked.channel} ${asked.handle}`;
    if (asked.at !== folder) return 'normal';
    if (begun.has(key)) return { refuse: statusCode.FAILURE, message: 'input/output error' };
    begun.add(key);
    return 'normal';
  });
}

/** Only algorithms that are broken or obsolete. */
export const weakAlgorithms: Algorithms = {
  kex: ['diffie-hellman-group14-sha1'],
  cipher: ['aes128-cbc'],
  hmac: ['hmac-sha1'],
};

/** A list whose `concat` adds nothing: ssh2's server uses that to offer strict key exchange. */
function closedList<T>(...names: T[]): T[] {
  return Object.assign(names, { concat: () => names });
}

/** A cipher open to Terrapin (CVE-2023-48795), and no strict key exchange. */
export const terrapinProne: Algorithms = {
  kex: closedList('curve25519-sha256' as const),
  cipher: ['chacha20-poly1305@openssh.com'],
};
