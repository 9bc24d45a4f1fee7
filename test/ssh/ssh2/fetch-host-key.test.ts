import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { FerryError } from '../../../src/core/errors.js';
import { fingerprint, keyType } from '../../../src/ssh/host-keys/host-keys.js';
import { fetchHostKey, type HostKeyRequest } from '../../../src/ssh/ssh2/fetch-host-key.js';
import { freePort } from '../../kit/servers/free-port.js';
import { type Sshd, startSshd } from '../../kit/servers/sshd.js';

const open: { stop: () => Promise<unknown> }[] = [];

afterEach(async () => {
  for (const server of open.splice(0)) await server.stop();
});

async function sshd(options: Parameters<typeof startSshd>[0] = {}): Promise<Sshd> {
  const server = await startSshd(options);
  open.push(server);
  return server;
}

/** A TCP server that answers with what is given, and counts. */
async function tcp(greeting: string | undefined): Promise<{ port: number; server: Server }> {
  const server = createServer((socket) => {
    socket.on('error', () => {}).resume();
    if (greeting !== undefined) socket.end(greeting);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => sockets.add(socket));
  open.push({
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { port: address.port, server };
}

function request(port: number, more: Partial<HostKeyRequest> = {}): HostKeyRequest {
  return {
    host: '127.0.0.1',
    port,
    deadline: 20_000,
    signal: new AbortController().signal,
    remote: 'archive',
    ...more,
  };
}

async function failure(given: HostKeyRequest): Promise<FerryError> {
  const error = await fetchHostKey(given).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof FerryError) return error;
  throw new Error('no FerryError', { cause: error });
}

test('all keys of a server, and not one login', async () => {
  const server = await sshd({ hostKeys: ['rsa', 'ecdsa', 'ed25519'] });
  const keys = await fetchHostKey(request(server.port));
  expect(keys.map(keyType)).toEqual(['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ssh-rsa']);
  expect(fingerprint(keys[2] ?? Buffer.alloc(0))).toBe(server.hostKeyFingerprint);
  await server.stop();
  // with LogLevel VERBOSE sshd logs every user name and every method that is tried
  expect(server.log()).toContain('Connection from');
  expect(server.log()).not.toMatch(/user nobody|Failed|Accepted|userauth/i);
});

test('types the server lacks are passed over', async () => {
  const server = await sshd({ hostKeys: ['rsa'] });
  const keys = await fetchHostKey(request(server.port));
  expect(keys.map(fingerprint)).toEqual([server.hostKeyFingerprint]);
});

test('the stream may come from elsewhere, once for each type', async () => {
  const server = await sshd();
  let opened = 0;
  const keys = await fetchHostKey(
    request(1, {
      host: 'behind.example',
      open: async () => {
        opened++;
        const socket = connect(server.port, '127.0.0.1');
        await once(socket, 'connect');
        return socket;
      },
    }),
  );
  expect(keys.map(fingerprint)).toEqual([server.hostKeyFingerprint]);
  expect(opened).toBe(3);
});

test('nothing in common: host-key, with the reason', async () => {
  const server = await sshd();
  const error = await failure(
    request(server.port, { algorithms: { serverHostKey: ['rsa-sha2-256'] } }),
  );
  expect(error.kind).toBe('host-key');
  expect(error.message).toContain('archive: 127.0.0.1 port');
  expect(error.message).toContain('no host key of the types we accept: rsa-sha2-256');
  const cipher = await failure(request(server.port, { algorithms: { cipher: ['3des-cbc'] } }));
  expect(cipher.kind).toBe('host-key');
  expect(cipher.message).toContain('cipher');
  expect(cipher.hint).toContain('algorithms');
});

test('an algorithm that does not exist: config', async () => {
  const server = await sshd();
  const error = await failure(request(server.port, { algorithms: { kex: ['no-such'] } }));
  expect(error.kind).toBe('config');
  expect(error.message).toContain('no-such');
});

test('nobody listens: network', async () => {
  const error = await failure(request(await freePort()));
  expect(error).toMatchObject({ kind: 'network', code: 'ECONNREFUSED' });
  expect(error.message).toContain('connection refused');
});

test('no such name: network', async () => {
  const error = await failure(request(22, { host: 'no-such-host.invalid' }));
  expect(error.kind).toBe('network');
  expect(error.message).toContain('no-such-host.invalid');
});

test('a silent server: network by the deadline', async () => {
  const { port } = await tcp(undefined);
  const error = await failure(request(port, { deadline: 50 }));
  expect(error).toMatchObject({ kind: 'network', code: 'ETIMEDOUT' });
  expect(error.message).toContain('within 50 ms');
});

test.each([
  ['something else', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
  ['nothing at all', ''],
  ['half a handshake', 'SSH-2.0-x\r\n'],
  ['a giant packet', `SSH-2.0-x\r\n\xff\xff\xff\xff${'x'.repeat(100)}`],
])('a server that says %s: network', async (_, greeting) => {
  const { port } = await tcp(greeting);
  const error = await failure(request(port));
  expect(error.kind).toBe('network');
  expect(error.message).toContain(`port ${port}`);
});

test('the signal ends it with its reason', async () => {
  const { port, server } = await tcp(undefined);
  const controller = new AbortController();
  const reason = new Error('enough');
  const fetched = fetchHostKey(request(port, { signal: controller.signal }));
  const [socket] = (await once(server, 'connection')) as [{ once: Server['once'] }];
  const closed = once(socket as Server, 'close');
  controller.abort(reason);
  await expect(fetched).rejects.toBe(reason);
  await closed;
  await expect(fetchHostKey(request(port, { signal: controller.signal }))).rejects.toBe(reason);
});
