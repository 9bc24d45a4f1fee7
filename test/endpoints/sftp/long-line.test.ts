/** How a session keeps a long line full and needs few round trips. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, onTestFinished, vi } from 'vitest';
import type { Remote } from '../../../src/core/remote.js';
import type { Endpoint } from '../../../src/endpoints/endpoint.js';
import { openSide } from '../../../src/endpoints/open.js';
import { SessionPool } from '../../../src/endpoints/sftp/pool.js';
import type { Side } from '../../../src/endpoints/side.js';
import { test } from '../../kit/base.js';
import { randomBytes } from '../../kit/files/tree.js';
import { startHostileServer } from '../../kit/servers/hostile-server.js';
import { type Proxy as Line, startProxy } from '../../kit/servers/proxy.js';
import { remoteFor } from '../../kit/servers/remote.js';
import { startSshd } from '../../kit/servers/sshd.js';

/** Milliseconds; long enough for all channels that a session ever takes, however busy the machine. */
const roundTrip = 70;
const channels = 8;
const chunk = 255 * 1024;
const { signal } = new AbortController();

let line: Line;
let pool: SessionPool;
let remote: Remote;
let side: Side;
let files: Endpoint;
const transcript: string[] = [];
const said = (pattern: RegExp) => transcript.filter((text) => pattern.test(text));

test.beforeAll(async ({ sshd }) => {
  line = await startProxy(sshd.port, { delay: roundTrip });
  pool = new SessionPool({ transcript: (_remote, _kind, text) => transcript.push(text) });
  remote = remoteFor({ ...sshd, port: line.port }, { root: sshd.root });
  side = await openSide(
    { remote, path: 'new/Folder', label: 'archive:' },
    'to',
    pool,
    signal,
    true,
  );
  files = side.endpoint;
});
afterAll(async () => {
  await pool.close();
  await line.stop();
});

test('a key signs at once, without asking first whether the server accepts it', ({ sshd }) => {
  expect(sshd.logins()).toBe(1);
  expect(sshd.log()).not.toMatch(/Postponed publickey/);
});

test('what needs no answer is sent at once, with everything about the root and the limits', () => {
  const commands = transcript
    .map((text) => text.replace(/^\d+ /, '').split(' ')[0] ?? '')
    .filter((word) => /^(INIT|VERSION|REALPATH|limits.*|L?STAT|OPENDIR)$/.test(word));
  expect(commands.slice(0, 8)).toEqual([
    ...['INIT', 'REALPATH', 'limits@openssh.com', 'STAT', 'STAT', 'LSTAT', 'REALPATH', 'OPENDIR'],
  ]);
  expect(commands[8]).toBe('VERSION');
});

const listings = () => said(/^\d+ OPENDIR/).length;

test('a root that is missing is known to be, and listed no more than ahead', () => {
  expect(side.isMissing).toBe(true);
  expect(listings()).toBe(1);
});

test('missing folders of the root are created, one or several', async () => {
  expect(await files.stat('', signal)).toBeUndefined();
  await side.makeRoot(signal);
  await side.makeRoot(signal);
  expect(await files.stat('', signal)).toMatchObject({ kind: 'folder' });
});

test('a large file is written over all channels and read over one', async ({ sshd }) => {
  await vi.waitFor(() => expect(said(/^VERSION/).length).toBe(channels), { timeout: 5000 });
  const content = randomBytes(100 * chunk + 17, 7);
  const parts = Array.from({ length: 101 }, (_, i) => i * chunk);
  const output = await files.open('big', 'create', 0o600, signal);
  await Promise.all(parts.map((at) => output.write(content.subarray(at, at + chunk), at, signal)));
  expect(await output.stat(signal)).toMatchObject({ kind: 'file', size: content.length });
  await output.close();
  expect(said(/OPEN .*big \(create\)/).length).toBe(1);
  expect(said(/OPEN .*big \(write\)/).length).toBe(channels - 1);
  expect(content.equals(await readFile(join(sshd.root, 'new/Folder/big')))).toBe(true);

  const input = await files.open('big', 'read', 0, signal);
  const got = Buffer.alloc(content.length);
  await Promise.all(parts.map((at) => input.read(got.subarray(at, at + chunk), at, signal)));
  await input.close();
  expect(said(/OPEN .*big \(read\)/).length).toBe(1);
  expect(got.equals(content)).toBe(true);
  // every handle was closed once
  expect(said(/^\d+ CLOSE/).length).toBe(channels + 1);
});

