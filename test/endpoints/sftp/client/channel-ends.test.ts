/** How waiting for an answer ends: by an abort, by silence, or with the stream. */
import { duplexPair } from 'node:stream';
import { afterEach, expect, test, vi } from 'vitest';
import { FerryError } from '../../../../src/core/errors.js';
import { SftpChannel } from '../../../../src/endpoints/sftp/client/channel.js';
import { exchanges } from '../../../kit/servers/packets.js';
import {
  type Conversation,
  conversation,
  packet,
  quiet,
  say,
  silentPeer,
  watch,
} from '../../../kit/servers/peer.js';

const h1 = Buffer.from('h1');

afterEach(() => {
  vi.useRealTimers();
});

/** Fakes the timers; the stream still works, since setImmediate is real. */
function stopClock(): void {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
}

test('an abort rejects waiting and later requests with its reason', async () => {
  const { channel } = await conversation();
  const controller = new AbortController();
  const reason = new Error('stop');
  const asked = ['/a', '/b'].map((path) => channel.lstat(path, controller.signal));
  const other = watch(channel.lstat('/c'));
  controller.abort(reason);
  expect(await Promise.allSettled(asked)).toEqual(Array(2).fill({ status: 'rejected', reason }));
  await expect(channel.lstat('/d', controller.signal)).rejects.toBe(reason);
  await quiet();
  expect(other.outcome).toBe('waiting');
  expect(channel.failure).toBeUndefined();
});

test('a request aborted beforehand is not sent', async () => {
  const { channel, peer } = await conversation();
  await expect(channel.remove('/a', AbortSignal.abort())).rejects.toThrow();
  const asked = channel.remove('/b');
  await peer.hears(2);
  expect(peer.heard[1]).toEqual(packet(13, 1, '/b'));
  peer.send(say.ok(1));
  await asked;
});

test('late DATA never touches the buffer of a READ that was given up', async () => {
  const { channel, peer } = await conversation();
  const controller = new AbortController();
  const target = Buffer.alloc(8, '.');
  const asked = channel.read(h1, 0, target, controller.signal);
  await peer.hears(2);
  controller.abort();
  await expect(asked).rejects.toThrow();
  peer.send(say.data(1, 'datadata'));
  await quiet();
  expect(target.toString()).toBe('........');
  expect(channel.failure).toBeUndefined();
  expect(channel.inFlight).toBe(0);
});

test('the rest of a DATA packet that had begun does not touch it either', async () => {
  const { channel, peer } = await conversation();
  const controller = new AbortController();
  const target = Buffer.alloc(8, '.');
  const asked = channel.read(h1, 0, target, controller.signal);
  const next = channel.read(h1, 8, Buffer.alloc(8));
  await peer.hears(3);
  const answer = say.data(1, 'datadata');
  peer.send(answer.subarray(0, 16));
  await quiet();
  expect(target.toString()).toBe('dat.....');
  controller.abort();
  await expect(asked).rejects.toThrow();
  peer.send(answer.subarray(16), say.data(2, 'rest'));
  expect(await next).toBe(4);
  expect(target.toString()).toBe('dat.....');
});

test.each([
  ['OPEN', (channel: SftpChannel, signal: AbortSignal) => channel.open('/a', 1, {}, signal)],
  ['OPENDIR', (channel: SftpChannel, signal: AbortSignal) => channel.opendir('/a', signal)],
])('a late HANDLE for an %s that was given up is closed', async (_name, ask) => {
  const { channel, peer } = await conversation();
  const controller = new AbortController();
  const asked = ask(channel, controller.signal);
  await peer.hears(2);
  controller.abort();
  await expect(asked).rejects.toThrow();
  peer.send(say.handle(1, 'orphan'));
  await peer.hears(3);
  expect(peer.heard[2]).toEqual(packet(4, 2, 'orphan'));
  peer.send(say.status(2, 4));
  await quiet();
  expect(channel.failure).toBeUndefined();
  expect(channel.inFlight).toBe(0);
});

