/** The kit's real servers work: OpenSSH's own sftp is the client of the SFTP servers. */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { temporaryFolder } from './files/temporary.js';
import { readTree } from './files/tree.js';
import { startInProcess } from './servers/in-process.js';
import { startPostgres } from './servers/postgres.js';
import { startProftpd } from './servers/proftpd.js';
import { startRclone } from './servers/rclone.js';
import type { RealServer } from './servers/real-server.js';
import { startRedis } from './servers/redis.js';
import { startSshd } from './servers/sshd.js';

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

test('Redis answers, is gone when killed, and keeps what it acknowledged', async () => {
  const redis = await startRedis({ config: ['maxmemory 50mb'] });
  try {
    expect(redis.url).toBe(`redis://127.0.0.1:${redis.port}`);
    expect(await redis.command('CONFIG', 'GET', 'maxmemory-policy')).toMatch(/\nnoeviction$/);
    expect(await redis.command('CONFIG', 'GET', 'maxmemory')).toBe('maxmemory\n52428800');
    await redis.command('SET', 'a', '1');
    await redis.kill9();
    await expect(redis.command('PING')).rejects.toThrow(/Connection refused/);
    await redis.restart();
    expect(await redis.command('GET', 'a')).toBe('1');
    await redis.restart();
    expect(await redis.command('INCR', 'a')).toBe('2');
    await redis.command('CONFIG', 'SET', 'maxmemory', '1');
    await expect(redis.command('SET', 'b', '1')).rejects.toThrow(/OOM/);
  } finally {
    await redis.stop();
  }
});

test('PostgreSQL answers, is gone when killed, and keeps what it committed', async () => {
  const postgres = await startPostgres();
  try {
    await postgres.query('CREATE TABLE t (a int); INSERT INTO t VALUES (1)');
    await postgres.kill9();
    await expect(postgres.query('SELECT 1')).rejects.toThrow(/ECONNREFUSED/);
    await postgres.restart();
    expect(await postgres.query('SELECT a FROM t')).toEqual([{ a: 1 }]);
    await postgres.restart();
    expect(await postgres.query('SHOW max_connections')).toEqual([{ max_connections: '200' }]);
    await expect(postgres.query('SELECT b FROM t')).rejects.toThrow(/column "b" does not exist/);
  } finally {
    await postgres.stop();
  }
  await expect(postgres.query('SELECT 1')).rejects.toThrow(/ECONNREFUSED/);
});
