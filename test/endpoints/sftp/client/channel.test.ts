/** The SFTP client against hand-written bytes: each packet, each cut, many at once. */
import { afterEach, expect, test, vi } from 'vitest';
import { answerAs, exchanges } from '../../../kit/servers/packets.js';
import {
  conversation,
  everyCut,
  packet,
  quiet,
  say,
  silentPeer,
  string,
  wire,
} from '../../../kit/servers/peer.js';

const h1 = Buffer.from('h1');
const { signal } = new AbortController();

afterEach(() => {
  vi.restoreAllMocks();
});

test('INIT is sent at once, and VERSION lists the extensions', async () => {
  const { channel, peer } = silentPeer();
  await peer.hears(1);
  expect(peer.heard[0]).toEqual(wire('00000005 01 00000003'));
  peer.send(
    wire('00000028 02 00000003 00000011"fsync@openssh.com" 00000001"1" 00000000 00000001"x"'),
  );
  await channel.ready;
  expect([...channel.extensions]).toEqual([
    ['fsync@openssh.com', '1'],
    ['', 'x'],
  ]);
});

test.each(exchanges)('$name', async ({ ask, request, answer, result }) => {
  const { channel, peer } = await conversation();
  const asked = ask(channel);
  await peer.hears(2);
  expect(peer.heard[1]?.toString('hex')).toBe(request.toString('hex'));
  peer.send(answer);
  expect(await asked).toEqual(result);
  expect(channel.failure).toBeUndefined();
  expect(channel.inFlight).toBe(0);
});

test.each(exchanges)('$name, its answer cut anywhere', async ({ ask, answer, result }) => {
  for (const chunks of everyCut(answer)) {
    const { channel, peer } = await conversation();
    const asked = ask(channel);
    peer.send(...chunks);
    expect(await asked).toEqual(result);
    expect(channel.failure).toBeUndefined();
  }
});

test('VERSION cut anywhere', async () => {
  for (const chunks of everyCut(say.version('a', '1', 'b', '2'))) {
    const { channel, peer } = silentPeer();
    peer.send(...chunks);
    await channel.ready;
    expect([...channel.extensions.keys()]).toEqual(['a', 'b']);
  }
});

test('all answers in one chunk, in reverse, each to its own request', async () => {
  const { channel, peer } = await conversation();
  const asked = exchanges.map(({ ask }) => ask(channel));
  await peer.hears(1 + exchanges.length);
  expect(channel.inFlight).toBe(exchanges.length);
  peer.send(Buffer.concat(exchanges.map((exchange, i) => answerAs(exchange, i + 1)).reverse()));
  expect(await Promise.all(asked)).toEqual(exchanges.map(({ result }) => result));
});

test('requests may be made before VERSION has come', async () => {
  const { channel, peer } = silentPeer();
  const asked = channel.realpath('.');
  await peer.hears(2);
  peer.send(Buffer.concat([say.version(), packet(104, 1, 1, '/', '', 0)]));
  expect(await asked).toBe('/');
});

test('the round trip is the shortest time that an answer took', async () => {
  let now = 1_000;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  const { channel, peer } = silentPeer();
  expect(channel.roundTrip).toBe(Number.POSITIVE_INFINITY);
  now += 40;
  peer.send(say.version());
  await channel.ready;
  expect(channel.roundTrip).toBe(40);
  for (const [id, took] of [90, 7, 300].entries()) {
    const asked = channel.remove('/a');
    await peer.hears(2 + id);
    now += took;
    peer.send(say.ok(1 + id));
    await asked;
  }
  expect(channel.roundTrip).toBe(7);
});

test('requests of one turn are sent as one write', async () => {
  const { channel, peer } = await conversation();
  const before = peer.writes.length;
  const asked = exchanges.map(({ ask }) => ask(channel));
  // more than any buffer holds at first
  for (let i = 0; i < 1000; i++) asked.push(channel.lstat(`/a/path/of/some/length/${i}`));
  await peer.hears(1 + asked.length);
  expect(peer.writes.length - before).toBe(1);
  expect(peer.heard.at(-1)).toEqual(packet(7, asked.length, '/a/path/of/some/length/999'));
  for (let i = 0; i < 3; i++) {
    asked.push(channel.lstat('/after/a/promise'));
    await Promise.resolve();
  }
  await peer.hears(1 + asked.length);
  expect(peer.writes.length - before).toBe(2);
  peer.stream.end();
  await Promise.allSettled(asked);
});

