import { expect, test } from 'vitest';
import { failing, faulty } from '../kit/servers/faulty.js';
import { memoryEndpoint } from '../kit/servers/memory.js';
import { endpointSuite, outsideOfMemory } from '../suites/endpoint-suite.js';

endpointSuite('memory', async () => {
  const endpoint = memoryEndpoint();
  return { endpoint, outside: outsideOfMemory(endpoint), close: () => endpoint.close() };
});

const plain = memoryEndpoint();
endpointSuite('memory behind an empty script of faults', async () => ({
  endpoint: faulty(plain),
  outside: outsideOfMemory(plain),
  close: () => plain.close(),
}));

test('a scripted fault fails the call it names, and no other', async () => {
  const endpoint = faulty(memoryEndpoint({ tree: { a: 'x' } }), failing('stat', 1));
  const { signal } = new AbortController();
  expect((await endpoint.stat('a', signal))?.size).toBe(1);
  await expect(endpoint.stat('a', signal)).rejects.toMatchObject({ code: 'EIO', path: 'a' });
  expect((await endpoint.stat('a', signal))?.size).toBe(1);
  expect(endpoint.calls.map((call) => call.nth)).toEqual([0, 1, 2]);
});
