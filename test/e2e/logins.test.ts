/** Ways to log in: jump host, password, passphrase, agent; and that no secret is shown. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished } from 'vitest';
import { test as base, forFile, started } from '../kit/base.js';
import { writeJobs } from '../kit/daemons/cli.js';
import { temporaryFolder } from '../kit/files/temporary.js';
import { readTree } from '../kit/files/tree.js';
import { openScene, remoteIn } from '../kit/scene.js';
import { expectSecretFree } from '../kit/secret-free.js';
import { startInProcess } from '../kit/servers/in-process.js';
import { makeKey } from '../kit/servers/keys.js';
import { startProftpd } from '../kit/servers/proftpd.js';
import { startSshd } from '../kit/servers/sshd.js';

const passphrase = 'canary passphrase 7f3a';
const password = 'canary-password-9c1e';

const test = base
  .extend(
    'server',
    forFile,
    started(() => startInProcess({ password })),
  )
  .extend(
    'bastion',
    started(() => startSshd()),
  );

const tree = { 'a.txt': 'a', 'b/c.txt': 'c' };

test('a jump host: a login on each, both counted, both host keys checked', async ({
  sshd,
  scene,
  bastion,
}) => {
  scene.writeHere(tree);
  const jobs = (jump: object) =>
    writeJobs(scene.cwd, {
      remotes: {
        archive: remoteIn(sshd, { jump: 'bastion' }),
        bastion: remoteIn(bastion, jump),
      },
      jobs: { job: { operation: 'mirror', from: './data', to: `archive:${scene.place}` } },
    });
  await jobs({});
  const before = [sshd.logins(), bastion.logins()];
  const { code, report } = await scene.run();
  expect({ code, sessions: report.sessions }).toEqual({ code: 0, sessions: 2 });
  expect([sshd.logins(), bastion.logins()]).toEqual(before.map((n) => n + 1));
  expect(readTree(scene.there())).toEqual(tree);

  await jobs({ hostKey: `SHA256:${'A'.repeat(43)}` });
  const refused = await scene.run();
  expect(refused.code).toBe(6);
  expect(refused.report.error.message).toContain('bastion');
  expect(bastion.logins()).toBe((before[1] ?? 0) + 1);
});

describe('a password', () => {
  test('logs in', async ({ server }) => {
    const scene = await openScene(server);
    scene.writeHere(tree);
    await scene.jobs({}, { auth: { password } });
    for (const flags of [['-vv'], []]) {
      const result = await scene.run(...flags);
      expect(result.code).toBe(0);
      expectSecretFree(scene, result, password);
    }
    expect(readTree(scene.there())).toEqual(tree);
  });

  test('may come from a file or a variable', async ({ server }) => {
    const scene = await openScene(server);
    scene.writeHere(tree);
    const file = join(await temporaryFolder(), 'secret');
    writeFileSync(file, `${password}\n`, { mode: 0o600 });
    await scene.jobs({}, { auth: { password: '${FILE_PASSWORD}' } });
    const env = { FILE_PASSWORD: password };
    const byVariable = await scene.cli(['run', 'job', '-vv'], { env });
    expect(byVariable.code).toBe(0);
    expectSecretFree(scene, byVariable, password);
    await scene.jobs({}, { auth: { password: `\${file:${file}}` } });
    const byFile = await scene.run('-vv');
    expect(byFile.code).toBe(0);
    expectSecretFree(scene, byFile, password);
  });

  test('may be printed by a command, at each login', async ({ server }) => {
    const scene = await openScene(server);
    scene.writeHere(tree);
    const file = join(await temporaryFolder(), 'secret');
    writeFileSync(file, `${password}\n`, { mode: 0o600 });
    await writeJobs(scene.cwd, {
      secrets: { bank: ['sh', '-c', `echo ran >>ran; cat ${file}`] },
      remotes: { archive: remoteIn(server, { auth: { password: '${secret:bank}' } }) },
      jobs: { job: { operation: 'mirror', from: './data', to: `archive:${scene.place}` } },
    });
    const ran = join(scene.cwd, 'ran');
    expect((await scene.cli(['validate'])).code).toBe(0);
    expect(existsSync(ran)).toBe(false);
    for (const flags of [['-vv'], []]) {
      const result = await scene.run(...flags);
      expect(result.code).toBe(0);
      expectSecretFree(scene, result, password);
    }
    expect(readFileSync(ran, 'utf8')).toBe('ran\nran\n');
    expect(readTree(scene.there())).toEqual(tree);
    writeFileSync(file, 'changed');
    const refused = await scene.run();
    expect(refused.code).toBe(5);
    expect(refused.stderr).not.toContain('changed');
  });

  test('may be a credential of systemd', async ({ server }) => {
    const scene = await openScene(server);
    scene.writeHere(tree);
    const folder = await temporaryFolder();
    writeFileSync(join(folder, 'bank'), `${password}\n`, { mode: 0o400 });
    await scene.jobs({}, { auth: { password: '${credential:bank}' } });
    const env = { CREDENTIALS_DIRECTORY: folder };
    const result = await scene.cli(['run', 'job', '-vv'], { env });
    expect(result.code).toBe(0);
    expectSecretFree(scene, result, password);
    const without = await scene.cli(['run', 'job']);
    expect(without.code).toBe(2);
    expect(without.stderr).toContain('LoadCredential=bank:FILE');
  });

  test('that is wrong: 5, and is in no output nor report', async ({ server }) => {
    const scene = await openScene(server);
    scene.writeHere(tree);
    const wrong = 'canary-wrong-4411';
    await scene.jobs({}, { auth: { password: wrong } });
    for (const args of [
      ['run', 'job', '-vv'],
      ['run', 'job', '--json', '-vv'],
      ['plan', 'job', '-vv'],
      ['explain', 'job', 'a.txt', '-vv'],
    ]) {
      const result = await scene.cli(args);
      expect(result.code).toBe(5);
      expectSecretFree(scene, result, wrong);
    }
  });

  test('in a jobs.yml that is otherwise invalid is not repeated', async ({ server }) => {
    const scene = await openScene(server);
    await scene.jobs({ operation: 'mirorr' }, { auth: { password, passphrase } });
    for (const verb of [['validate'], ['run', 'job'], ['validate', '--json']]) {
      const result = await scene.cli(verb);
      expect(result.code).toBe(2);
      expect(result.stdout + result.stderr).not.toContain(password);
      expect(result.stdout + result.stderr).not.toContain(passphrase);
    }
  });
});

describe('an agent', () => {
  test('is asked for the key', async ({ sshd, scene }) => {
    scene.writeHere(tree);
    const socket = join(await temporaryFolder(), 'agent');
    const agent = spawn('ssh-agent', ['-D', '-a', socket], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(agent.stdout, 'data'); // it prints its socket once it listens
      const add = spawn('ssh-add', ['-q', sshd.keyFile], {
        env: { ...process.env, SSH_AUTH_SOCK: socket },
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      expect((await once(add, 'close'))[0]).toBe(0);
      await scene.jobs({}, { auth: { agent: true } });
      const result = await scene.cli(['run', 'job', '--json'], { env: { SSH_AUTH_SOCK: socket } });
      expect(result.code).toBe(0);
      expect(readTree(scene.there())).toEqual(tree);
    } finally {
      agent.kill();
      await once(agent, 'exit');
    }
  });

  test('with eight keys, of which the server endures six: 5, and the named one comes first', async ({
    sshd,
    scene,
  }) => {
    scene.writeHere(tree);
    const folder = await temporaryFolder();
    const socket = join(folder, 'agent');
    const agent = spawn('ssh-agent', ['-D', '-a', socket], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(agent.stdout, 'data');
      const many = Array.from({ length: 8 }, (_, i) => makeKey(join(folder, `k${i}`)).file);
      const add = spawn('ssh-add', ['-q', ...many, sshd.keyFile], {
        env: { ...process.env, SSH_AUTH_SOCK: socket },
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      expect((await once(add, 'close'))[0]).toBe(0);
      const env = { SSH_AUTH_SOCK: socket };
      await scene.jobs({}, { auth: { agent: true } });
      const before = sshd.connections();
      const refused = await scene.cli(['run', 'job', '--json'], { env });
      expect(refused.code).toBe(5);
      expect(refused.stderr).toContain('4 more keys were not offered');
      expect(refused.stderr).toContain('name the right one');
      expect(sshd.connections()).toBe(before + 1);
      await scene.jobs({}, { auth: { agent: true, key: sshd.keyFile } });
      expect((await scene.cli(['run', 'job'], { env })).code).toBe(0);
    } finally {
      agent.kill();
      await once(agent, 'exit');
    }
  });

  test('that is not running: a clear message', async ({ scene }) => {
    scene.writeHere(tree);
    await scene.jobs({}, { auth: { agent: true } });
    const result = await scene.cli(['run', 'job']);
    expect([2, 5]).toContain(result.code);
    expect(result.stderr).toContain('SSH_AUTH_SOCK');
  });
});

describe('a server that wants password and key', () => {
  test.each(['password+publickey', 'publickey+password'])('%s', async (authMethods) => {
    const server = await startProftpd({ authMethods });
    onTestFinished(() => server.stop());
    const scene = await openScene(server);
    scene.writeHere(tree);
    await scene.jobs({}, { auth: { key: server.keyFile, password: server.password } });
    const result = await scene.run('-vv');
    expect(result.code, result.stderr).toBe(0);
    expectSecretFree(scene, result, server.password);
    expect(readTree(scene.there())).toEqual(tree);
    await scene.jobs({}, { auth: { key: server.keyFile, password: `not ${server.password}` } });
    expect((await scene.run()).code).toBe(5);
  });
});

test('a banner of 62 KB', async () => {
  const file = join(await temporaryFolder(), 'banner');
  writeFileSync(file, 'Authorised use only.\n'.repeat(3000));
  const server = await startSshd({ config: [`Banner ${file}`] });
  onTestFinished(() => server.stop());
  chmodSync(dirname(file), 0o755);
  const scene = await openScene(server);
  scene.writeHere(tree);
  await scene.jobs();
  const { code, stderr } = await scene.run();
  expect(code, stderr).toBe(0);
});

test('an algorithm that does not exist is a configuration error, at once', async ({ scene }) => {
  scene.writeHere(tree);
  await scene.jobs({}, { algorithms: { cipher: ['no-such'] } });
  const { code, stderr } = await scene.run();
  expect([code, stderr]).toEqual([2, expect.stringMatching(/nsupported algorithm.*no-such/)]);
});
