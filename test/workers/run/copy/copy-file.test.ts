/** How much of a large file is in flight. */
import { expect, test } from 'vitest';
import { Budget } from '../../../../src/core/at-once.js';
import type { Endpoint } from '../../../../src/endpoints/endpoint.js';
import { Buffers } from '../../../../src/workers/run/copy/buffers.js';
import { Flight } from '../../../../src/workers/run/copy/chunks.js';
import type { CopyContext } from '../../../../src/workers/run/copy/copy-context.js';
import { copyFile } from '../../../../src/workers/run/copy/copy-file.js';
import { randomBytes } from '../../../kit/files/tree.js';
import { memoryEndpoint } from '../../../kit/servers/memory.js';

const content = randomBytes(8 * 1024 * 1024, 3);
const attributes = {
  kind: 'file',
  size: content.length,
  mtime: 1_700_000_000,
  mode: 0o644,
} as const;

function contextOf(source: Endpoint, destination: Endpoint): CopyContext {
  return {
    ...{ source, destination, buffers: new Buffers(), flight: new Flight(), onBytes: () => {} },
    signal: new AbortController().signal,
    writer: 'abcdef012345',
    rules: { modes: 'source', verify: 'size', fsync: false, start: Date.now() },
    budget: new Budget(32 * 1024 * 1024),
    largeFiles: new Budget(64),
    pass: undefined,
    leftovers: new Map(),
    orphans: new Set(),
    isLive: undefined,
    doubts: undefined,
    times: undefined,
    trash: undefined,
  };
}

/** The most bytes written and not yet acknowledged, given the round trip (ms) and the bytes of a write. */
async function mostOnTheWay(roundTrip: number, maxWrite: number): Promise<number> {
  const source = memoryEndpoint({ tree: { big: content } });
  const memory = memoryEndpoint({ can: { roundTrip, maxWrite } });
  let onTheWay = 0;
  let most = 0;
  const destination: Endpoint = {
    ...memory,
    async open(...args) {
      const handle = await memory.open(...args);
      return {
        ...handle,
        async write(data, position, signal) {
          expect(data.length).toBeLessThanOrEqual(maxWrite);
          onTheWay += data.length;
          most = Math.max(most, onTheWay);
          // acknowledged once all has been sent that is sent without
          for (let before = -1; before < onTheWay; ) {
            before = onTheWay;
            await new Promise(setImmediate);
          }
          await handle.write(data, position, signal);
          onTheWay -= data.length;
        },
      };
    },
  };
  const request = { path: 'big', from: 'big', source: attributes, destination: undefined };
  await copyFile(request, contextOf(source, destination));
  expect(memory.bytes('big')?.equals(content)).toBe(true);
  return most;
}

test('a server that takes only small writes has as many bytes in flight', async () => {
  for (const roundTrip of [1, 10]) {
    const large = await mostOnTheWay(roundTrip, 255 * 1024);
    const small = await mostOnTheWay(roundTrip, 32 * 1024);
    expect(Math.abs(small - large)).toBeLessThan(64 * 1024);
  }
});

test('however small a request is, there are no more than 1,000', async () => {
  expect(await mostOnTheWay(40, 4096)).toBe(1000 * 4096);
});

test('a longer round trip has more in flight', async () => {
  const most = [];
  for (const roundTrip of [1, 5, 10]) most.push(await mostOnTheWay(roundTrip, 255 * 1024));
  expect(most).toEqual([4, 10, 20].map((chunks) => chunks * 255 * 1024));
});

test('many large files together have in flight what one has, and a small file beside them does not wait', async () => {
  const names = Array.from({ length: 60 }, (_, i) => `big${i}`);
  const tree = { small: 'small', ...Object.fromEntries(names.map((name) => [name, content])) };
  const source = memoryEndpoint({ tree });
  const memory = memoryEndpoint({ can: { roundTrip: 1 } });
  const waiting: (() => void)[] = [];
  let most = 0;
  let answers = false;
  const destination: Endpoint = {
    ...memory,
    async open(...args) {
      const handle = await memory.open(...args);
      return {
        ...handle,
        async write(data, position, signal) {
          if (!answers) await new Promise<void>((go) => (most = waiting.push(go)));
          await handle.write(data, position, signal);
        },
      };
    },
  };
  const context = contextOf(source, destination);
  const copies = names.map((path) =>
    copyFile({ path, from: path, source: attributes, destination: undefined }, context),
  );
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
  expect(most).toBe(4);
  const seen = { ...attributes, size: 5 };
  await copyFile({ path: 'small', from: 'small', source: seen, destination: undefined }, context);
  expect(memory.bytes('small')?.toString()).toBe('small');
  answers = true;
  for (const go of waiting) go();
  await Promise.all(copies);
  expect(names.every((name) => memory.bytes(name)?.equals(content))).toBe(true);
});
