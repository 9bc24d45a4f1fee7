/**
 * Every request that ferryline sends and a reply to each, byte for byte, written by hand from
 * draft-ietf-secsh-filexfer-02 §6 and §7 and OpenSSH's PROTOCOL §4. Each is the first request of its
 * channel: id 1.
 */
import type { SftpChannel } from '../../../src/endpoints/sftp/client/channel.js';
import { wire } from './peer.js';

export interface Exchange {
  readonly name: string;
  readonly ask: (channel: SftpChannel) => Promise<unknown>;
  readonly request: Buffer;
  readonly answer: Buffer;
  readonly result: unknown;
}

const h1 = Buffer.from('h1');
const ok = '0000001a 65 00000001 00000000 00000007"Success" 00000002"en"';
const eof = '00000011 65 00000001 00000001 00000000 00000000';
const handle = '0000000b 66 00000001 00000002"h1"';
const attributes =
  '00000035 69 00000001 8000000f 0000000200000003 000003e8 000003e9 000081a4 00000064 000000c8' +
  ' 00000001 00000003"x@y" 00000001"z"';
const file = { kind: 'file', size: 8_589_934_595, mtime: 200, mode: 0o644 };

async function read(channel: SftpChannel, length: number): Promise<[number, string]> {
  const target = Buffer.alloc(length, '.');
  const count = await channel.read(h1, 0x1_0000_0002, target);
  return [count, target.toString()];
}

type Row = readonly [
  name: string,
  ask: (channel: SftpChannel) => Promise<unknown>,
  request: string,
  answer: string,
  result: unknown,
];

