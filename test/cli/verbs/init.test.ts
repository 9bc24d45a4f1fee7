/** `ferryline init` with answers on a terminal, with flags, and with rclone's remotes. */
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { parse } from 'yaml';
import { rcloneRemotes } from '../../../src/cli/init/rclone-config.js';
import { test } from '../../kit/base.js';
import { readTree } from '../../kit/files/tree.js';
import type { Scene } from '../../kit/scene.js';
import type { Sshd } from '../../kit/servers/sshd.js';

const program = join(import.meta.dirname, '../../../dist/cli/main.js');

test.beforeEach(({ scene }) => rmSync(join(scene.cwd, 'jobs.yml')));

const written = (scene: Scene) => readFileSync(join(scene.cwd, 'jobs.yml'), 'utf8');

/** Runs `ferryline init` on a terminal, and types each answer once its question is asked. */
async function onTerminal(scene: Scene, dialogue: readonly (readonly [string, string])[]) {
  const command = `${process.execPath} ${program} init`;
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    cwd: scene.cwd,
    env: {
      ...process.env,
      HOME: scene.cwd,
      XDG_STATE_HOME: join(scene.cwd, '.state'),
      TERM: 'dumb',
    },
  });
  let shown = '';
  let at = 0;
  let turn = 0;
  child.stdout.on('data', (data: Buffer) => {
    shown += data.toString();
    for (;;) {
      const [question, answer] = dialogue[turn] ?? [];
      const found = question === undefined ? -1 : shown.indexOf(question, at);
      if (question === undefined || found < 0 || !shown.includes(': ', found)) return;
      at = found + question.length;
      turn++;
      child.stdin.write(`${answer}\n`);
    }
  });
  const code = await new Promise<number | null>((ended) => child.once('close', ended));
  return { code, shown, answered: turn };
}

describe('on a terminal', () => {
  test('each answer is tried, the host key shown and pinned, the first plan shown', async ({
    sshd,
    scene,
  }) => {
    scene.writeHere({ 'a.txt': 'a' });
    const { code, shown, answered } = await onTerminal(scene, [
      ['Server', `nobody-there.invalid`],
      ['Server', `sftp://${sshd.host}:${sshd.port}`],
      ['Trust it', 'perhaps'],
      ['Trust it', 'yes'],
      ['User', sshd.username],
      ['Private key file', '/no/such/key'],
      ['Private key file', sshd.keyFile],
      ['push (copy', 'mirror'],
      ['Folder here', './data'],
      ['Folder on the server', scene.there()],
      ['When to run', 'at night'],
      ['When to run', '0 2 * * *'],
      ['Show now', 'yes'],
    ]);
    expect([code, answered], shown).toEqual([0, 13]);
    expect(shown).toContain('logged in');
    expect(shown).toContain('does not exist yet; the first run makes it');
    expect(shown).toContain('a.txt');
    const { remotes, jobs } = parse(written(scene));
    const [[name, remote]] = Object.entries(remotes) as [[string, Record<string, unknown>]];
    expect(remote).toMatchObject({
      port: sshd.port,
      username: sshd.username,
      auth: { key: sshd.keyFile },
    });
    expect([remote.hostKey].flat()).toEqual([expect.stringMatching(/^SHA256:/)]);
    expect(jobs.nightly).toMatchObject({
      ...{ operation: 'mirror', from: './data', to: `${name}:${scene.there()}` },
      ...{ trash: true, schedule: '0 2 * * *' },
    });
    expect(existsSync(scene.there())).toBe(false);
    const run = await scene.cli(['run', 'nightly']);
    expect([run.code, readTree(scene.there())['a.txt']], run.stderr).toEqual([0, 'a']);
  });

  test('"no" to the host key writes nothing: 6', async ({ sshd, scene }) => {
    const { code } = await onTerminal(scene, [
      ['Server', `sftp://${sshd.host}:${sshd.port}`],
      ['Trust it', 'no'],
      // the question comes again, and the answers end
      ['Server', '\u0004'],
    ]);
    expect(code).not.toBe(0);
    expect(existsSync(join(scene.cwd, 'jobs.yml'))).toBe(false);
  });
});

