/**
 * Random servers: each request gets a right answer or an error by the end of the stream. A promise
 * that never settles, a rejection nobody handles, or an error of another kind fails the test.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { answerAs, exchanges } from '../../../kit/servers/packets.js';
import { packet, quiet, say, silentPeer } from '../../../kit/servers/peer.js';

const answers = exchanges.map((exchange, i) => answerAs(exchange, i + 1));
const valid = Buffer.concat([say.version('a', '1'), ...answers]);

/** Sends bytes to a channel that has made every request, ends the stream, and returns each request's outcome. */
async function play(
  bytes: Buffer,
  cuts: readonly number[],
): Promise<PromiseSettledResult<unknown>[]> {
  const { channel, peer, stream } = silentPeer();
  const asked = exchanges.map(({ ask }) => ask(channel));
  const settled = Promise.allSettled(asked);
  await peer.hears(1 + exchanges.length);
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const at of [...places, bytes.length]) {
    if (at > from) peer.send(bytes.subarray(from, at));
    from = Math.max(from, at);
  }
  peer.stream.end();
  const failure = await channel.ended;
  expect(['network', 'hostile-peer']).toContain(failure.kind);
  expect(stream.destroyed).toBe(true);
  expect(channel.inFlight).toBe(0);
  await quiet();
  const outcomes = await Promise.race([
    settled,
    quiet().then(() => Promise.reject(new Error('a request was left waiting'))),
  ]);
  for (const outcome of outcomes)
    if (outcome.status === 'rejected')
      expect(['network', 'hostile-peer', 'io']).toContain(outcome.reason.kind);
  return outcomes;
}

const cuts = fc.array(fc.nat({ max: 5_000 }), { maxLength: 30 });

test('valid answers in any order, cut anywhere, are right', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray(answers, { minLength: answers.length, maxLength: answers.length }),
      cuts,
      async (order, places) => {
        const outcomes = await play(Buffer.concat([say.version(), ...order]), places);
        expect(outcomes).toEqual(
          exchanges.map(({ result }) => ({ status: 'fulfilled', value: result })),
        );
      },
    ),
    { numRuns: 150 },
  );
});

test('a valid conversation cut short: what was whole is right, the rest is an error', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: valid.length - 1 }), cuts, async (length, places) => {
      const outcomes = await play(valid.subarray(0, length), places);
      let end = say.version('a', '1').length;
      outcomes.forEach((outcome, i) => {
        end += answers[i]?.length ?? 0;
        if (end <= length)
          expect(outcome).toEqual({ status: 'fulfilled', value: exchanges[i]?.result });
        else expect(outcome).toMatchObject({ reason: { kind: 'network' } });
      });
    }),
    { numRuns: 150 },
  );
});

const mutation = fc.oneof(
  fc.record({
    kind: fc.constant('flip'),
    at: fc.nat(),
    with: fc.uint8Array({ minLength: 1, maxLength: 4 }),
  }),
  fc.record({
    kind: fc.constant('insert'),
    at: fc.nat(),
    with: fc.uint8Array({ minLength: 1, maxLength: 40 }),
  }),
  fc.record({
    kind: fc.constant('drop'),
    at: fc.nat(),
    with: fc.uint8Array({ minLength: 1, maxLength: 40 }),
  }),
  fc.record({
    kind: fc.constant('repeat'),
    at: fc.nat(),
    with: fc.uint8Array({ minLength: 1, maxLength: 80 }),
  }),
);

test('a valid conversation with random changes ends in answers and errors', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(mutation, { minLength: 1, maxLength: 4 }),
      cuts,
      async (changes, places) => {
        let bytes = valid;
        for (const change of changes) {
          const at = change.at % bytes.length;
          const { length } = change.with;
          const put =
            change.kind === 'repeat' ? bytes.subarray(at, at + length) : Buffer.from(change.with);
          const kept = change.kind === 'flip' || change.kind === 'drop' ? at + length : at;
          bytes = Buffer.concat([
            bytes.subarray(0, at),
            change.kind === 'drop' ? Buffer.alloc(0) : put,
            bytes.subarray(kept),
          ]);
        }
        await play(bytes, places);
      },
    ),
    { numRuns: 500 },
  );
});

// correctly framed packets with random contents; small numbers, so that lengths often fit
const body = fc
  .array(
    fc.oneof(
      fc.nat({ max: 40 }).map((n) => packet(0, n).subarray(5)),
      fc.integer({ min: 0, max: 0xffff_ffff }).map((n) => packet(0, n).subarray(5)),
      fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
    ),
    { maxLength: 12 },
  )
  .map((parts) => Buffer.concat(parts));
const framed = fc
  .tuple(
    fc.constantFrom(101, 102, 103, 104, 105, 201, 2, 13, 255),
    fc.integer({ min: 0, max: exchanges.length + 1 }),
    body,
  )
  .map(([type, id, rest]) => packet(type, id, rest));

test('a flood of framed packets with anything in them', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(
          { weight: 1, arbitrary: framed },
          { weight: 2, arbitrary: fc.constantFrom(...answers) },
        ),
        {
          maxLength: 60,
        },
      ),
      cuts,
      async (packets, places) => {
        await play(Buffer.concat([say.version(), ...packets]), places);
      },
    ),
    { numRuns: 500 },
  );
});

test('random bytes, before VERSION and after it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.boolean(),
      fc.uint8Array({ maxLength: 2_000 }),
      cuts,
      async (greeted, noise, places) => {
        await play(greeted ? Buffer.concat([say.version(), noise]) : Buffer.from(noise), places);
      },
    ),
    { numRuns: 300 },
  );
});
