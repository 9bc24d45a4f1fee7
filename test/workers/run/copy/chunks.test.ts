/** Moving a file in chunks between two handles of the tests' own making. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Budget } from '../../../../src/core/at-once.js';
import { FerryError } from '../../../../src/core/errors.js';
import type { Handle } from '../../../../src/endpoints/endpoint.js';
import { Buffers } from '../../../../src/workers/run/copy/buffers.js';
import {
  type ChunkMove,
  Flight,
  moveChunks,
  resumeWindowBytes,
} from '../../../../src/workers/run/copy/chunks.js';

const none = () => Promise.reject(new Error('not asked for here'));
const handle = (calls: Partial<Handle>): Handle => ({
  ...{ read: none, write: none, stat: none, copyFrom: none, finish: none, close: none },
  ...calls,
});

/** A file to read from; its `length` may differ from the announced size. */
const reading = (content: Buffer, turns: (position: number) => number = () => 0) =>
  handle({
    async read(buffer, position) {
      for (let i = turns(position); i > 0; i--) await new Promise(setImmediate);
      return content.copy(buffer, 0, position);
    },
  });

const bytes = (size: number) => Buffer.from(Array.from({ length: size }, (_, i) => (i * 31) % 251));
const sha = (data: Buffer) => createHash('sha256').update(data).digest('hex');

function move(over: Partial<ChunkMove> & Pick<ChunkMove, 'from' | 'to' | 'size'>) {
  const budget = over.budget ?? new Budget(1000);
  const done = moveChunks({
    start: 0,
    chunk: 10,
    atOnce: 4,
    flight: new Flight(),
    budget,
    buffers: new Buffers(),
    pass: undefined,
    hash: false,
    fsync: false,
    signal: new AbortController().signal,
    onBytes: () => {},
    ...over,
  });
  return { done, isWhole: () => budget.tryTake(budget.size) };
}

/** A destination whose writes wait until the test lets each go. */
function gated() {
  const waiting = new Map<
    number,
    { readonly resolve: () => void; readonly reject: (e: Error) => void }
  >();
  let seen = () => {};
  const to = handle({
    write: (_buffer, position) =>
      new Promise<void>((resolve, reject) => {
        waiting.set(position, { resolve, reject });
        seen();
      }),
  });
  /** Resolves once exactly this many writes wait and no other follows within some turns of the event loop. */
  const settled = async (count: number) => {
    while (waiting.size < count)
      await new Promise<void>((resolve) => {
        seen = resolve;
      });
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    return [...waiting.keys()].sort((a, b) => a - b);
  };
  const let_ = (position: number, error?: Error) => {
    const write = waiting.get(position);
    waiting.delete(position);
    if (error === undefined) write?.resolve();
    else write?.reject(error);
  };
  return { to, settled, let: let_ };
}