test('a file written before the further channels are open gives the first channel no more than fills it', async ({
  sshd,
}) => {
  const again = remoteFor({ ...sshd, port: line.port }, { root: sshd.root, name: 'again' });
  const place = { remote: again, path: '', label: 'again:' };
  const early = (await openSide(place, 'to', pool, signal, true)).endpoint;
  const content = randomBytes(100 * chunk, 8);
  const parts = Array.from({ length: 100 }, (_, i) => i * chunk);
  const output = await early.open('early', 'create', 0o600, signal);
  await Promise.all(parts.map((at) => output.write(content.subarray(at, at + chunk), at, signal)));
  await output.close();
  const commands = transcript.slice(transcript.findIndex((text) => /early \(create\)/.test(text)));
  const reopened = commands.findIndex((text) => /OPEN .*early \(write\)/.test(text));
  expect(reopened).toBeGreaterThan(0);
  let onItsWay = 0;
  let most = 0;
  for (const text of commands.slice(0, reopened)) {
    if (/^\d+ WRITE/.test(text)) onItsWay++;
    else if (/^\d+ OK/.test(text)) onItsWay--;
    most = Math.max(most, onItsWay);
  }
  expect(most * chunk).toBeLessThan(2.5 * 1024 * 1024);
  expect(content.equals(await readFile(join(sshd.root, 'early')))).toBe(true);
});

test('a root that exists is listed ahead once, later listings are new', async () => {
  const before = listings();
  const place = { remote, path: 'new/Folder', label: 'archive:' };
  const found = await openSide(place, 'to', pool, signal, true);
  expect(found.isMissing).toBe(false);
  await found.endpoint.list('', signal);
  expect(listings()).toBe(before + 1);
  await found.endpoint.list('', signal);
  expect(listings()).toBe(before + 2);
});

/** The first requests on each channel of a remote, and where VERSION came between them. */
const firstRequests = (log: readonly string[]) =>
  log
    .join('\n')
    .split('INIT version 3')
    .slice(1)
    .map((text) =>
      text
        .match(/VERSION|REALPATH|limits|LSTAT|STAT|OPENDIR/g)
        ?.slice(0, 3)
        .join(' '),
    );

test('a run that is cancelled as soon as it has logged in leaves the others all channels', async () => {
  const log: string[] = [];
  const own = new SessionPool({ transcript: (_remote, _kind, text) => log.push(text) });
  onTestFinished(() => own.close());
  const first = new AbortController();
  await own.session(remote, first.signal);
  first.abort();
  const versions = () => log.filter((text) => text.startsWith('VERSION')).length;
  await vi.waitFor(() => expect(versions()).toBe(channels), { timeout: 10_000 });
  expect(own.logins([remote])).toBe(1);
});

test('a server that loses the connection over requests beside INIT gets them after VERSION', async () => {
  const hostile = await startHostileServer({ ident: 'OpenSSH_9.9', extensions: {} });
  const log: string[] = [];
  const own = new SessionPool({ transcript: (_remote, _kind, text) => log.push(text) });
  onTestFinished(async () => {
    await own.close();
    await hostile.stop();
  });
  hostile.behave = ({ type, connection }) =>
    type === 'STAT' && connection === 0 ? 'cut' : 'normal';
  const there = remoteFor(hostile, { root: '/', name: 'odd' });
  const found = await openSide({ remote: there, path: '', label: 'odd:' }, 'to', own, signal, true);
  expect(await found.endpoint.list('', signal)).toEqual([]);
  expect(firstRequests(log).slice(0, 2)).toEqual([
    'REALPATH limits STAT',
    'REALPATH VERSION REALPATH',
  ]);
});

test('a server without limits is asked for them beside INIT, and taken as one that has none', async () => {
  const old = await startSshd({ sftpServer: ['-P', 'limits'] });
  const own = new SessionPool();
  onTestFinished(async () => {
    await own.close();
    await old.stop();
  });
  const there = remoteFor(old, { root: old.root, name: 'old' });
  const place = { remote: there, path: 'new', label: 'old:' };
  const { endpoint } = await openSide(place, 'to', own, signal, true);
  expect(endpoint.can.maxWrite).toBe(32_768);
  expect(files.can.maxWrite).toBe(chunk);
});
