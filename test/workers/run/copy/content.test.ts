import { expect, test } from 'vitest';
import {
  type ContentRules,
  memoryFor,
  sameContent,
} from '../../../../src/workers/run/copy/content.js';
import { faulty } from '../../../kit/servers/faulty.js';
import { memoryEndpoint } from '../../../kit/servers/memory.js';

const { signal } = new AbortController();
const kib = 1024;

/** Compares the bytes of two files on sides with this round trip and these largest reads. */
function compare(a: Buffer, b: Buffer, rules: ContentRules = {}, roundTrip = 0) {
  const side = (bytes: Buffer) =>
    memoryEndpoint({ tree: { file: bytes }, can: { roundTrip, maxRead: 64 * kib } });
  return sameContent(side(a), 'file', side(b), 'file', signal, rules);
}

const sizes = [0, 1, 1000, 64 * kib - 1, 64 * kib, 64 * kib + 1, 1000 * kib, 1024 * kib];

test.each(sizes.flatMap((size) => [0, 50].map((roundTrip) => [size, roundTrip] as const)))(
  '%d bytes at %d ms: equal, one byte flipped, one byte more',
  async (size, roundTrip) => {
    const content = Buffer.alloc(size, 'abc');
    for (const rules of [{}, { size }]) {
      expect(await compare(content, Buffer.from(content), rules, roundTrip)).toBe(true);
      const longer = Buffer.concat([content, Buffer.from('x')]);
      expect(await compare(content, longer, rules, roundTrip)).toBe(false);
      expect(await compare(longer, content, rules, roundTrip)).toBe(false);
      // both longer than was thought, and equal only as far
      const other = Buffer.concat([content, Buffer.from('y')]);
      expect(await compare(longer, other, rules, roundTrip)).toBe(false);
      for (const at of size === 0 ? [] : [0, size >> 1, size - 1]) {
        const flipped = Buffer.from(content);
        flipped[at] = (flipped[at] as number) ^ 1;
        expect(await compare(content, flipped, rules, roundTrip)).toBe(false);
      }
    }
  },
);

test.each([10, 64 * kib, 200 * kib])('only the first %d bytes count', async (limit) => {
  const content = Buffer.alloc(limit, 'abc');
  const longer = Buffer.concat([content, Buffer.from('more')]);
  expect(await compare(longer, content, { limit })).toBe(true);
  expect(await compare(longer, content.subarray(1), { limit })).toBe(false);
  expect(await compare(content.subarray(1), content.subarray(1), { limit })).toBe(false);
});

test('the bytes found equal are counted, and wait for their turn', async () => {
  let counted = 0;
  let passed = 0;
  const content = Buffer.alloc(300 * kib, 'abc');
  const rules = {
    size: content.length,
    pass: async (bytes: number) => {
      passed += bytes;
    },
    onBytes: (bytes: number) => {
      counted += bytes;
    },
  };
  expect(await compare(content, content, rules)).toBe(true);
  expect(counted).toBe(content.length);
  expect(passed).toBeGreaterThanOrEqual(content.length);
});

test('what fails in one part is thrown once all parts have settled, and both files are closed', async () => {
  const content = Buffer.alloc(1000 * kib, 'abc');
  const a = memoryEndpoint({ tree: { file: content }, can: { maxRead: 64 * kib } });
  const b = memoryEndpoint({ tree: { file: content }, can: { maxRead: 64 * kib } });
  const script = faulty(b, {
    before: ({ method, nth }) => {
      if (method === 'handle.read' && nth === 3) throw new Error('unreadable');
    },
  });
  await expect(sameContent(a, 'file', script, 'file', signal)).rejects.toThrow('unreadable');
  expect([a.openHandles(), b.openHandles()]).toEqual([0, 0]);
});

test('its memory is bounded, however large the files', () => {
  const side = memoryEndpoint({ can: { roundTrip: 500, maxRead: 8 * 1024 * kib } });
  expect(memoryFor(side, side, 2 ** 40)).toBeLessThanOrEqual(16 * 1024 * kib);
  expect(memoryFor(side, side, undefined)).toBeLessThanOrEqual(16 * 1024 * kib);
});
