/** The kit's real servers serve: each is driven by OpenSSH's own sftp. */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { startInProcess } from './in-process.js';
import { startProftpd } from './proftpd.js';
import { startRclone } from './rclone.js';
import type { RealServer } from './real-server.js';
import { startSshd } from './sshd.js';
import { temporaryFolder } from './temporary.js';
import { readTree } from './tree.js';

async function sftp(
  server: Omit<RealServer, 'folder' | 'stop' | 'log' | 'root' | 'hostKeyFingerprint'>,
  batch: readonly string[],
  knownHosts?: string,
): Promise<string> {
  const folder = await temporaryFolder();
  const file = join(folder, 'batch');
  writeFileSync(file, `${batch.join('\n')}\n`);
  const strict =
    knownHosts === undefined
      ? ['-oStrictHostKeyChecking=no', `-oUserKnownHostsFile=${join(folder, 'known')}`]
      : ['-oStrictHostKeyChecking=yes', `-oUserKnownHostsFile=${knownHosts}`];
  const { stdout } = await promisify(execFile)('sftp', [
    ...['-b', file, '-P', `${server.port}`, '-i', server.keyFile, '-oBatchMode=yes'],
    ...['-F', 'none', '-oIdentitiesOnly=yes', ...strict],
    `${server.username}@${server.host}`,
  ]);
  return stdout;
}

test('sshd serves, counts logins, and swaps its host key', async () => {
  const server = await startSshd();
  try {
    await sftp(server, ['mkdir a', 'pwd'], server.knownHostsFile);
    expect(readTree(server.root)).toEqual({ 'a/': null });
    expect(server.logins()).toBe(1);
    expect(server.connections()).toBe(1);
    const before = server.hostKeyFingerprint;
    await server.swapHostKey();
    expect(server.hostKeyFingerprint).not.toBe(before);
    await expect(sftp(server, ['ls'], server.knownHostsFile)).rejects.toThrow(
      /HOST IDENTIFICATION/,
    );
    expect(server.logins()).toBe(1);
    expect(server.connections()).toBe(2);
  } finally {
    await server.stop();
  }
});

test.each([
  ['proftpd', startProftpd],
  ['rclone', startRclone],
  ['the in-process server', startInProcess],
] as const)('%s serves', async (_name, start) => {
  const server = await start();
  try {
    await sftp(server, ['mkdir a', `put ${server.keyFile}.pub a/b.txt`]);
    await sftp(server, ['rename a/b.txt a/c.txt', 'ls -l a', `get a/c.txt ${server.keyFile}.got`]);
    expect(readTree(server.folder)).toEqual({
      'a/c.txt': readFileSync(`${server.keyFile}.pub`, 'utf8'),
    });
    expect(readFileSync(`${server.keyFile}.got`, 'utf8')).toBe(
      readFileSync(`${server.keyFile}.pub`, 'utf8'),
    );
  } finally {
    await server.stop();
  }
});
