/** The hostile server and the proxy do what they say, seen through our own client. */

import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { Remote } from '../../src/core/remote.js';
import type { Endpoint } from '../../src/endpoints/endpoint.js';
import { escapes } from './files/hostile-names.js';
import {
  brokenReplies,
  emptyData,
  inEvery,
  isRename,
  listing,
  listingFails,
  longListing,
  refusesAttributes,
  shortEof,
  storesOtherBytes,
  terrapinProne,
  tooMuchData,
  weakAlgorithms,
} from './servers/hostile-replies.js';
import {
  type HostileServer,
  type HostileServerOptions,
  startHostileServer,
} from './servers/hostile-server.js';
import { startInProcess } from './servers/in-process.js';
import { hidesSizes } from './servers/odd-attributes.js';
import { type LineRules, startProxy } from './servers/proxy.js';
import { connect } from './servers/remote.js';

const { signal } = new AbortController();
const undo: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function open(
  server: Parameters<typeof connect>[0],
  changes: Partial<Remote> = {},
): Promise<Endpoint> {
  const { endpoint, close } = await connect(server, changes);
  undo.push(close);
  return endpoint;
}

async function hostile(
  options: HostileServerOptions = {},
): Promise<{ server: HostileServer; endpoint: Endpoint }> {
  const server = await startHostileServer(options);
  undo.push(() => server.stop());
  return { server, endpoint: await open(server, { replyTimeout: 500, stallTimeout: 1_000 }) };
}

async function readAll(endpoint: Endpoint, path: string, size: number): Promise<Buffer> {
  const handle = await endpoint.open(path, 'read', 0, signal);
  try {
    const buffer = Buffer.alloc(size);
    return buffer.subarray(0, await handle.read(buffer, 0, signal));
  } finally {
    await handle.close().catch(() => {});
  }
}

describe('the hostile server', () => {
  test('sees every request with its paths, and behaves by default', async () => {
    const { server, endpoint } = await hostile();
    writeFileSync(join(server.folder, 'größe'), 'text');
    expect((await readAll(endpoint, 'größe', 10)).toString()).toBe('text');
    const read = server.requests.find(({ type }) => type === 'READ');
    expect(read).toMatchObject({ at: '/größe', nth: 0, connection: 0 });
  });

  test.each(['OPEN', 'READ', 'READDIR', 'LSTAT'] as const)('is silent in %s', async (type) => {
    const { server, endpoint } = await hostile();
    writeFileSync(join(server.folder, 'file'), 'text');
    server.behave = inEvery(type, 'silent');
    const call =
      type === 'READDIR'
        ? endpoint.list('', signal)
        : type === 'LSTAT'
          ? endpoint.stat('file', signal)
          : readAll(endpoint, 'file', 10);
    await expect(call).rejects.toMatchObject({ kind: 'network' });
  });

  test('cuts before a rename, or after it', async () => {
    const { server, endpoint } = await hostile();
    writeFileSync(join(server.folder, 'a'), 'text');
    let cuts = 0;
    server.behave = (asked) => (isRename(asked) && cuts++ === 0 ? 'cut' : 'normal');
    await endpoint.rename('a', 'b', true, signal);
    expect(existsSync(join(server.folder, 'b'))).toBe(true);
    expect(server.connections()).toBe(2);

    cuts = 0;
    server.behave = (asked) => (isRename(asked) && cuts++ === 0 ? 'cut-after-doing' : 'normal');
    await endpoint.rename('b', 'c', true, signal);
    expect(existsSync(join(server.folder, 'c'))).toBe(true);
    expect(server.requests.filter(isRename)).toHaveLength(3);
  });

  test('stores other bytes, of the same length', async () => {
    const { server, endpoint } = await hostile({ behave: storesOtherBytes });
    const handle = await endpoint.open('file', 'create', 0o644, signal);
    await handle.write(Buffer.from('text'), 0, signal);
    await handle.close();
    expect(readFileSync(join(server.folder, 'file'), 'utf8')).toBe('TEXT');
  });

  test('refuses attributes, hides sizes', async () => {
    const { server, endpoint } = await hostile();
    writeFileSync(join(server.folder, 'file'), 'text');
    server.behave = refusesAttributes;
    await expect(endpoint.setStat('file', { mtime: 1 }, signal)).rejects.toMatchObject({
      code: 'ENOTSUP',
    });
    server.behave = hidesSizes;
    expect(await endpoint.stat('file', signal)).toMatchObject({ kind: 'file', size: undefined });
    expect((await endpoint.list('', signal))[0]?.size).toBeUndefined();
  });

  test('ends files early, sends empty DATA, or more than was asked for', async () => {
    const { server, endpoint } = await hostile();
    writeFileSync(join(server.folder, 'file'), Buffer.alloc(500_000, 1));
    server.behave = shortEof(40_000);
    expect((await readAll(endpoint, 'file', 500_000)).length).toBeLessThan(500_000);
    server.behave = emptyData;
    await readAll(endpoint, 'file', 1000).then(
      (bytes) => expect(bytes.length).toBe(0),
      (error) => expect(error).toMatchObject({ kind: 'hostile-peer' }),
    );
    server.behave = tooMuchData;
    await expect(readAll(endpoint, 'file', 1000)).rejects.toMatchObject({ kind: 'hostile-peer' });
  });

  test.each(Object.entries(brokenReplies))('sends %s', async (_name, broken) => {
    for (const type of ['READ', 'LSTAT', 'READDIR', 'OPEN'] as const) {
      const { server, endpoint } = await hostile();
      writeFileSync(join(server.folder, 'file'), 'text');
      server.behave = inEvery(type, broken);
      const call =
        type === 'READDIR'
          ? endpoint.list('', signal)
          : type === 'LSTAT'
            ? endpoint.stat('file', signal)
            : readAll(endpoint, 'file', 10);
      const error = await call.then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error, type).toMatchObject({
        kind: expect.stringMatching(/^(?:hostile-peer|network|io)$/),
      });
    }
  });

  test('lists names that would lead out of the folder', async () => {
    const { server, endpoint } = await hostile();
    for (const name of escapes) {
      server.behave = listing([name]);
      await expect(endpoint.list('', signal), JSON.stringify(name)).rejects.toMatchObject({
        kind: 'hostile-peer',
      });
    }
  });

  test('lists long, and fails midway', async () => {
    const { server, endpoint } = await hostile();
    server.behave = longListing('/', 12_345);
    expect(await endpoint.list('', signal)).toHaveLength(12_345);
    mkdirSync(join(server.folder, 'd'));
    for (let i = 0; i < 300; i++) writeFileSync(join(server.folder, 'd', `${i}`), '');
    server.behave = listingFails('/d');
    await expect(endpoint.list('d', signal)).rejects.toMatchObject({ kind: 'io' });
  });

  test.each([
    ['weak algorithms', weakAlgorithms],
    ['a cipher for Terrapin, and no strict key exchange', terrapinProne],
  ])('offers only %s', async (_name, algorithms) => {
    const server = await startInProcess({ algorithms });
    undo.push(() => server.stop());
    await expect(open(server)).rejects.toMatchObject({
      kind: expect.stringMatching(/^(?:auth|host-key)$/),
    });
    expect(server.logins()).toBe(0);
  });

  test('refuses a login beyond the second', async () => {
    const server = await startInProcess({ admit: (inside) => inside < 2 });
    undo.push(() => server.stop());
    await open(server);
    await open(server);
    await expect(open(server)).rejects.toMatchObject({ kind: 'auth' });
    expect([server.logins(), server.refusedLogins() > 0]).toEqual([2, true]);
  });
});