test('one listener a signal and channel, and no warning of many', async () => {
  const warnings: Error[] = [];
  const warned = (warning: Error) => warnings.push(warning);
  process.on('warning', warned);
  try {
    const { signal } = new AbortController();
    const listen = vi.spyOn(signal, 'addEventListener');
    for (let i = 0; i < 20; i++) {
      const { channel } = await conversation();
      for (let n = 0; n < 100; n++) channel.lstat('/a', signal).catch(() => {});
    }
    await quiet();
    expect(listen).toHaveBeenCalledTimes(20);
    expect(warnings).toEqual([]);
  } finally {
    process.off('warning', warned);
  }
});

test('silence ends the channel by the deadline, and not before', async () => {
  stopClock();
  const { channel, stream } = await conversation({ deadline: 30_000 });
  const asked = [watch(channel.open('/a', 1, {})), watch(channel.lstat('/a'))];
  await quiet();
  vi.advanceTimersByTime(30_000);
  await quiet();
  expect(asked[0]?.outcome).toBe('waiting');
  vi.advanceTimersByTime(2_000);
  await quiet();
  for (const { outcome } of asked)
    expect(outcome).toMatchObject({ kind: 'network', code: 'ETIMEDOUT' });
  expect(channel.failure?.message).toBe('the server did not answer OPEN within 30 s');
  expect(stream.destroyed).toBe(true);
});

test('no VERSION is silence, with and without requests', async () => {
  stopClock();
  const bare = silentPeer({ deadline: 5_000 });
  const asking = silentPeer({ deadline: 5_000 });
  const asked = watch(asking.channel.realpath('.'));
  const ready = watch(bare.channel.ready);
  await quiet();
  vi.advanceTimersByTime(7_000);
  await quiet();
  expect(ready.outcome).toMatchObject({ kind: 'network', code: 'ETIMEDOUT' });
  expect(asked.outcome).toBe(asking.channel.failure);
  expect(asking.channel.failure?.message).toMatch(/INIT/);
});

test('an idle channel is not silent, and its next request has the whole deadline', async () => {
  stopClock();
  const { channel, peer } = await conversation({ deadline: 30_000 });
  vi.advanceTimersByTime(3_600_000);
  const asked = channel.remove('/a');
  await peer.hears(2);
  vi.advanceTimersByTime(29_000);
  peer.send(say.ok(1));
  await asked;
});

test('a slow line is not silent, one byte at a time', async () => {
  stopClock();
  const { channel, peer } = await conversation({ deadline: 30_000 });
  const asked = channel.read(h1, 0, Buffer.alloc(4));
  await peer.hears(2);
  for (const byte of say.data(1, 'data')) {
    vi.advanceTimersByTime(29_000);
    peer.send(Buffer.from([byte]));
    await quiet();
  }
  expect(await asked).toBe(4);
});

test('a request that later ones overtake for the deadline ends the channel', async () => {
  stopClock();
  const { channel, peer } = await conversation({ deadline: 30_000 });
  const starved = watch(channel.closeHandle(h1));
  let id = 1;
  for (let second = 0; second < 28; second++) {
    const asked = channel.lstat('/a');
    peer.send(say.status(++id, 2));
    await expect(asked).rejects.toMatchObject({ code: 'ENOENT' });
    vi.advanceTimersByTime(1_000);
  }
  expect(starved.outcome).toBe('waiting');
  for (let second = 0; second < 5 && channel.failure === undefined; second++) {
    const asked = channel.lstat('/a');
    peer.send(say.status(++id, 2));
    await asked.catch(() => {});
    vi.advanceTimersByTime(1_000);
  }
  await quiet();
  expect(starved.outcome).toMatchObject({ kind: 'network', code: 'ETIMEDOUT' });
  expect(channel.failure?.message).toMatch(/CLOSE/);
});

test('a process that was stopped for an hour does not blame the server', async () => {
  stopClock();
  const { channel, peer } = await conversation({ deadline: 30_000 });
  const asked = channel.remove('/a');
  await peer.hears(2);
  // the clock is an hour ahead, but its timer fires only once
  vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 3_600_000);
  vi.advanceTimersByTime(1_000);
  peer.send(say.ok(1));
  await asked;
});

test('silence is noticed in real time, too', async () => {
  const { channel } = await conversation({ deadline: 20 });
  await expect(channel.remove('/a')).rejects.toMatchObject({ code: 'ETIMEDOUT' });
});

