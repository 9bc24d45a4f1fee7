import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { beforeEach, describe, expect } from 'vitest';
import { type TrustOptions, trust } from '../../../src/cli/verbs/trust.js';
import { FerryError } from '../../../src/core/errors.js';
import type { Remote } from '../../../src/core/remote.js';
import { remoteFromHost } from '../../../src/ssh/ssh-config/ssh-host.js';
import { test as base, forFile, started } from '../../kit/base.js';
import { ferryline, writeJobs } from '../../kit/daemons/cli.js';
import { ferrylineOnTerminal } from '../../kit/daemons/terminal.js';
import { temporaryFolder } from '../../kit/files/temporary.js';
import { makeKey } from '../../kit/servers/keys.js';
import { type Sshd, startSshd } from '../../kit/servers/sshd.js';

let home: string;
let file: string;

const test = base
  .extend(
    'one',
    forFile,
    started(() => startSshd()),
  )
  .extend(
    'two',
    forFile,
    started(() => startSshd({ hostKeys: ['ed25519', 'ecdsa'] })),
  );

beforeEach(async () => {
  home = await temporaryFolder();
  file = join(home, '.ssh/known_hosts');
});

function remoteOf(server: Sshd): Remote {
  const context = { home, user: 'me', env: {}, systemFolder: join(home, 'etc') };
  return remoteFromHost(`sftp://127.0.0.1:${server.port}`, { context }).remote;
}

function known(text: string): void {
  mkdirSync(join(home, '.ssh'), { recursive: true });
  writeFileSync(file, text);
}

