/**
 * What is read from a socket is overwritten at once: every byte that arrives lies in one buffer, which
 * has noise after each read, and the reads end anywhere. Whatever kept a slice of it would show.
 */
import { randomFillSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Sshd, startSshd } from '../../kit/servers/sshd.js';

const require = createRequire(import.meta.url);
const { signal } = new AbortController();
const content = randomFillSync(Buffer.alloc(1_200_000));
const names = Array.from({ length: 700 }, (_, i) => `a file of this folder, the ${i}th`);

const ciphers = [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'chacha20-poly1305@openssh.com',
  'aes128-ctr',
  'aes192-ctr',
  'aes256-ctr',
  'aes128-cbc',
  'aes256-cbc',
];
const macs: readonly string[] = ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512'];
const pairs = ciphers.flatMap((cipher) =>
  /gcm|poly1305/.test(cipher)
    ? [{ cipher, hmac: macs[0] }]
    : macs.map((hmac) => ({ cipher, hmac })),
);

let server: Sshd;
beforeAll(async () => {
  server = await startSshd({
    config: [`Ciphers ${ciphers.join(',')}`, 'RekeyLimit 300K', 'LogLevel DEBUG1'],
  });
  await writeFile(join(server.root, 'content'), content);
  for (const name of names) await writeFile(join(server.root, name), '');
});
afterAll(() => server?.stop());

/** Reads that were overwritten. */
let scrambled = 0;
const realConnect = net.connect;
beforeAll(() => {
  net.connect = ((options: net.TcpNetConnectOpts) => {
    const { onread } = options;
    if (onread === undefined) throw new Error('the socket does not read into one buffer');
    const { buffer, callback } = onread;
    return realConnect({ ...options, onread: { buffer, callback: inPieces(callback) } });
  }) as typeof net.connect;
  syncBuiltinESMExports();
});
afterAll(() => {
  net.connect = realConnect;
  syncBuiltinESMExports();
});

/** Passes what was read on in pieces of any size, each at the buffer's begin, and overwrites each afterwards. */
function inPieces(callback: net.OnReadOpts['callback']): net.OnReadOpts['callback'] {
  return (bytes, buffer) => {
    const all = Buffer.from(buffer.subarray(0, bytes));
    let goesOn = true;
    for (let at = 0; at < bytes; ) {
      // a read often ends with a packet, whose last bytes are its tag
      const untilTag = bytes - at - Math.ceil(24 * Math.random());
      const most = [3, 40, 3000, 40_000, 300_000][Math.floor(Math.random() * 5)] as number;
      const any = 1 + Math.floor(Math.random() * most);
      const piece = all.subarray(at, at + (Math.random() < 0.3 ? Math.max(1, untilTag) : any));
      buffer.set(piece);
      goesOn = callback(piece.length, buffer) && goesOn;
      randomFillSync(buffer, 0, Math.min(buffer.length, piece.length + 100));
      scrambled++;
      at += piece.length;
    }
    return goesOn;
  };
}

describe.each(['native code', 'JavaScript'])('ciphers in %s', (code) => {
  const { dlopen } = process;
  let connect: typeof import('../../kit/servers/remote.js').connect;
  beforeAll(async () => {
    if (code === 'JavaScript')
      process.dlopen = () => {
        throw new Error('no native code here');
      };
    for (const file of Object.keys(require.cache))
      if (/\/ssh2(-sftp-client)?\//.test(file)) delete require.cache[file];
    const { bindingAvailable } = require('ssh2/lib/protocol/crypto.js');
    expect(bindingAvailable).toBe(code === 'native code');
    vi.resetModules();
    ({ connect } = await import('../../kit/servers/remote.js'));
  });
  afterAll(() => {
    process.dlopen = dlopen;
  });
  beforeEach(() => {
    scrambled = 0;
  });

  test.each(pairs)('$cipher $hmac', async ({ cipher, hmac = '' }) => {
    const algorithms = { cipher: [cipher], hmac: [hmac] };
    const keysBefore = rekeys();
    const { endpoint, close } = await connect(server, { algorithms });
    try {
      const file = await endpoint.open('content', 'read', 0, signal);
      const got = Buffer.alloc(content.length);
      const parts = Array.from({ length: 24 }, (_, i) =>
        got.subarray((i * content.length) / 24, ((i + 1) * content.length) / 24),
      );
      const [listed] = await Promise.all([
        endpoint.list('', signal),
        ...parts.map((part, i) => file.read(part, (i * content.length) / 24, signal)),
      ]);
      expect(got.equals(content)).toBe(true);
      expect(listed.map(({ name }) => name).sort()).toEqual(['content', ...names].sort());
      await file.close();
    } finally {
      await close();
    }
    expect(rekeys() - keysBefore).toBeGreaterThan(2);
    expect(scrambled).toBeGreaterThan(50);
  });
});

function rekeys(): number {
  return server.log().split('rekey').length - 1;
}
