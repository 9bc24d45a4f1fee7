/** What is special about the system's ssh: its configuration, its errors, one login for all channels. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { test } from '../kit/base.js';
import { writeJobs } from '../kit/daemons/cli.js';
import { temporaryFolder } from '../kit/files/temporary.js';
import { randomBytes } from '../kit/files/tree.js';
import { openScene, remoteIn, type Scene } from '../kit/scene.js';
import { makeKey } from '../kit/servers/keys.js';
import { startProftpd } from '../kit/servers/proftpd.js';

let scene: Scene;
test.beforeAll(async ({ sshd }) => {
  scene = await openScene(sshd);
  scene.writeHere(
    Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`d${i % 7}/f${i}`, 'x'])),
  );
});

const openssh = { transport: 'openssh' };

test('many files go over one login, and nothing of it is left behind', async ({ sshd }) => {
  const before = sshd.logins();
  const temporary = await temporaryFolder();
  await scene.jobs({}, openssh);
  const { code, events } = await scene.cli(['run', 'job', '--json'], {
    env: { TMPDIR: temporary },
  });
  expect(code).toBe(0);
  expect(events.at(-1)).toMatchObject({
    outcome: 'succeeded',
    sessions: 1,
    files: { copied: 300 },
  });
  expect(sshd.logins()).toBe(before + 1);
  expect(readdirSync(temporary)).toEqual([]);
  expect(readFileSync(scene.there('d0/f0'), 'utf8')).toBe('x');
});

test('a pinned key is enough, as a fingerprint and as a whole key; a wrong one is 6', async ({
  sshd,
}) => {
  const [, data] = /(ssh-ed25519 \S+)/.exec(readFileSync(sshd.knownHostsFile, 'utf8')) ?? [];
  for (const hostKey of [sshd.hostKeyFingerprint, data]) {
    await scene.jobs({}, { ...openssh, hostKey, knownHosts: undefined });
    expect(await scene.run()).toMatchObject({ code: 0 });
  }
  const wrong = `SHA256:${'A'.repeat(43)}`;
  await scene.jobs({}, { ...openssh, hostKey: wrong, knownHosts: undefined });
  const { code, report } = await scene.run();
  expect([code, report.error.kind, report.sessions]).toEqual([6, 'host-key', 0]);
  expect(report.error.message).toContain(wrong);
  expect(report.error.message).toContain(sshd.hostKeyFingerprint);
});

test('an unknown host is 6, never a prompt; a key that the server refuses is 5', async () => {
  const empty = join(await temporaryFolder(), 'known_hosts');
  writeFileSync(empty, '');
  await scene.jobs({}, { ...openssh, knownHosts: empty });
  const unknown = await scene.run();
  expect([unknown.code, unknown.report.error.kind]).toEqual([6, 'host-key']);
  expect(readFileSync(empty, 'utf8')).toBe('');
  const other = makeKey(join(await temporaryFolder(), 'other')).file;
  await scene.jobs({}, { ...openssh, auth: { key: other } });
  const refused = await scene.run();
  expect([refused.code, refused.report.error.kind]).toEqual([5, 'auth']);
});

test('a server that does not listen is 4', async () => {
  await scene.jobs({}, { ...openssh, port: 1 });
  const { code, report } = await scene.run();
  expect([code, report.error.kind]).toEqual([4, 'network']);
  expect(report.error.message).toContain('refused');
});

test('a machine without ssh: 2, saying what to install', async () => {
  await scene.jobs({}, openssh);
  const { code, stderr } = await scene.cli(['run', 'job'], { env: { PATH: '/nonexistent' } });
  expect(code).toBe(2);
  expect(stderr).toContain('install the OpenSSH client');
});

describe('settings that belong in ssh_config are refused: 2', () => {
  test.each([
    [{ auth: { password: 'secret' } }, 'auth.password'],
    [{ auth: { key: 'k', passphrase: 'secret' } }, 'auth.passphrase'],
    [{ algorithms: { cipher: ['aes256-ctr'] } }, 'algorithms'],
    [{ jump: 'archive' }, 'jump'],
  ])('%j', async (changes, path) => {
    await scene.jobs({}, { ...openssh, ...changes });
    const { code, stderr } = await scene.cli(['validate']);
    expect(code).toBe(2);
    expect(stderr).toContain(`remotes.archive.${path}`);
    expect(stderr).toContain('transport: openssh');
    expect(stderr).not.toContain('secret"');
  });
});

test('a host of ssh_config, with all its settings', async ({ sshd }) => {
  const config = join(await temporaryFolder(), 'config');
  writeFileSync(
    config,
    [
      'Host warehouse',
      `  HostName ${sshd.host}`,
      `  Port ${sshd.port}`,
      `  User ${sshd.username}`,
      `  IdentityFile ${sshd.keyFile}`,
      `  UserKnownHostsFile ${sshd.knownHostsFile}`,
      '  RemoteCommand echo no',
      '',
    ].join('\n'),
  );
  // ssh reads the configuration of the account it runs as; a wrapper names another one
  const bin = await temporaryFolder();
  writeFileSync(join(bin, 'ssh'), `#!/bin/sh\nexec /usr/bin/ssh -F '${config}' "$@"\n`, {
    mode: 0o755,
  });
  const remote = { host: 'warehouse', root: sshd.root, ...openssh };
  const nothing = { port: undefined, username: undefined, auth: undefined, knownHosts: undefined };
  await scene.jobs({}, { ...nothing, ...remote });
  const { code, stderr } = await scene.cli(['run', 'job'], {
    env: { PATH: `${bin}:${process.env.PATH}` },
  });
  expect(stderr).toContain('unchanged');
  expect(code).toBe(0);
});

test('ProFTPD gets one channel, whatever is copied: with two it loses its place in the requests', async () => {
  const server = await startProftpd();
  const within = await openScene(server);
  const large = randomBytes(5_000_000, 1);
  within.writeThere({ 'a/f': large });
  await writeJobs(within.cwd, {
    remotes: { archive: remoteIn(server, openssh) },
    jobs: {
      job: {
        operation: 'push',
        from: `archive:${within.place}/a`,
        to: `archive:${within.place}/b`,
      },
    },
  });
  const { code, stderr } = await within.cli(['run', 'job', '-vv']);
  await server.stop();
  expect(code, stderr.slice(-500)).toBe(0);
  expect(stderr.match(/Sending subsystem: sftp/g)).toHaveLength(1);
  expect(readFileSync(within.there('b/f')).equals(large)).toBe(true);
});