test.each([
  ['ends', (peer) => peer.stream.end()],
  [
    'ends in the middle of an answer',
    (peer) => peer.stream.end(say.data(4, 'data').subarray(0, 15)),
  ],
  ['fails', (_peer, stream) => stream.destroy(new Error('reset'))],
  ['is destroyed', (_peer, stream) => stream.destroy()],
] satisfies [string, (peer: Conversation['peer'], stream: Conversation['stream']) => void][])(
  'when the stream %s, all that waits is rejected, and all that comes',
  async (_name, end) => {
    const { channel, peer, stream } = await conversation();
    const asked = exchanges.map(({ ask }) => ask(channel));
    for (let i = 0; i < 500; i++) asked.push(channel.read(h1, i, Buffer.alloc(4)));
    const given = channel.lstat('/a', AbortSignal.timeout(60_000));
    await peer.hears(1 + asked.length);
    end(peer, stream);
    for (const outcome of await Promise.allSettled([...asked, given]))
      expect(outcome).toMatchObject({ reason: { kind: 'network', code: 'ECONNLOST' } });
    expect(await channel.ended).toBe(channel.failure);
    await expect(channel.lstat('/a')).rejects.toBe(channel.failure);
    expect(channel.inFlight).toBe(0);
    expect(stream.destroyed).toBe(true);
  },
);

test('what broke the stream is kept as the cause', async () => {
  const { channel, stream } = await conversation();
  const reset = new Error('reset');
  stream.destroy(reset);
  expect((await channel.ended).cause).toBe(reset);
});

test('a stream that has ended already is an ended channel', async () => {
  const [stream] = duplexPair();
  stream.destroy();
  await new Promise((resolve) => stream.once('close', resolve));
  const channel = new SftpChannel(stream, { deadline: 60_000 });
  await expect(channel.ready).rejects.toMatchObject({ kind: 'network' });
  await expect(channel.lstat('/a')).rejects.toMatchObject({ kind: 'network' });
});

test('close rejects all waiting requests with its reason, and nothing more is sent', async () => {
  const { channel, peer } = await conversation();
  const asked = [channel.lstat('/a'), channel.write(h1, 0, Buffer.alloc(50_000))];
  const reason = new FerryError('busy', 'enough');
  channel.close(reason);
  expect(await Promise.allSettled(asked)).toEqual(Array(2).fill({ status: 'rejected', reason }));
  await quiet();
  expect(peer.writes).toHaveLength(1);
  expect(await channel.ended).toBe(reason);
});

test('bytes that arrive after the end are ignored and touch no buffer', async () => {
  const { channel, peer, stream } = await conversation();
  const target = Buffer.alloc(8, '.');
  const asked = channel.read(h1, 0, target);
  await peer.hears(2);
  const answer = say.data(1, 'datadata');
  stream.emit('data', answer.subarray(0, 16));
  channel.close(new FerryError('busy', 'enough'));
  stream.emit('data', answer.subarray(16));
  await expect(asked).rejects.toMatchObject({ kind: 'busy' });
  expect(target.toString()).toBe('dat.....');

  const early = silentPeer();
  early.channel.close(new FerryError('busy', 'enough'));
  early.stream.emit('data', say.version('late', '1'));
  expect(early.channel.extensions.size).toBe(0);
});

test('a request that cannot be written ends the channel before a part of it is sent', async () => {
  const { channel, peer } = await conversation();
  const asked = [channel.lstat('/a'), channel.read(h1, -1, Buffer.alloc(4))];
  for (const outcome of await Promise.allSettled(asked))
    expect(outcome).toMatchObject({ reason: { kind: 'defect' } });
  await quiet();
  expect(peer.writes).toHaveLength(1);
});

test('an error of our own while an answer is read is a defect, and nothing hangs', async () => {
  const { channel, peer } = await conversation({
    trace: (_kind, text) => {
      if (text === '1 OK') throw new TypeError('a broken transcript');
    },
  });
  const asked = [channel.remove('/a'), channel.remove('/b')];
  peer.send(Buffer.concat([say.ok(1), say.ok(2)]));
  const [first, second] = await Promise.allSettled(asked);
  expect(first).toMatchObject({ reason: { kind: 'defect', message: 'a broken transcript' } });
  expect(second).toEqual(first);
});
