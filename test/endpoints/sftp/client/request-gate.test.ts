/** Requests that a server should not have yet: their order, and what happens when they are over. */
import { beforeEach, expect, test } from 'vitest';
import { FerryError } from '../../../../src/core/errors.js';
import { RequestGate } from '../../../../src/endpoints/sftp/client/request-gate.js';
import { conversation, quiet, say, watch } from '../../../kit/servers/peer.js';

let gate: RequestGate;
beforeEach(() => {
  gate = new RequestGate();
  gate.depth.kept = 2;
});

/** Types of the packets that a peer heard, INIT aside. */
const types = (heard: readonly Buffer[]) => heard.slice(1).map((packet) => packet[4]);
const [OPEN, CLOSE, OPENDIR, REMOVE] = [3, 4, 11, 13];

test('no more requests than the limit are in flight, and those that open something go last', async () => {
  const { channel, peer } = await conversation({ gate });
  const asked = [
    channel.remove('/a'),
    channel.remove('/b'),
    channel.opendir('/c'),
    channel.open('/d', 1, {}),
    channel.closeHandle(Buffer.from('h')),
    channel.remove('/e'),
  ];
  await peer.hears(3);
  await quiet();
  expect(types(peer.heard)).toEqual([REMOVE, REMOVE]);
  expect(channel.inFlight).toBe(6);
  for (let id = 1; id <= 2; id++) peer.send(say.ok(id));
  await peer.hears(5);
  peer.send(say.ok(3));
  peer.send(say.ok(4));
  await peer.hears(7);
  expect(types(peer.heard).slice(2)).toEqual([CLOSE, REMOVE, OPENDIR, OPEN]);
  peer.send(say.handle(5, 'x'));
  peer.send(say.handle(6, 'y'));
  expect((await Promise.all(asked)).filter(Boolean).map(String)).toEqual(['x', 'y']);
  expect(channel.inFlight).toBe(0);
});

test('a held request that is aborted is rejected at once and never sent', async () => {
  const { channel, peer } = await conversation({ gate });
  const stop = new AbortController();
  const first = [channel.remove('/a'), channel.remove('/b')];
  const held = watch(channel.lstat('/c', stop.signal));
  const opening = watch(channel.opendir('/d', stop.signal));
  const last = channel.remove('/e');
  stop.abort(new FerryError('timeout', 'enough'));
  await quiet();
  expect(held.outcome).toMatchObject({ kind: 'timeout' });
  expect(opening.outcome).toMatchObject({ kind: 'timeout' });
  peer.send(say.ok(1));
  peer.send(say.ok(2));
  await peer.hears(4);
  peer.send(say.ok(3));
  await Promise.all([...first, last]);
  expect(types(peer.heard)).toEqual([REMOVE, REMOVE, REMOVE]);
});

test('a channel that ends rejects its held requests and lets the other channels go on', async () => {
  const one = await conversation({ gate });
  const other = await conversation({ gate });
  const lost = [one.channel.remove('/a'), one.channel.remove('/b'), one.channel.remove('/c')];
  const goesOn = other.channel.remove('/d');
  await one.peer.hears(3);
  await quiet();
  expect(types(other.peer.heard)).toEqual([]);
  one.peer.stream.end();
  for (const outcome of await Promise.allSettled(lost)) expect(outcome.status).toBe('rejected');
  await other.peer.hears(2);
  other.peer.send(say.ok(1));
  await goesOn;
});
