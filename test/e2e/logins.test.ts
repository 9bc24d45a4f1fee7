/** Ways to log in: jump host, password, passphrase, agent; and that no secret is shown. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished } from 'vitest';
import { test as base, forFile, started } from '../kit/base.js';
import type { Result } from '../kit/daemons/cli.js';
import { writeJobs } from '../kit/daemons/cli.js';
import { temporaryFolder } from '../kit/files/temporary.js';
import { readTree } from '../kit/files/tree.js';
import { openScene, remoteIn, type Scene } from '../kit/scene.js';
import { startInProcess } from '../kit/servers/in-process.js';
import { makeKey } from '../kit/servers/keys.js';
import { startProftpd } from '../kit/servers/proftpd.js';
import { startSshd } from '../kit/servers/sshd.js';

const passphrase = 'canary passphrase 7f3a';
const password = 'canary-password-9c1e';

const test = base
  .extend(
    'locked',
    forFile,
    started(() => startSshd({ passphrase })),
  )
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

/** All files below a folder, with their paths, as one text. */
function everything(folder: string): string {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => `${path}\n${readFileSync(path, 'latin1')}`)
    .join('\n');
}

/** No secret is in the output or in the state folder. */
function expectSecretFree(scene: Scene, result: Result, secret: string): void {
  const seen = [result.stdout, result.stderr, everything(join(scene.cwd, '.state'))].join('\n');
  const forms = [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')];
  for (const form of [...forms, Buffer.from(secret).toString('hex')])
    expect(seen).not.toContain(form);
  // the search can find it: the transcript is there
  if (result.stderr.includes('command:')) expect(seen).toContain('logg');
}

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

describe('an encrypted key', () => {
  test('opens with its passphrase', async ({ locked }) => {
    const scene = await openScene(locked);
    scene.writeHere(tree);
    await scene.jobs({}, { auth: { key: locked.keyFile, passphrase } });
    const result = await scene.run('-vv');
    expect(result.code).toBe(0);
    expectSecretFree(scene, result, passphrase);
    expect(readTree(scene.there())).toEqual(tree);
  });

  /** Runs jobs on a terminal; `asked` may type at each question, and knows the process. */
  async function onTerminal(
    scene: Scene,
    jobs: string,
    asked: (type: (text: string) => void, pid: number) => void,
  ): Promise<{ shown: string; code: number | null }> {
    const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
    const command = `echo "process $$"; exec '${process.execPath}' '${main}' run ${jobs}`;
    const child = spawn('script', ['-qefc', command, '/dev/null'], {
      cwd: scene.cwd,
      env: { PATH: process.env.PATH, HOME: scene.cwd },
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const closed = once(child, 'close');
    let shown = '';
    for await (const data of child.stdout) {
      shown += data;
      const [, pid] = /^process (\d+)/.exec(shown) ?? [];
      if (/passphrase of the key \S+: $/.test(shown))
        asked((text) => child.stdin.write(text), Number(pid));
    }
    const [code] = await closed;
    return { shown, code };
  }

  test('is asked for on a terminal, without showing it; a wrong one is not used again', async ({
    locked,
  }) => {
    const scene = await openScene(locked);
    scene.writeHere(tree);
    const job = { operation: 'push', from: './data', to: `archive:${scene.place}` };
    await writeJobs(scene.cwd, {
      remotes: { archive: remoteIn(locked) },
      jobs: { first: job, second: job },
    });
    const answers = ['canary one', 'canary two', 'canary three', passphrase];
    const { shown, code } = await onTerminal(scene, 'first second', (type) =>
      type(`${answers.shift()}\r`),
    );
    expect([code, answers]).toEqual([5, []]);
    expect(shown.match(/that is not it; passphrase of the key/g)).toHaveLength(2);
    expect(shown).toContain('succeeded');
    expect(shown).not.toContain('canary');
    expect(readTree(scene.there())).toEqual(tree);
  });

  test.for([
    ['Ctrl-C', 130, {}, (type: (text: string) => void) => type('\x03')],
    ['SIGTERM', 143, {}, (_: unknown, pid: number) => process.kill(pid, 'SIGTERM')],
    ['the timeout of the job', 3, { timeout: '1s' }, () => {}],
  ] as const)(
    'at its question %s ends the run, whatever other keys there are',
    async ([_, exitCode, rules, end], { locked }) => {
      const scene = await openScene(locked);
      scene.writeHere(tree);
      mkdirSync(join(scene.cwd, '.ssh'), { mode: 0o700 });
      for (const type of ['ed25519', 'ecdsa'] as const)
        makeKey(join(scene.cwd, `.ssh/id_${type}`), type, passphrase);
      // the default keys
      await scene.jobs(rules, { auth: undefined });
      const { shown, code } = await onTerminal(scene, 'job', end);
      expect([code, shown.match(/passphrase of the key/g)]).toEqual([
        exitCode,
        [expect.anything()],
      ]);
    },
  );

  test.for([
    ['none', undefined],
    ['a wrong one', 'canary wrong passphrase'],
  ] as const)(
    'with %s: distinguished from a refused login, without the passphrase',
    async ([_, wrong], { locked }) => {
      const scene = await openScene(locked);
      scene.writeHere(tree);
      const auth = { key: locked.keyFile, ...(wrong === undefined ? {} : { passphrase: wrong }) };
      await scene.jobs({}, { auth });
      const before = locked.connections();
      const result = await scene.run('-vv');
      expect([2, 5]).toContain(result.code);
      expect(result.report.error.message).toMatch(/passphrase/i);
      expect(result.report.error.hint).toEqual(expect.any(String));
      if (wrong !== undefined) expectSecretFree(scene, result, wrong);
      expect(locked.connections()).toBe(before);
    },
  );
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
