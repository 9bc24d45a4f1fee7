/** Attributes, times and names of SFTP version 3, against hand-written bytes. */
import { expect, test } from 'vitest';
import {
  attributesLength,
  Reader,
  readAttributes,
  readEntries,
  wireTime,
  writeAttributes,
} from '../../../../src/endpoints/sftp/client/wire.js';
import { packet, wire } from '../../../kit/servers/peer.js';

function reader(bytes: Buffer): Reader {
  // other bytes on both sides, so that reading outside is noticed
  const framed = Buffer.concat([Buffer.alloc(3, 0xaa), bytes, Buffer.alloc(64, 0xaa)]);
  return new Reader(framed, 3, 3 + bytes.length);
}

const parts = {
  1: ['0000000300000004', { size: 12_884_901_892 }],
  2: ['0000000500000006', {}],
  4: ['000041ff', { kind: 'folder', mode: 0o777 }],
  8: ['00000001ffffffff', { mtime: 4_294_967_295 }],
  16: ['00000002 00000001"a" 00000000 00000000 00000002"bc"', {}],
} as const;
const bits = [1, 2, 4, 8, 16] as const;

test.each(Array.from({ length: 32 }, (_, flags) => flags))(
  'ATTRS with flag combination %i, whole and cut',
  (combination) => {
    const set = bits.filter((bit) => combination & bit);
    const flags = set.reduce((sum, bit) => sum + (bit === 16 ? 0x8000_0000 : bit), 0);
    const text = set.map((bit) => parts[bit][0]).join(' ');
    const bytes = wire(`${flags.toString(16).padStart(8, '0')} ${text}`);
    const whole = reader(bytes);
    expect(readAttributes(whole)).toEqual({
      kind: undefined,
      size: undefined,
      mtime: undefined,
      mode: undefined,
      ...Object.assign({}, ...set.map((bit) => parts[bit][1])),
    });
    expect(whole.left).toBe(0);
    for (let length = 0; length < bytes.length; length++)
      expect(() => readAttributes(reader(bytes.subarray(0, length)))).toThrow(
        expect.objectContaining({ kind: 'hostile-peer' }),
      );
  },
);

test.each([
  ['0000000000000000', 0],
  ['00000000ffffffff', 4_294_967_295],
  ['001fffffffffffff', Number.MAX_SAFE_INTEGER],
  ['7fffffffffffffff', 2 ** 63],
])('a size of %s is %d', (hex, size) => {
  expect(readAttributes(reader(wire(`00000001 ${hex}`))).size).toBe(size);
});

test.each([
  ['000081a4', 'file', 0o644],
  ['000041ed', 'folder', 0o755],
  ['0000a1ff', 'link', 0o777],
  ['000021b6', 'special', 0o666],
  ['00001180', 'special', 0o600],
  ['0000c1ed', 'special', 0o755],
  ['00008fff', 'file', 0o7777],
  ['000001a4', undefined, 0o644],
])('permissions %s are a %s with mode %o', (hex, kind, mode) => {
  expect(readAttributes(reader(wire(`00000004 ${hex}`)))).toMatchObject({ kind, mode });
});

test.each([
  [{}, '00000000'],
  [{ mode: 0o640 }, '00000004 000001a0'],
  [{ mode: 0o7777 }, '00000004 000003ff'],
  [{ mtime: 1 }, '00000008 00000001 00000001'],
  [{ mode: 0, mtime: 1.99 }, '0000000c 00000000 00000001 00000001'],
  [{ mtime: -1 }, '00000008 00000000 00000000'],
  [{ mtime: 2 ** 32 }, '00000008 ffffffff ffffffff'],
])('%j is sent as %s: no set-id bits, times within range', (attributes, hex) => {
  const out = Buffer.alloc(attributesLength(attributes) + 2, 0xee);
  expect(writeAttributes(out, 1, attributes)).toBe(out.length - 1);
  expect(out).toEqual(wire(`ee ${hex} ee`));
});

test.each([
  [0, 0],
  [1.999_999, 1],
  [-0.5, 0],
  [-1e300, 0],
  [4_294_967_295.5, 4_294_967_295],
  [4_294_967_296, 4_294_967_295],
  [Number.POSITIVE_INFINITY, 4_294_967_295],
])('the time %d is sent as %d', (seconds, expected) => {
  expect(wireTime(seconds)).toBe(expected);
});

function entries(...names: readonly Buffer[]) {
  const sent = packet(104, 0, names.length, ...names.flatMap((name) => [wireString(name), '', 0]));
  return readEntries(reader(sent.subarray(9)));
}

function wireString(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

test.each([
  'plain',
  '...',
  '..x',
  '.hidden',
  'a\\b',
  'C:',
  'ä',
  'new\nline',
  '\u001b[0m',
  '\u202e',
  '\ufeffbom',
  '\ufffd',
  'x'.repeat(255),
])('the name %j arrives unchanged', (name) => {
  expect(entries(Buffer.from(name))).toEqual([
    { name, kind: undefined, size: undefined, mtime: undefined, mode: undefined },
  ]);
});

test('. and .. are left out', () => {
  expect(entries(Buffer.from('.'), Buffer.from('..'))).toEqual([]);
});

test.each(['', '/', 'a/b', '../x', '/x', 'a\0b', '\0'])(
  'the name %j breaks the protocol',
  (name) => {
    expect(() => entries(Buffer.from('a'), Buffer.from(name))).toThrow(
      expect.objectContaining({ kind: 'hostile-peer' }),
    );
  },
);

test('names that cannot be carried over have a problem, and their neighbours have none', () => {
  const [invalid, long, fine] = entries(
    Buffer.from([0x61, 0xff]),
    Buffer.alloc(256, 'x'),
    Buffer.from('fine'),
  );
  expect(invalid?.problem).toMatch(/UTF-8/);
  expect(long?.problem).toMatch(/255/);
  expect(fine?.problem).toBeUndefined();
});

test('a size that a number cannot hold is a problem of that entry', () => {
  const bytes = wire('00000001 00000001"a" 00000000 00000001 7fffffffffffffff');
  expect(readEntries(reader(bytes))[0]?.problem).toMatch(/2\^53/);
});
