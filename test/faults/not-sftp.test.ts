/** Row 65 of docs/faults.md: what answers is no SFTP server, on both transports, through the built program. */
import { chmodSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished } from 'vitest';
import { test } from '../kit/base.js';
import { temporaryFolder } from '../kit/files/temporary.js';
import { openScene, type Server } from '../kit/scene.js';
import { startSshd } from '../kit/servers/sshd.js';

/** Runs the job against a server on these transports: 4, and this in the message and the hint. */
async function fails(
  server: Server,
  message: RegExp,
  hint: RegExp,
  transports: readonly string[] = ['ssh2', 'openssh'],
) {
  const scene = await openScene(server);
  scene.writeHere({ a: 'a' });
  for (const transport of transports) {
    await scene.jobs({}, { transport, replyTimeout: '3s' });
    const { code, report } = await scene.run();
    expect([transport, code]).toEqual([transport, 4]);
    expect(report.error).toMatchObject({
      kind: 'network',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
  }
}

describe('row 65: no SFTP behind the login', () => {
  test.each([
    [
      'a start-up file prints',
      'echo "Welcome to box!"; exec /usr/lib/openssh/sftp-server',
      /text comes where SFTP begins: it printed "Welcome to box!\\n"|"Welcome to box!"/,
      /\.bashrc/,
    ],
    [
      'nologin',
      'echo "This account is currently not available."; exit 1',
      /exit 1: it printed "This account is currently not available\."/,
      /nologin/,
      ['ssh2'],
    ],
    ['no sftp-server', 'exit 127', /ended at once with exit 127/, /Subsystem sftp/, ['ssh2']],
  ] as const)('%s', async (_, script, message, hint, transports?: readonly string[]) => {
    const file = join(await temporaryFolder(), 'subsystem');
    writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    chmodSync(dirname(file), 0o755);
    const server = await startSshd({ subsystem: file });
    onTestFinished(() => server.stop());
    await fails(server, message, hint, transports);
  });
});

test.for([
  ['HTTP', 'HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n', /begins with "HTTP\/1\.1 400 Bad Req/],
  ['SMTP', '220 box.example ESMTP Postfix\r\n', /begins with "220 box\.example ESMTP/],
  ['TLS', '\x15\x03\x01\x00\x02\x02\x16', /does not speak SSH/],
] as const)('row 65: a port that speaks %s', async ([, text, message], { sshd }) => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.write(text, 'latin1');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  const { host, username, keyFile, knownHostsFile, root } = sshd;
  await fails({ host, port, username, keyFile, knownHostsFile, root }, message, /`port`/);
});