test('large data is sent without a copy, in its place between other requests', async () => {
  const { channel, peer } = await conversation();
  const first = Buffer.alloc(100_000, 'first');
  const second = Buffer.alloc(32 * 1024 + 1, 'second');
  const small = Buffer.alloc(32 * 1024, 'small');
  const asked = [
    channel.lstat('/a'),
    channel.write(h1, 0, first),
    channel.write(h1, 2 ** 40, second),
    channel.write(h1, 7, small),
    channel.closeHandle(h1),
  ];
  await peer.hears(6);
  expect(peer.heard.slice(1)).toEqual([
    packet(7, 1, '/a'),
    packet(6, 2, 'h1', wire('0000000000000000'), string(first)),
    packet(6, 3, 'h1', wire('0000010000000000'), string(second)),
    packet(6, 4, 'h1', wire('0000000000000007'), string(small)),
    packet(4, 5, 'h1'),
  ]);
  expect(peer.writes.filter((chunk) => chunk === first || chunk === second)).toHaveLength(2);
  peer.send(say.status(1, 2), say.ok(2), say.ok(3), say.ok(4), say.ok(5));
  const outcomes = await Promise.allSettled(asked);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', ...Array(4).fill('fulfilled')]);
});

test('a buffer read into is touched only where data came', async () => {
  const { channel, peer } = await conversation();
  const whole = Buffer.alloc(12, '.');
  const asked = channel.read(h1, 0, whole.subarray(4, 8));
  peer.send(say.data(1, 'abc'));
  expect(await asked).toBe(3);
  expect(whole.toString()).toBe('....abc.....');
});

test('a handle does not change when the chunk it arrived in is reused', async () => {
  const { channel, peer, stream } = await conversation();
  const asked = channel.open('/a', 1, {});
  await peer.hears(2);
  const chunk = say.handle(1, 'h7');
  stream.emit('data', chunk);
  chunk.fill(0);
  expect((await asked).toString()).toBe('h7');
});

test.each([
  [2, 'No such file', 'io', 'ENOENT'],
  [3, 'Permission denied', 'io', 'EACCES'],
  [4, 'Failure', 'io', 'EFAILURE'],
  [4, 'open: No space left on device', 'io', 'ENOSPC'],
  [4, 'Directory not empty', 'io', 'ENOTEMPTY'],
  [4, 'File exists', 'io', 'EEXIST'],
  [5, '', 'io', 'EINVAL'],
  [6, '', 'network', 'EFAILURE'],
  [7, '', 'network', 'EFAILURE'],
  [8, '', 'io', 'ENOTSUP'],
  [11, '', 'io', 'EEXIST'],
  [14, '', 'io', 'ENOSPC'],
  [0xffff_ffff, '', 'io', 'EFAILURE'],
  [1, '', 'io', 'EFAILURE'],
])(
  'STATUS %i "%s" rejects as %s %s and leaves the channel alone',
  async (code, message, kind, posix) => {
    const { channel, peer } = await conversation();
    const asked = channel.mkdir('/a', {});
    peer.send(say.status(1, code, message));
    await expect(asked).rejects.toMatchObject({ kind, code: posix });
    expect(channel.failure).toBeUndefined();
  },
);

test('a STATUS may lack its message and language, as before version 3', async () => {
  const { channel, peer } = await conversation();
  const asked = [channel.remove('/a'), channel.remove('/b')];
  peer.send(packet(101, 1, 0), packet(101, 2, 0, 'message'));
  await Promise.all(asked);
});

test("a server's message is quoted without control characters, and cut", async () => {
  const { channel, peer } = await conversation();
  const asked = channel.remove('/a');
  peer.send(packet(101, 1, 4, string(Buffer.from('1b5d30 ff 0a'.replaceAll(' ', ''), 'hex')), ''));
  await expect(asked).rejects.toThrow('("\\x1b]0\ufffd\\n")');
  const long = channel.remove('/a');
  peer.send(say.status(2, 4, 'x'.repeat(200_000)));
  const error: Error = await long.then(
    () => Promise.reject(new Error('it was a failure')),
    (thrown) => thrown,
  );
  expect(error.message.length).toBeLessThan(400);
});