const rows: readonly Row[] = [
  [
    'OPEN to read',
    (c) => c.open('/a/b', 1, {}),
    '00000015 03 00000001 00000004"/a/b" 00000001 00000000',
    handle,
    h1,
  ],
  [
    'OPEN to create',
    (c) => c.open('/a/b', 2 | 8 | 32, { mode: 0o644 }),
    '00000019 03 00000001 00000004"/a/b" 0000002a 00000004 000001a4',
    handle,
    h1,
  ],
  ['CLOSE', (c) => c.closeHandle(h1), '0000000b 04 00000001 00000002"h1"', ok, undefined],
  [
    'READ',
    (c) => read(c, 4),
    '00000017 05 00000001 00000002"h1" 0000000100000002 00000004',
    '0000000d 67 00000001 00000004"data"',
    [4, 'data'],
  ],
  [
    'READ, answered short',
    (c) => read(c, 6),
    '00000017 05 00000001 00000002"h1" 0000000100000002 00000006',
    '0000000d 67 00000001 00000004"data"',
    [4, 'data..'],
  ],
  [
    'READ at the end',
    (c) => read(c, 4),
    '00000017 05 00000001 00000002"h1" 0000000100000002 00000004',
    eof,
    [0, '....'],
  ],
  [
    'WRITE',
    (c) => c.write(h1, 5, Buffer.from('abc')),
    '0000001a 06 00000001 00000002"h1" 0000000000000005 00000003"abc"',
    ok,
    undefined,
  ],
  ['LSTAT', (c) => c.lstat('/a'), '0000000b 07 00000001 00000002"/a"', attributes, file],
  ['FSTAT', (c) => c.fstat(h1), '0000000b 08 00000001 00000002"h1"', attributes, file],
  ['STAT', (c) => c.stat('/a'), '0000000b 11 00000001 00000002"/a"', attributes, file],
  [
    'SETSTAT of times',
    (c) => c.setstat('/a', { mtime: 1_704_067_200 }),
    '00000017 09 00000001 00000002"/a" 00000008 65920080 65920080',
    ok,
    undefined,
  ],
  [
    'FSETSTAT of mode and times',
    (c) => c.fsetstat(h1, { mode: 0o755, mtime: 1_704_067_200 }),
    '0000001b 0a 00000001 00000002"h1" 0000000c 000001ed 65920080 65920080',
    ok,
    undefined,
  ],
  ['OPENDIR', (c) => c.opendir('/a'), '0000000b 0b 00000001 00000002"/a"', handle, h1],
  [
    'READDIR',
    (c) => c.readdir(h1),
    '0000000b 0c 00000001 00000002"h1"',
    '00000039 68 00000001 00000002 00000001"." 00000001"." 00000000' +
      ' 00000001"f" 00000001"l" 0000000d 0000000000000007 000081b6 00000001 00000002',
    [{ name: 'f', kind: 'file', size: 7, mtime: 2, mode: 0o666 }],
  ],
  ['READDIR at the end', (c) => c.readdir(h1), '0000000b 0c 00000001 00000002"h1"', eof, undefined],
  ['REMOVE', (c) => c.remove('/a'), '0000000b 0d 00000001 00000002"/a"', ok, undefined],
  [
    'MKDIR',
    (c) => c.mkdir('/ä', { mode: 0o750 }),
    '00000014 0e 00000001 00000003"/ä" 00000004 000001e8',
    ok,
    undefined,
  ],
  ['RMDIR', (c) => c.rmdir('/a'), '0000000b 0f 00000001 00000002"/a"', ok, undefined],
  [
    'REALPATH',
    (c) => c.realpath('.'),
    '0000000a 10 00000001 00000001"."',
    '00000018 68 00000001 00000001 00000003"/ho" 00000000 00000000',
    '/ho',
  ],
  [
    'RENAME',
    (c) => c.rename('/a', '/b'),
    '00000011 12 00000001 00000002"/a" 00000002"/b"',
    ok,
    undefined,
  ],
  [
    'READLINK',
    (c) => c.readlink('/l'),
    '0000000b 13 00000001 00000002"/l"',
    '0000001b 68 00000001 00000001 00000005"../ü" 00000001"l" 00000000',
    '../ü',
  ],
  [
    'SYMLINK, the target first',
    (c) => c.symlink('t', '/l'),
    '00000010 14 00000001 00000001"t" 00000002"/l"',
    ok,
    undefined,
  ],
  [
    'posix-rename@openssh.com',
    (c) => c.posixRename('/a', '/b'),
    '0000002d c8 00000001 00000018"posix-rename@openssh.com" 00000002"/a" 00000002"/b"',
    ok,
    undefined,
  ],
  [
    'hardlink@openssh.com',
    (c) => c.hardlink('/a', '/b'),
    '00000029 c8 00000001 00000014"hardlink@openssh.com" 00000002"/a" 00000002"/b"',
    ok,
    undefined,
  ],
  [
    'copy-data',
    (c) => c.copyData(h1, Buffer.from('h2'), 0x1_0000_0002, 3),
    '00000036 c8 00000001 00000009"copy-data" 00000002"h1" 0000000100000002 0000000000000003' +
      ' 00000002"h2" 0000000100000002',
    ok,
    undefined,
  ],
  [
    'fsync@openssh.com',
    (c) => c.fsync(h1),
    '00000020 c8 00000001 00000011"fsync@openssh.com" 00000002"h1"',
    ok,
    undefined,
  ],
  [
    'limits@openssh.com',
    (c) => c.limits(),
    '0000001b c8 00000001 00000012"limits@openssh.com"',
    '00000025 c9 00000001 0000000000040000 000000000003fc00 000000000003fb00 00000000000003f8',
    { packet: 262_144, read: 261_120, write: 260_864, handles: 1016 },
  ],
  [
    'statvfs@openssh.com',
    (c) => c.freeBytes('/a'),
    '00000022 c8 00000001 00000013"statvfs@openssh.com" 00000002"/a"',
    '0000005d c9 00000001 0000000000010000 0000000000001000 0000000000000009 0000000000000008' +
      ' 0000000000000005 0000000000000001 0000000000000002 0000000000000003 0000000000000004' +
      ' 0000000000000000 00000000000000ff',
    20_480,
  ],
];

export const exchanges: readonly Exchange[] = rows.map(([name, ask, request, answer, result]) => ({
  name,
  ask,
  request: wire(request),
  answer: wire(answer),
  result,
}));

/** An exchange's reply, with another id. */
export function answerAs(exchange: Exchange, id: number): Buffer {
  const answer = Buffer.from(exchange.answer);
  answer.writeUInt32BE(id, 5);
  return answer;
}
