/** The buffers of packets are used again, and never before the network has taken them: a server that reads slowly leaves many of them waiting. */
import { randomFillSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { connect } from '../../kit/servers/remote.js';
import { type Sshd, startSshd } from '../../kit/servers/sshd.js';

const { signal } = new AbortController();
const content = randomFillSync(Buffer.alloc(24 * 255 * 1024));

let server: Sshd;
beforeAll(async () => {
  server = await startSshd({ config: ['RekeyLimit 4M'] });
});
afterAll(() => server?.stop());
afterEach(() => vi.restoreAllMocks());

const ciphers = [
  { cipher: 'aes128-gcm@openssh.com', hmac: 'hmac-sha2-256' },
  { cipher: 'chacha20-poly1305@openssh.com', hmac: 'hmac-sha2-256' },
  { cipher: 'aes128-ctr', hmac: 'hmac-sha2-256-etm@openssh.com' },
  { cipher: 'aes256-ctr', hmac: 'hmac-sha2-512' },
];

test.each(ciphers)('$cipher $hmac', async ({ cipher, hmac }) => {
  const line = await slowLine(server.port);
  const algorithms = { cipher: [cipher], hmac: [hmac] };
  const { endpoint, close } = await connect({ ...server, port: line.port }, { algorithms });
  const made = vi.spyOn(Buffer, 'allocUnsafe');
  try {
    const file = await endpoint.open(cipher, 'create', 0o600, signal);
    for (let quarter = 0; quarter < 4; quarter++) {
      const parts = Array.from({ length: 6 }, async (_, i) => {
        const at = (6 * quarter + i) * 255 * 1024;
        await file.write(content.subarray(at, at + 255 * 1024), at, signal);
      });
      await Promise.all(parts);
    }
    await file.close();
  } finally {
    await close();
    line.close();
  }
  expect((await readFile(join(server.root, cipher))).equals(content)).toBe(true);
  // of 192 packets, 48 wait at a time; a key exchange makes all of them anew
  const packets = made.mock.calls.filter(([bytes]) => bytes > 30_000);
  expect(packets.length).toBeGreaterThan(10);
  expect(packets.length).toBeLessThan(150);
});

/** Takes what comes from the client in small pieces with pauses, so that its writes wait. */
async function slowLine(port: number) {
  const sockets: net.Socket[] = [];
  const line = net.createServer((near) => {
    const far = net.connect(port, '127.0.0.1');
    sockets.push(near, far);
    for (const socket of [near, far]) socket.on('error', () => {});
    far.pipe(near);
    void (async () => {
      for await (const chunk of near) {
        far.write(chunk);
        await sleep(1);
      }
      far.end();
    })().catch(() => {});
  });
  await new Promise<void>((resolve) => line.listen(0, '127.0.0.1', resolve));
  const close = () => {
    for (const socket of sockets) socket.destroy();
    line.close();
  };
  return { port: (line.address() as net.AddressInfo).port, close };
}