describe('with flags, without a terminal', () => {
  const flags = (sshd: Sshd, scene: Scene, ...more: string[]) => [
    ...['init', '--host', sshd.host, '-P', String(sshd.port), '--user', sshd.username],
    ...['--from', './data', '--to', scene.there(), ...more],
  ];

  test('an unknown host key: 6 with its fingerprint; with that as a flag: 0', async ({
    sshd,
    scene,
  }) => {
    scene.writeHere({ a: 'a' });
    const refused = await scene.cli(flags(sshd, scene, '--key', sshd.keyFile));
    expect(refused.code).toBe(6);
    const [print = ''] = /SHA256:\S+/.exec(refused.stderr) ?? [];
    expect(existsSync(join(scene.cwd, 'jobs.yml'))).toBe(false);
    const done = await scene.cli(flags(sshd, scene, '--key', sshd.keyFile, '--host-key', print));
    expect(done.code, done.stderr).toBe(0);
    expect(written(scene)).toContain(`hostKey: ${print}`);
    expect((await scene.cli(['validate'])).code).toBe(0);
    expect((await scene.cli(['run', 'sync'])).code).toBe(0);
    expect(readTree(scene.there())).toMatchObject({ a: 'a' });
  });

  test('the remote is called for the alias that was typed', async ({ sshd, scene }) => {
    mkdirSync(join(scene.cwd, '.ssh'), { mode: 0o700 });
    const alias = `Host nas.home\n  HostName ${sshd.host}\n  Port ${sshd.port}\n`;
    writeFileSync(join(scene.cwd, '.ssh/config'), alias);
    const { code, stderr } = await scene.cli([
      ...['init', '--host', 'nas.home', '--user', sshd.username, '--key', sshd.keyFile],
      ...['--host-key', sshd.hostKeyFingerprint, '--to', scene.there()],
    ]);
    expect(code, stderr).toBe(0);
    expect(parse(written(scene)).remotes).toMatchObject({ nas: { host: sshd.host } });
  });

  test('a login that fails: 5, and nothing is written', async ({ sshd, scene }) => {
    mkdirSync(join(scene.cwd, '.ssh'), { mode: 0o700 });
    writeFileSync(join(scene.cwd, '.ssh/known_hosts'), readFileSync(sshd.knownHostsFile));
    const secret = join(scene.cwd, 'secret');
    writeFileSync(secret, 'canary-of-init\n');
    chmodSync(secret, 0o600);
    const { code, stdout, stderr } = await scene.cli(flags(sshd, scene, '--password-file', secret));
    expect(code).toBe(5);
    expect(stdout + stderr).not.toContain('canary-of-init');
    expect(existsSync(join(scene.cwd, 'jobs.yml'))).toBe(false);
  });

  test('a host that is not given: 2', async ({ scene }) => {
    const { code, stderr } = await scene.cli(['init', '--user', 'x']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('no terminal to ask on')]);
  });
});

describe("rclone's remotes", () => {
  const conf = `[backup box]
type = sftp
host = backup.example
user = bob
port = 2222
key_file = ~/.ssh/id_box
known_hosts_file = ~/.ssh/known_hosts

[drive]
type = drive
token = {"access_token":"canary-token"}

# by password
[web]
type = sftp
host = web.example
pass = canary-obscured
`;

  test('are taken over, without secrets; the rest is named', async ({ scene }) => {
    writeFileSync(join(scene.cwd, 'rclone.conf'), conf);
    const { code, stderr } = await scene.cli(['init', '--from-rclone', 'rclone.conf']);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('drive is of type drive');
    expect(stderr).toContain('backup box is called backup-box');
    expect(stderr).toContain('set `knownHosts`');
    const text = written(scene);
    expect(text).not.toContain('canary');
    expect(parse(text).remotes).toMatchObject({
      'backup-box': {
        host: 'backup.example',
        port: 2222,
        username: 'bob',
        auth: { key: '~/.ssh/id_box' },
      },
      web: { host: 'web.example', auth: { password: `\${file:./web.password}` } },
    });
    writeFileSync(join(scene.cwd, 'web.password'), 'x', { mode: 0o600 });
    expect((await scene.cli(['validate'])).code).toBe(0);
  });

  test('an encrypted file, and one without sftp: nothing is written', async ({ scene }) => {
    expect(rcloneRemotes('RCLONE_ENCRYPT_V0:\nabc', { username: 'u' }).notes[0]).toContain(
      'encrypted',
    );
    writeFileSync(join(scene.cwd, 'r.conf'), '[a]\ntype = s3\n');
    const { code } = await scene.cli(['init', '--from-rclone', 'r.conf']);
    expect([code, existsSync(join(scene.cwd, 'jobs.yml'))]).toEqual([2, false]);
  });
});