interface Said {
  readonly code: number | FerryError;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs it; `answer` is typed on a terminal, undefined: there is none. */
async function run(
  remote: Remote,
  options: Omit<TrustOptions, 'signal'>,
  answer?: string,
): Promise<Said> {
  const stdin = Object.assign(new PassThrough(), { isTTY: answer !== undefined });
  stdin.end(answer);
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const code = await trust(
    remote,
    { ...options, signal: new AbortController().signal },
    { stdin, stdout, stderr },
  ).catch((error: unknown) => {
    if (error instanceof FerryError) return error;
    throw error;
  });
  stdout.end();
  stderr.end();
  return { code, stdout: await text(stdout), stderr: await text(stderr) };
}

function lookedUp(server: Sshd): string {
  return execFileSync('ssh-keygen', ['-F', `[127.0.0.1]:${server.port}`, '-f', file], {
    encoding: 'utf8',
  });
}

test('after a yes the key is on file, and ssh itself accepts it', async ({ one }) => {
  const said = await run(remoteOf(one), {}, 'yes\n');
  expect(said.code).toBe(0);
  expect(said.stderr).toContain(`ssh-ed25519 ${one.hostKeyFingerprint}  not known`);
  expect(said.stdout).toBe(`hostKey: ${one.hostKeyFingerprint}\n`);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(statSync(join(home, '.ssh')).mode & 0o777).toBe(0o700);
  expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(2);
  const batch = join(home, 'batch');
  writeFileSync(batch, 'pwd\n');
  const out = execFileSync(
    'sftp',
    [
      '-F/dev/null',
      `-P${one.port}`,
      `-i${one.keyFile}`,
      `-oUserKnownHostsFile=${file}`,
      '-oGlobalKnownHostsFile=/dev/null',
      '-oStrictHostKeyChecking=yes',
      `-b${batch}`,
      `${one.username}@127.0.0.1`,
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
  );
  expect(out).toContain('Remote working directory');
  const again = await run(remoteOf(one), {});
  expect(again.code).toBe(0);
  expect(again.stderr).toContain(`known (${file}:1)`);
  expect(again.stdout).toBe(said.stdout);
  expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(2);
});

test.for(['no\n', 'y\n', '\n', ''])(
  'anything but yes changes nothing: %j',
  async (answer, { one }) => {
    const said = await run(remoteOf(one), {}, answer);
    expect(said.code).toBe(6);
    expect(said.stdout).toBe('');
    expect(existsSync(file)).toBe(false);
  },
);

test('without a terminal nothing is trusted unasked', async ({ one }) => {
  const said = await run(remoteOf(one), {});
  expect(said.code).toMatchObject({ kind: 'config' });
  expect(existsSync(file)).toBe(false);
});

describe('--yes and --fingerprint', () => {
  test('--yes alone is refused before any connection', async ({ one }) => {
    const before = one.connections();
    const said = await run(remoteOf(one), { yes: true });
    expect(said.code).toMatchObject({ kind: 'config' });
    expect(one.connections()).toBe(before);
  });

  test('only the key with that fingerprint is added', async ({ two }) => {
    const fingerprint = two.hostKeyFingerprint;
    const said = await run(remoteOf(two), { yes: true, fingerprint });
    expect(said.code).toBe(0);
    expect(said.stderr).toContain('has 2 host keys');
    expect(said.stdout).toBe(`hostKey: ${fingerprint}\n`);
    const text = readFileSync(file, 'utf8');
    expect(text).toContain('ssh-ed25519');
    expect(text).not.toContain('ecdsa');
    // The other one may follow: it is a new key, not a changed one.
    const other = await run(remoteOf(two), {}, 'yes\n');
    expect(other.code).toBe(0);
    expect(other.stdout).toMatch(/^hostKey:\n {2}- SHA256:.{43}\n {2}- SHA256:.{43}\n$/);
    expect(lookedUp(two).match(/found: line/g)).toHaveLength(2);
  });

  test('another fingerprint is a host-key error and adds nothing', async ({ one }) => {
    const wrong = makeKey(join(home, 'k')).fingerprint;
    const said = await run(remoteOf(one), { yes: true, fingerprint: wrong });
    expect(said.code).toMatchObject({ kind: 'host-key' });
    const { message } = said.code as FerryError;
    expect(message).toContain(wrong);
    expect(message).toContain(one.hostKeyFingerprint);
    expect(existsSync(file)).toBe(false);
  });

  test('something that is no fingerprint is a config error', async ({ one }) => {
    const said = await run(remoteOf(one), { yes: true, fingerprint: 'SHA256:abc' });
    expect(said.code).toMatchObject({ kind: 'config' });
  });
});

describe('what is on file already', () => {
  test('a changed key is not replaced: both fingerprints, file and line', async ({ one }) => {
    const old = makeKey(join(home, 'old'));
    const before = `# mine\n[127.0.0.1]:${one.port} ${old.publicKey}\n`;
    known(before);
    const fingerprint = one.hostKeyFingerprint;
    for (const said of [
      await run(remoteOf(one), {}, 'yes\n'),
      await run(remoteOf(one), { yes: true, fingerprint }),
    ]) {
      expect(said.code).toMatchObject({ kind: 'host-key' });
      const { message, hint } = said.code as FerryError;
      expect(message).toContain(`${old.fingerprint} (${file}:2)`);
      expect(message).toContain(fingerprint);
      expect(hint).toContain(`remove ${file}:2`);
      expect(readFileSync(file, 'utf8')).toBe(before);
    }
  });

  test('a revoked key is never added', async ({ one }) => {
    const key = readFileSync(`${one.hostKeyFiles[0]}.pub`, 'utf8');
    known(`@revoked * ${key}`);
    const said = await run(remoteOf(one), { yes: true, fingerprint: one.hostKeyFingerprint });
    expect(said.code).toMatchObject({ kind: 'host-key' });
    expect((said.code as FerryError).message).toContain('REVOKED');
    expect(readFileSync(file, 'utf8')).toBe(`@revoked * ${key}`);
  });

  test('a file without its last newline gets one; hashed lines may stand beside it', async ({
    one,
  }) => {
    known(`elsewhere ${one.publicKey}\n`);
    execFileSync('ssh-keygen', ['-q', '-H', '-f', file], { stdio: 'ignore' });
    writeFileSync(file, readFileSync(file, 'utf8').trimEnd());
    expect((await run(remoteOf(one), {}, 'yes\n')).code).toBe(0);
    expect(lookedUp(one)).toContain('found: line 2');
  });

  test('an alias is what the key is filed under', async ({ one }) => {
    const remote = { ...remoteOf(one), hostKeyAlias: 'store' };
    expect((await run(remote, {}, 'yes\n')).code).toBe(0);
    expect(readFileSync(file, 'utf8')).toMatch(/^store ssh-ed25519 /);
  });

  test('/dev/null is no place for it', async ({ one }) => {
    const said = await run({ ...remoteOf(one), knownHosts: ['/dev/null'] }, {}, 'yes\n');
    expect(said.code).toMatchObject({ kind: 'config' });
  });
});

test('a file of the machine is no place for it', async ({ one }) => {
  const machine = join(home, 'etc/ssh_known_hosts');
  for (const [files, more] of [
    [[machine], { machineKnownHosts: [machine] }],
    [['/etc/ssh/ssh_known_hosts'], {}],
  ] as const) {
    const said = await run({ ...remoteOf(one), knownHosts: files }, more, 'yes\n');
    expect(said.code).toMatchObject({
      kind: 'config',
      message: expect.stringContaining(
        `no known_hosts file of your own to write to: there is only ${files[0]}`,
      ),
    });
  }
  expect(existsSync(machine)).toBe(false);
});

test('--json: events on stdout, nothing else', async ({ one }) => {
  const options = { yes: true, fingerprint: one.hostKeyFingerprint, json: true };
  for (const added of [true, false]) {
    const said = await run(remoteOf(one), options);
    expect(said.code).toBe(0);
    expect(JSON.parse(said.stdout)).toEqual({
      event: 'host-key',
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      remote: `sftp://127.0.0.1:${one.port}`,
      host: '127.0.0.1',
      port: one.port,
      type: 'ssh-ed25519',
      fingerprint: one.hostKeyFingerprint,
      added,
    });
  }
});

test('a pin in jobs.yml is mentioned: known_hosts does not count there', async ({ one }) => {
  const pin = makeKey(join(home, 'pin')).fingerprint;
  const said = await run({ ...remoteOf(one), hostKey: [pin] }, {}, 'no\n');
  expect(said.stderr).toContain(`pins ${pin}`);
});

test('a remote behind another needs a way there', async ({ one, two }) => {
  const said = await run({ ...remoteOf(one), jump: remoteOf(two) }, {}, 'yes\n');
  expect(said.code).toMatchObject({ kind: 'config' });
  expect((said.code as FerryError).hint).toContain('hostKey');
});

test('of a group each member is asked for, whatever becomes of the others', async ({
  one,
  two,
}) => {
  mkdirSync(join(home, '.ssh'), { mode: 0o700 });
  const remoteAt = (port: number) => ({ host: '127.0.0.1', port, username: 'u' });
  await writeJobs(home, {
    remotes: { web1: remoteAt(two.port), web2: remoteAt(1), web3: remoteAt(one.port) },
    groups: { web: ['web1', 'web2', 'web3'] },
  });
  const answers = ['no\r', 'yes\r'];
  const question = /\[yes\/no\] $/;
  const { shown, code } = await ferrylineOnTerminal('trust web', { cwd: home }, question, (type) =>
    type(answers.shift() ?? ''),
  );
  expect([code, answers], shown).toEqual([6, []]);
  expect(shown).toContain("web2: 127.0.0.1 port 1 can't be reached: connection refused");
  expect(shown).toContain(`# web3\r\nhostKey: ${one.hostKeyFingerprint}\r\n`);
  expect(readFileSync(file, 'utf8')).toMatch(
    new RegExp(`^\\[127\\.0\\.0\\.1\\]:${one.port} \\S+ \\S+\\n$`),
  );
  const refused = await ferryline(['trust', 'web', '-P', '22'], { cwd: home });
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('name one of them')]);
});