describe('the proxy', () => {
  const through = async (rules: LineRules | ((index: number) => LineRules)) => {
    const server = await startInProcess();
    undo.push(() => server.stop());
    mkdirSync(server.folder, { recursive: true });
    const proxy = await startProxy(server.port, rules);
    undo.push(() => proxy.stop());
    const changes = { replyTimeout: 2_000 };
    return {
      server,
      proxy,
      line: () => open({ ...server, port: proxy.port }, changes),
    };
  };

  test('passes bytes on, counted', async () => {
    const { proxy, line } = await through({});
    const endpoint = await line();
    expect(await endpoint.list('', signal)).toEqual([]);
    expect(proxy.connections()).toBe(1);
    expect(proxy.open()).toBe(1);
    expect(proxy.bytes().up).toBeGreaterThan(1000);
    expect(proxy.bytes().down).toBeGreaterThan(1000);
  });

  test('cuts after the given number of bytes', async () => {
    const { proxy, line } = await through({ cutDown: 100 });
    await expect(line()).rejects.toMatchObject({ kind: 'network' });
    expect(proxy.bytes().down).toBeLessThanOrEqual(100 * proxy.connections());
  });

  test('slices into one-byte segments', async () => {
    const { server, line } = await through({ slice: 0 });
    writeFileSync(join(server.folder, 'file'), 'text');
    const endpoint = await line();
    expect((await readAll(endpoint, 'file', 10)).toString()).toBe('text');
  });

  test.each([{}, { slice: 0 }, { delay: 10 }])(
    '%j: an end one way leaves the other open',
    async (rules) => {
      const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
      await once(echo.listen(0, '127.0.0.1'), 'listening');
      const proxy = await startProxy((echo.address() as AddressInfo).port, rules);
      undo.push(() => proxy.stop());
      const client = connectTcp({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
      const chunks: Buffer[] = [];
      client.on('data', (chunk) => chunks.push(chunk));
      client.end('x'.repeat(5_000));
      await once(client, 'end');
      echo.close();
      expect(Buffer.concat(chunks).toString()).toBe('x'.repeat(5_000));
    },
  );

  test('delays by half a round trip each way', async () => {
    const { line } = await through({ delay: 40 });
    const endpoint = await line();
    expect(endpoint.can.roundTrip).toBeGreaterThan(30);
  });

  test('flips a bit, which the connection does not survive', async () => {
    const { server, proxy, line } = await through((index) =>
      index === 0 ? { flipDown: 4_000 } : {},
    );
    writeFileSync(join(server.folder, 'file'), Buffer.alloc(100_000, 7));
    const endpoint = await line();
    const handle = await endpoint.open('file', 'read', 0, signal).catch(() => undefined);
    await expect(
      (async () => handle?.read(Buffer.alloc(100_000), 0, signal))().then((n) => {
        if (n !== 100_000) throw new Error('cut');
      }),
    ).rejects.toThrow();
    expect(proxy.connections()).toBeGreaterThanOrEqual(1);
  });

  test('goes silent and comes back', async () => {
    const { proxy, line } = await through({});
    const endpoint = await line();
    proxy.pause();
    const call = endpoint.list('', signal);
    proxy.resume();
    expect(await call).toEqual([]);
  });
});