describe('moveChunks', () => {
  test('moves every byte and hashes them in order, in whatever order replies arrive', async () => {
    const scene = fc.record({
      size: fc.nat(300),
      start: fc.nat(50),
      chunk: fc.integer({ min: 1, max: 40 }),
      atOnce: fc.integer({ min: 1, max: 9 }),
      budget: fc.integer({ min: 1, max: 60 }),
      turns: fc.array(fc.nat(4), { minLength: 1, maxLength: 7 }),
    });
    await fc.assert(
      fc.asyncProperty(scene, async ({ size, start, chunk, atOnce, budget, turns }) => {
        const content = bytes(size);
        const stored = Buffer.alloc(size);
        let inFlight = 0;
        let told = 0;
        const wait = (position: number, shift: number) =>
          turns[(Math.floor(position / chunk) + shift) % turns.length] as number;
        const to = handle({
          async write(buffer, position) {
            expect(++inFlight).toBeLessThanOrEqual(atOnce);
            for (let i = wait(position, 1); i > 0; i--) await new Promise(setImmediate);
            buffer.copy(stored, position);
            inFlight--;
          },
        });
        const from = Math.min(start, size);
        const { done, isWhole } = move({
          ...{ from: reading(content, (position) => wait(position, 0)), to, size },
          ...{ start: from, chunk, atOnce, budget: new Budget(budget), hash: true },
          onBytes: (n) => {
            told += n;
          },
        });
        expect(await done).toBe(sha(content.subarray(from)));
        expect(stored.subarray(from).equals(content.subarray(from))).toBe(true);
        expect([told, isWhole()]).toEqual([size - from, true]);
      }),
    );
  });

  test('computes no hash unless it is requested', async () => {
    const to = handle({ write: async () => {} });
    expect(await move({ from: reading(bytes(30)), to, size: 30 }).done).toBeUndefined();
  });

  test('writes nothing beyond the acknowledged prefix and its window', async () => {
    const chunk = resumeWindowBytes / 4;
    const size = 7 * chunk;
    const from = handle({ read: async (buffer) => buffer.length });
    const { to, settled, let: letGo } = gated();
    const { done } = move({ from, to, size, chunk, atOnce: 100, budget: new Budget(10 * size) });
    const at = (...positions: number[]) => positions.map((n) => n * chunk);
    expect(await settled(4)).toEqual(at(0, 1, 2, 3));
    // an acknowledgement out of order does not move the window
    for (const n of [1, 2, 3]) letGo(n * chunk);
    expect(await settled(1)).toEqual(at(0));
    letGo(0);
    expect(await settled(3)).toEqual(at(4, 5, 6));
    for (const n of [6, 4, 5]) letGo(n * chunk);
    await done;
  });

  test('a bandwidth limit delays the reading too, one chunk at a time', async () => {
    const log: string[] = [];
    const go: (() => void)[] = [];
    const from = handle({
      async read(buffer, position) {
        log.push(`read ${position}`);
        return buffer.length;
      },
    });
    const { done } = move({
      ...{ from, to: handle({ write: async () => {} }), size: 30 },
      pass: (n) => {
        log.push(`pass ${n}`);
        return new Promise((resolve) => go.push(resolve));
      },
    });
    const steps: string[][] = [];
    for (let step = 0; step < 3; step++) {
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      steps.push(log.splice(0));
      go.shift()?.();
    }
    await done;
    expect([...steps, log]).toEqual([
      ['pass 10'],
      ['read 0', 'pass 10'],
      ['read 10', 'pass 10'],
      ['read 20'],
    ]);
  });

  test('an error while it waits for the limit ends the file', async () => {
    const nothing = handle({});
    const pass = () => Promise.reject(new Error('stopped'));
    const { done, isWhole } = move({ from: nothing, to: nothing, size: 30, pass });
    await expect(done).rejects.toThrow('stopped');
    expect(isWhole()).toBe(true);
  });

  test('a source that became shorter is a `changed` error', async () => {
    const to = handle({ write: async () => {} });
    const { done, isWhole } = move({ from: reading(bytes(25)), to, size: 40 });
    await expect(done).rejects.toMatchObject({ kind: 'changed' });
    expect(isWhole()).toBe(true);
  });

  test('a failed write ends the file once the others have settled, and gives the budget back', async () => {
    const { to, settled, let: letGo } = gated();
    const { done, isWhole } = move({ from: reading(bytes(100)), to, size: 100 });
    let over = false;
    const outcome = done.catch((error: Error) => {
      over = true;
      return error.message;
    });
    expect(await settled(4)).toEqual([0, 10, 20, 30]);
    letGo(10, new FerryError('io', 'disk full', { code: 'ENOSPC' }));
    expect(await settled(3)).toEqual([0, 20, 30]);
    expect(over).toBe(false);
    for (const n of [0, 20, 30]) letGo(n);
    expect(await outcome).toBe('disk full');
    expect(isWhole()).toBe(true);
  });

  test('after a failure while it waits for the budget, what it then gets is given back', async () => {
    const budget = new Budget(20);
    const { to, settled, let: letGo } = gated();
    const other = budget.tryTake(10);
    const { done, isWhole } = move({ from: reading(bytes(100)), to, size: 100, budget });
    const outcome = done.catch((error: Error) => error.message);
    expect([other, await settled(1)]).toEqual([true, [0]]);
    letGo(0, new Error('cut'));
    expect(await outcome).toBe('cut');
    budget.give(10);
    expect(isWhole()).toBe(true);
  });

  test('files share what is in flight, and the one with the least left goes first', async () => {
    const flight = new Flight();
    const order: string[] = [];
    const go: (() => void)[] = [];
    const to = (name: string) =>
      handle({
        write(_buffer, position) {
          order.push(`${name}${position / 10}`);
          return new Promise<void>((resolve) => go.push(resolve));
        },
      });
    const files = ['a', 'b', 'c'].map(
      (name) => move({ from: reading(bytes(30)), to: to(name), size: 30, atOnce: 2, flight }).done,
    );
    for (let done = 0; done < 9; done++) {
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      expect(go.length).toBe(Math.min(2, 9 - done));
      go.shift()?.();
    }
    await Promise.all(files);
    expect(order.join(' ')).toBe('a0 b0 a1 a2 b1 b2 c0 c1 c2');
  });

  test('the first chunk is sent before many more are read', async () => {
    let read = 0;
    let readBefore: number | undefined;
    const from = handle({
      async read(buffer) {
        read++;
        return buffer.length;
      },
    });
    const to = handle({
      write: () =>
        new Promise<void>((resolve) => {
          // what is written in one turn of the event loop is sent at its end
          setImmediate(() => {
            readBefore ??= read;
            setTimeout(resolve, 1);
          });
        }),
    });
    await move({ from, to, size: 800, atOnce: 80 }).done;
    expect(read).toBe(80);
    expect(readBefore).toBeLessThan(8);
  });

  test('an empty file needs neither a read nor a write', async () => {
    const { done } = move({ from: handle({}), to: handle({}), size: 0, hash: true });
    expect(await done).toBe(sha(Buffer.alloc(0)));
  });
});

describe('the destination is asked to put a large file on its disk', () => {
  const MiB = 1024 * 1024;
  const large = (flush: () => Promise<void>, fsync: boolean) => {
    const to = { ...handle({ write: async () => {} }), flush };
    const from = handle({ read: async (buffer) => buffer.length });
    return move({
      ...{ from, to, fsync, size: 200 * MiB, chunk: 4 * MiB, atOnce: 2 },
      budget: new Budget(64 * MiB),
    }).done;
  };

  const counted = async (flush: () => Promise<void>) => {
    let asked = 0;
    await large(() => {
      asked++;
      return flush();
    }, false);
    return asked;
  };

  test('soon, then at every 64 MiB', async () => {
    expect(await counted(async () => {})).toBe(3);
  });

  test('more often where the disk is slow, so that each time is short', async () => {
    let ms = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => {
      ms += 10_000;
      return ms;
    });
    onTestFinished(() => clock.mockRestore());
    expect(await counted(async () => {})).toBeGreaterThan(20);
  });

  test('and nothing waits for it', async () => {
    expect(await counted(() => new Promise(() => {}))).toBe(1);
  });

  test('a failure is one only if the file is to be on the disk', async () => {
    let asked = 0;
    const fails = async () => {
      asked++;
      throw new FerryError('io', 'failure', { code: 'EFAILURE' });
    };
    await large(fails, false);
    expect(asked).toBe(1);
    await expect(large(fails, true)).rejects.toMatchObject({ code: 'EFAILURE' });
  });
});
