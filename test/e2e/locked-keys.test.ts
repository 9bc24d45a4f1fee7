/** Keys with a passphrase: given, or asked for on a terminal. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished } from 'vitest';
import { test as base, forFile, started } from '../kit/base.js';
import { writeJobs } from '../kit/daemons/cli.js';
import { eventually } from '../kit/daemons/daemon.js';
import { type Asked, ferrylineOnTerminal } from '../kit/daemons/terminal.js';
import { readTree } from '../kit/files/tree.js';
import { openScene, remoteIn, type Scene } from '../kit/scene.js';
import { expectSecretFree } from '../kit/secret-free.js';
import { makeKey } from '../kit/servers/keys.js';
import { startProxy } from '../kit/servers/proxy.js';
import { startSshd } from '../kit/servers/sshd.js';

const passphrase = 'canary passphrase 7f3a';

const test = base.extend(
  'locked',
  forFile,
  started(() => startSshd({ passphrase })),
);

const tree = { 'a.txt': 'a', 'b/c.txt': 'c' };

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
  const onTerminal = (
    { cwd }: Scene,
    jobs: string,
    asked: Asked,
    env: Readonly<Record<string, string>> = {},
  ) => ferrylineOnTerminal(`run ${jobs}`, { cwd, env }, /passphrase of the key \S+: $/, asked);

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

  test('what other sessions say meanwhile is shown after the answer', async ({ sshd, locked }) => {
    const scene = await openScene(locked);
    scene.writeHere(tree);
    const place = `other-${scene.place}`;
    const proxy = await startProxy(sshd.port);
    onTestFinished(() => proxy.stop());
    proxy.pause();
    const { host, port } = proxy;
    const other = remoteIn(sshd, { host, port, hostKey: sshd.hostKeyFingerprint });
    await writeJobs(scene.cwd, {
      remotes: { archive: remoteIn(locked), other },
      jobs: {
        job: { operation: 'push', from: './data', to: [`archive:${place}`, `other:${place}`] },
      },
    });
    const before = sshd.logins();
    const { shown, code } = await onTerminal(scene, 'job -vv', async (type) => {
      proxy.resume();
      await eventually(() => sshd.logins() > before);
      type(`${passphrase}\r`);
    });
    expect(code, shown).toBe(0);
    expect(shown).toMatch(/passphrase of the key \S+: \r\n(?:.*\r\n)*.*other.* logged in\r\n/);
    expect(readTree(join(sshd.root, place))).toEqual(tree);
  });

  test('is asked for once the keys of an agent were refused, and one that is in the agent never', async ({
    locked,
  }) => {
    const scene = await openScene(locked);
    scene.writeHere(tree);
    mkdirSync(join(scene.cwd, '.ssh'), { mode: 0o700 });
    for (const end of ['', '.pub'])
      copyFileSync(`${locked.keyFile}${end}`, join(scene.cwd, `.ssh/id_ed25519${end}`));
    const socket = join(scene.cwd, 'agent');
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] });
    onTestFinished(() => void agent.kill());
    await once(agent.stdout, 'data'); // it prints its socket once it listens
    const env = { ...process.env, SSH_AUTH_SOCK: socket };
    const stranger = makeKey(join(scene.cwd, 'stranger')).file;
    execFileSync('ssh-add', ['-q', stranger], { env, stdio: 'ignore' });
    await scene.jobs({}, { auth: undefined });
    const typed: string[] = [];
    const answer = (type: (text: string) => void) => {
      typed.push(passphrase);
      type(`${passphrase}\r`);
    };
    const asked = await onTerminal(scene, 'job', answer, { SSH_AUTH_SOCK: socket });
    expect([asked.code, typed.length], asked.shown).toEqual([0, 1]);
    expect(readTree(scene.there())).toEqual(tree);

    const askpass = join(scene.cwd, 'askpass');
    writeFileSync(askpass, `#!/bin/sh\necho '${passphrase}'\n`, { mode: 0o700 });
    const asks = { ...env, SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: 'force' };
    execFileSync('ssh-add', ['-q', locked.keyFile], { env: asks, stdio: 'ignore' });
    const added = await onTerminal(scene, 'job', answer, { SSH_AUTH_SOCK: socket });
    expect([added.code, typed.length], added.shown).toEqual([0, 1]);
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
