/** A server that breaks the protocol: all waiting requests get a hostile-peer error, the stream ends, nothing is kept. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import type { SftpChannel } from '../../../../src/endpoints/sftp/client/channel.js';
import { exchanges } from '../../../kit/servers/packets.js';
import {
  conversation,
  everyCut,
  packet,
  quiet,
  say,
  silentPeer,
  string,
  u32,
  wire,
} from '../../../kit/servers/peer.js';

const h1 = Buffer.from('h1');
type Ask = (channel: SftpChannel) => Promise<unknown>;
const open: Ask = (channel) => channel.open('/a', 1, {});
const read: Ask = (channel) => channel.read(h1, 0, Buffer.alloc(8));
const lstat: Ask = (channel) => channel.lstat('/a');
const readdir: Ask = (channel) => channel.readdir(h1);
const realpath: Ask = (channel) => channel.realpath('.');
const remove: Ask = (channel) => channel.remove('/a');
const limits: Ask = (channel) => channel.limits();
const ffff = 0xffff_ffff;

const attacks: readonly (readonly [what: string, ask: Ask, answer: Buffer])[] = [
  ['an id that was not asked with', open, say.handle(9, 'h')],
  ['the id of a request of another type', open, say.handle(3, 'h')],
  ['id 0', remove, say.ok(0)],
  ['an answer twice', remove, Buffer.concat([say.ok(1), say.ok(1)])],
  ['HANDLE for LSTAT', lstat, say.handle(1, 'h')],
  ['DATA for OPEN', open, say.data(1, 'd')],
  ['ATTRS for READ', read, packet(105, 1, 0)],
  ['NAME for REMOVE', remove, say.names(1, 'a')],
  ['EXTENDED_REPLY for REMOVE', remove, packet(201, 1)],
  ['EXTENDED_REPLY for posix-rename', (c) => c.posixRename('/a', '/b'), packet(201, 1)],
  ['a request', remove, packet(13, 1, '/etc')],
  ['a type that does not exist', remove, packet(99, 1)],
  ['a bare OK for OPEN', open, say.ok(1)],
  ['a bare OK for READ', read, say.ok(1)],
  ['a bare OK for READDIR', readdir, say.ok(1)],
  ['a bare OK for LSTAT', lstat, say.ok(1)],
  ['a bare OK for REALPATH', realpath, say.ok(1)],
  ['a bare OK for limits', limits, say.ok(1)],
  ['VERSION again', remove, say.version()],
  ['VERSION 4 later', remove, packet(2, 4)],
  ['length 0', remove, wire('00000000')],
  ['length 4', remove, wire('00000004')],
  ['length 257 KiB and one', remove, u32(257 * 1024 + 1)],
  ['length 2^32 - 1', remove, u32(ffff)],
  ['STATUS without a code', remove, packet(101, 1)],
  ['STATUS with a message past its end', remove, packet(101, 1, 0, 5, Buffer.from('abcd'))],
  ['STATUS with a message of 2^32 - 1', remove, packet(101, 1, 4, ffff)],
  ['STATUS with bytes too many', remove, packet(101, 1, 0, '', '', Buffer.alloc(1))],
  ['an empty handle', open, say.handle(1, '')],
  ['a handle of 257 bytes', open, say.handle(1, Buffer.alloc(257))],
  ['a handle past its packet', open, packet(102, 1, 6, Buffer.from('short'))],
  ['a handle and more', open, packet(102, 1, 'h', Buffer.alloc(1))],
  ['an empty handle for OPENDIR', (c) => c.opendir('/a'), say.handle(1, '')],
  ['empty DATA', read, say.data(1, '')],
  ['more DATA than asked for', read, say.data(1, '9 bytes! ')],
  ['DATA shorter than it says', read, packet(103, 1, 8, Buffer.alloc(7))],
  ['DATA longer than it says', read, packet(103, 1, 7, Buffer.alloc(8))],
  ['DATA of 2^32 - 1', read, packet(103, 1, ffff)],
  ['DATA without a length', read, Buffer.concat([packet(103, 1), u32(0)])],
  ['ATTRS cut short', lstat, packet(105, 1, 1, 0)],
  ['ATTRS and more', lstat, packet(105, 1, 0, Buffer.alloc(1))],
  ['2^32 - 1 extended attributes', lstat, packet(105, 1, 0x8000_0000, ffff, '', '')],
  ['one extended attribute too many', lstat, packet(105, 1, 0x8000_0000, 2, 'a', 'b', 'c')],
  ['an extended attribute past its packet', lstat, packet(105, 1, 0x8000_0000, 1, 'a', ffff)],
  ['more names than counted', readdir, packet(104, 1, 1, 'a', '', 0, 'b', '', 0)],
  ['fewer names than counted', readdir, packet(104, 1, 2, 'a', '', 0)],
  ['2^32 - 1 names', readdir, packet(104, 1, ffff, 'a', '', 0)],
  ['a name past its packet', readdir, packet(104, 1, 1, ffff, Buffer.alloc(12))],
  ['no name for REALPATH', realpath, packet(104, 1, 0)],
  ['one name counted as two for REALPATH', realpath, packet(104, 1, 2, '/a', '', 0)],
  ['two names for REALPATH', realpath, say.names(1, '/a', '/b')],
  ['a path and more for REALPATH', realpath, packet(104, 1, 1, '/', '', 0, '')],
  ['two names for READLINK', (c) => c.readlink('/l'), say.names(1, '/a', '/b')],
  ['limits cut short', limits, packet(201, 1, 0, 1, 0, 1, 0, 1, 0)],
  ['limits and more', limits, packet(201, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0)],
  ['statvfs cut short', (c) => c.freeBytes('/'), packet(201, 1, ...Array<number>(21).fill(1))],
  ...['', '/', '/x', '../x', 'a/../../x', 'nul\0'].map(
    (name) => [`the name ${JSON.stringify(name)}`, readdir, say.names(1, 'a', name)] as const,
  ),
];

test.each(attacks)('%s', async (_what, ask, answer) => {
  for (const chunks of [[answer], ...everyCut(answer)]) {
    const { channel, peer, stream } = await conversation();
    // none of these packets answers the last request, so it gets the end of the channel
    const asked = [ask(channel), remove(channel), lstat(channel), channel.fsync(h1)];
    await peer.hears(1 + asked.length);
    peer.send(...chunks);
    expect(await channel.ended).toMatchObject({ kind: 'hostile-peer' });
    const outcomes = await Promise.allSettled(asked);
    expect(outcomes.at(-1)).toEqual({ status: 'rejected', reason: channel.failure });
    expect(stream.destroyed).toBe(true);
    expect(channel.inFlight).toBe(0);
    await expect(channel.lstat('/late')).rejects.toBe(channel.failure);
  }
});

test.each([
  ['another version', packet(2, 2)],
  ['a newer version', packet(2, 6)],
  ['half an extension', packet(2, 3, 'name')],
  ['an extension past its packet', packet(2, 3, ffff)],
  ['bytes that are no extension', packet(2, 3, Buffer.alloc(3))],
  ['STATUS before VERSION', say.ok(1)],
  ['DATA before VERSION', say.data(2, 'd')],
  ['HANDLE before VERSION', say.handle(3, 'h')],
])('%s at the start', async (_what, greeting) => {
  for (const chunks of [[greeting], ...everyCut(greeting)]) {
    const { channel, peer, stream } = silentPeer();
    const asked = [remove(channel), read(channel), open(channel)];
    await peer.hears(4);
    peer.send(...chunks);
    await expect(channel.ready).rejects.toMatchObject({ kind: 'hostile-peer' });
    for (const outcome of await Promise.allSettled(asked))
      expect(outcome).toEqual({ status: 'rejected', reason: channel.failure });
    expect(stream.destroyed).toBe(true);
  }
});

test.each([
  ['2^32 - 1 names', 'more names than the packet holds'],
  ['2^32 - 1 extended attributes', 'more extended attributes than the packet holds'],
  ['HANDLE for LSTAT', 'LSTAT answered with HANDLE'],
  ['more DATA than asked for', 'a READ of 8 bytes answered with 9'],
])('%s is called by its name: %s', async (attack, message) => {
  const [, ask, answer] = attacks.find(([what]) => what === attack) ?? [];
  const { channel, peer } = await conversation();
  const asked = ask?.(channel);
  peer.send(answer ?? Buffer.alloc(0));
  await expect(asked).rejects.toThrow(message);
});

test("a start-up file's greeting is named, with what to do about it", async () => {
  const { channel, peer } = silentPeer();
  peer.send(Buffer.from('Welcome to\n'));
  expect(await channel.ended).toMatchObject({
    kind: 'hostile-peer',
    message: expect.stringContaining('"Welc…"'),
    hint: expect.stringContaining('.bashrc'),
  });
});

test('what the protocol just allows is accepted', async () => {
  const { channel, peer } = await conversation();
  const asked = Promise.all([open(channel), read(channel), readdir(channel), remove(channel)]);
  peer.send(
    say.handle(1, Buffer.alloc(256, 'h')),
    say.data(2, '8 bytes!'),
    packet(104, 3, 0),
    packet(101, 4, 0, 'x'.repeat(257 * 1024 - 5 - 12), ''),
  );
  expect(await asked).toEqual([Buffer.alloc(256, 'h'), 8, [], undefined]);
});

test('an error message cuts an absurdly long name', async () => {
  const { channel, peer } = await conversation();
  readdir(channel).catch(() => {});
  peer.send(say.names(1, `${'\u202e'.repeat(40_000)}/`));
  expect((await channel.ended).message.length).toBeLessThan(2_000);
});

test('at most 64 extensions are kept', async () => {
  const { channel, peer } = silentPeer();
  peer.send(say.version(...Array.from({ length: 20_000 }, (_, i) => `${i}`)));
  await channel.ready;
  expect(channel.extensions.size).toBe(64);
});

test('after a violation nothing is answered, sent or kept', async () => {
  const { channel, peer, stream } = await conversation();
  const asked = channel.open('/a', 1, {});
  const other = channel.remove('/b');
  await peer.hears(3);
  const chunk = Buffer.concat([wire('00000000'), say.handle(1, 'h'), say.ok(2)]);
  stream.emit('data', chunk);
  stream.emit('data', Buffer.concat([say.handle(1, 'h'), say.ok(2)]));
  await expect(asked).rejects.toMatchObject({ kind: 'hostile-peer' });
  await expect(other).rejects.toMatchObject({ kind: 'hostile-peer' });
  await quiet();
  expect(peer.heard).toHaveLength(3);
});

test('a stream of large answers leaves nothing behind', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const { channel, stream } = await conversation();
  const held = async () => {
    for (let i = 0; i < 3; i++) {
      collect();
      await quiet(); // buffers are freed in the background
    }
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const line = string('x'.repeat(250 * 1024));
  let before = 0;
  for (let id = 1; id <= 200; id++) {
    const asked = channel.readdir(h1);
    const answer = packet(104, id, 1, 'name', line, 0);
    for (let at = 0; at < answer.length; at += 65_536)
      stream.emit('data', answer.subarray(at, at + 65_536));
    await asked;
    if (id === 10) before = await held();
  }
  expect((await held()) - before).toBeLessThan(10 * 1024 * 1024); // 47 MiB were sent
});

test.each(exchanges)('$name, with a byte too few or too many', async ({ name, ask, answer }) => {
  for (const change of [-1, 1]) {
    const wrong = Buffer.alloc(answer.length + change);
    answer.copy(wrong);
    wrong.writeUInt32BE(wrong.length - 4);
    const { channel, peer } = await conversation();
    const asked = ask(channel);
    peer.send(wrong);
    await expect(asked, `${name} ${change}`).rejects.toMatchObject({ kind: 'hostile-peer' });
  }
});