test('a link target that is not valid UTF-8 is an error of that link alone', async () => {
  const { channel, peer } = await conversation();
  const asked = channel.readlink('/l');
  peer.send(packet(104, 1, 1, string(Buffer.from([0x61, 0xff])), '', 0));
  await expect(asked).rejects.toMatchObject({ kind: 'io', code: 'EILSEQ' });
  expect(channel.failure).toBeUndefined();
});

test('the transcript has a line for each request and answer, safe on a terminal', async () => {
  const lines: string[] = [];
  const { channel, peer } = silentPeer({ trace: (kind, text) => lines.push(`${kind} ${text}`) });
  peer.send(say.version('x\u001b[2J', '1'));
  const asked = [channel.lstat('/a\nb'), channel.open('/f', 1, {}), channel.read(h1, 0, h1)];
  peer.send(wire('00000009 69 00000001 00000000'), say.handle(2, 'h'), say.data(3, 'd'));
  await Promise.all(asked);
  await quiet();
  expect(lines).toEqual([
    'command INIT version 3',
    'command 1 LSTAT /a\\nb',
    'command 2 OPEN /f (read)',
    'command 3 READ 2 bytes at 0',
    'response VERSION 3 x\\x1b[2J',
    'response 1 ATTRS untyped ? bytes, mtime ?',
    'response 2 HANDLE',
    'response 3 DATA 1 bytes',
  ]);
});

test('a file is finished in one round trip: data, attributes, sync, stat, close', async () => {
  const { channel, peer } = await conversation();
  const ending = { data: Buffer.from('text'), attributes: { mtime: 5 }, sync: true };
  const ended = channel.finish(h1, ending, signal);
  await peer.hears(6);
  const types = peer.heard.slice(1).map((bytes) => bytes[4]);
  expect(types).toEqual([6, 10, 200, 8, 4]); // WRITE FSETSTAT EXTENDED FSTAT CLOSE
  const [write, set, sync, look, close] = [1, 2, 3, 4, 5];
  peer.send(say.ok(write), say.status(set, 3, 'no'), say.ok(sync));
  peer.send(packet(105, look, 1, 0, 4), say.ok(close));
  const { stat, unset } = await ended;
  expect(stat).toMatchObject({ size: 4 });
  expect(unset).toMatchObject({ kind: 'io', code: 'EACCES' });
  expect(channel.inFlight).toBe(0);
});

test('a file without data or sync is finished by fewer requests; a refusal is returned once all are answered', async () => {
  const { channel, peer } = await conversation();
  const ended = channel.finish(h1, { attributes: {}, sync: false }, signal);
  await peer.hears(4);
  expect(peer.heard.slice(1).map((bytes) => bytes[4])).toEqual([10, 8, 4]);
  peer.send(say.ok(1), say.status(2, 4, 'no'), say.ok(3));
  const refusal = { kind: 'io', code: 'EFAILURE' };
  expect(await ended).toMatchObject({ stat: undefined, closed: true, refusal });
});

test('an aborted finish rejects at once, and the file is closed all the same', async () => {
  const { channel, peer } = await conversation();
  const stop = new AbortController();
  const ending = { data: Buffer.from('text'), attributes: {}, sync: false };
  const ended = channel.finish(h1, ending, stop.signal);
  await peer.hears(5);
  stop.abort(new Error('enough'));
  await expect(ended).rejects.toThrow('enough');
  expect(peer.heard.at(-1)?.[4]).toBe(4);
  peer.send(say.ok(1), say.ok(2), packet(105, 3, 0), say.ok(4));
  await expect(channel.setstat('/x', {}, AbortSignal.abort(new Error('no')))).rejects.toThrow('no');
  expect(channel.failure).toBeUndefined();
});

test('a small file is read, checked and closed in one round trip', async () => {
  const { channel, peer } = await conversation();
  const target = Buffer.alloc(5);
  const reading = channel.readWhole(h1, target, signal);
  await peer.hears(4);
  expect(peer.heard.slice(1).map((bytes) => bytes[4])).toEqual([5, 8, 4]);
  peer.send(say.data(1, 'text'), packet(105, 2, 1, 0, 4), say.status(3, 4, 'no'));
  expect(await reading).toMatchObject({ bytes: 4, stat: { size: 4 } });
  expect(target.toString()).toBe('text\0');
});
