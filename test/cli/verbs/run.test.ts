/** run, plan, explain and the ad hoc verbs against a real sshd, through the built program. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect } from 'vitest';
import { test } from '../../kit/base.js';
import { ferryline, startFerryline, writeJobs } from '../../kit/daemons/cli.js';
import { temporaryFolder } from '../../kit/files/temporary.js';
import { randomBytes, readTree, sameTree, writeTree } from '../../kit/files/tree.js';
import type { Sshd } from '../../kit/servers/sshd.js';

const main = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

let cwd: string;
/** A fresh folder below the server's root for each test. */
let place: string;
let tests = 0;

test.beforeEach(async ({ sshd }) => {
  cwd = await temporaryFolder();
  place = `test-${tests++}`;
  await writeConfig(sshd);
});

function writeConfig(sshd: Sshd, change: { remote?: object; job?: object } = {}): Promise<string> {
  return writeJobs(cwd, {
    remotes: {
      archive: {
        host: sshd.host,
        port: sshd.port,
        username: sshd.username,
        auth: { key: sshd.keyFile },
        knownHosts: sshd.knownHostsFile,
        root: sshd.root,
        ...change.remote,
      },
    },
    jobs: {
      nightly: { operation: 'mirror', from: './data', to: `archive:${place}`, ...change.job },
      upload: { operation: 'push', from: './data', to: `archive:${place}-up` },
    },
  });
}

const run = (...args: string[]) => ferryline(args, { cwd });
const there = (sshd: Sshd, path = '') => join(sshd.root, place, path);
const data = (tree: Parameters<typeof writeTree>[1]) => writeTree(join(cwd, 'data'), tree);

const tree = { 'a.txt': 'a', 'b/c.txt': 'c', 'b/d.bin': randomBytes(100_000) };

describe('run', () => {
  test('tells what it did, on stderr', async ({ sshd }) => {
    data(tree);
    const result = await run('run', 'nightly');
    expect(result).toMatchObject({ code: 0, stdout: '' });
    expect(result.stderr).toMatch(
      /^nightly: succeeded: 3 copied \(98 KiB\) in .*, 1 session, verified by size$/m,
    );
    expect(sameTree(join(cwd, 'data'), there(sshd))).toBe(true);
  });

  test('says nothing with -q when all went well', async () => {
    data(tree);
    expect(await run('run', 'nightly', '-q')).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  test('with --json prints exactly the events of the contract, and keeps the report', async () => {
    data(tree);
    const { code, events } = await run('run', 'nightly', '--json');
    expect(code).toBe(0);
    expect(new Set(events.map(({ event }) => event))).toEqual(new Set(['plan', 'file', 'run']));
    const plan = events.find(({ event }) => event === 'plan') ?? {};
    expect(Object.keys(plan)).toEqual([
      ...['event', 'time', 'job', 'mkdirs', 'copies', 'attrs', 'renames', 'deletes', 'conflicts'],
      ...['bytes', 'mtimeOnly', 'digest'],
    ]);
    const copied = events.filter(({ event, action }) => event === 'file' && action === 'copy');
    expect(copied.map(({ path }) => path).sort()).toEqual(Object.keys(tree).sort());
    const { event, time, ...report } = events.at(-1) ?? { event: '', time: '' };
    expect(event).toBe('run');
    expect(Object.keys(report).sort()).toEqual(
      [
        ...['run', 'job', 'operation', 'trigger', 'outcome', 'exitCode', 'startedAt', 'endedAt'],
        ...['seconds', 'files', 'bytes', 'sessions', 'attempt', 'verified', 'failures'],
        'failuresOmitted',
      ].sort(),
    );
    const folder = join(cwd, '.state/runs/nightly');
    expect(readdirSync(folder)).toEqual([`${report.run}.json`]);
    expect(JSON.parse(readFileSync(join(folder, `${report.run}.json`), 'utf8'))).toEqual(report);
  });

  test('says what a job is for: in its report, and where it fails', async ({ sshd }) => {
    data(tree);
    const about = 'Archive of the shop; on call: storage';
    await writeConfig(sshd, { job: { description: about } });
    const good = await run('run', 'nightly', '--json');
    expect(good.events.at(-1)).toMatchObject({ outcome: 'succeeded', description: about });
    rmSync(join(cwd, 'data'), { recursive: true });
    const bad = await run('run', 'nightly');
    expect(bad.code).not.toBe(0);
    expect(bad.stderr).toContain(`  about: ${about}\n`);
  });

  test('runs several jobs over one login', async ({ sshd }) => {
    data(tree);
    const before = sshd.logins();
    const { code, events } = await run('run', 'nightly', 'upload', 'nightly', '--json');
    expect(code).toBe(0);
    const runs = events.filter(({ event }) => event === 'run');
    expect(runs.map(({ job }) => job)).toEqual(['nightly', 'upload']);
    expect(sshd.logins() - before).toBe(1);
  });

  test('one that fails keeps no other from running, and decides the exit code', async () => {
    data(tree);
    await run('run', 'nightly');
    rmSync(join(cwd, 'data'), { recursive: true });
    mkdirSync(join(cwd, 'data'));
    const { code, events } = await run('run', 'nightly', 'upload', '--json');
    expect(code).toBe(7);
    const runs = events.filter(({ event }) => event === 'run');
    expect(runs.map(({ exitCode }) => exitCode)).toEqual([7, 0]);
  });

  test('flags override the job for this once', async ({ sshd }) => {
    data(tree);
    const { events } = await run('run', 'nightly', '--exclude', '*.bin', '--json');
    expect(events.at(-1)).toMatchObject({ outcome: 'succeeded', files: { copied: 2 } });
    expect(readTree(there(sshd))).toEqual({ 'a.txt': 'a', 'b/c.txt': 'c' });
  });

  test('with -v names each file, escaped', async () => {
    data({ 'a\nb\x1b[31m.txt': 'x' });
    const { stderr } = await run('run', 'nightly', '-v');
    expect(stderr).toContain('copy      a\\nb\\x1b[31m.txt  (1 B');
    expect(stderr).not.toContain('\x1b');
  });

  test('with -vv shows the session: status, command, response', async () => {
    data(tree);
    const { stderr, stdout } = await run('run', 'nightly', '-vv');
    for (const kind of ['status', 'command', 'response']) {
      expect(stderr).toMatch(new RegExp(`^archive {2}${kind}: +\\S`, 'm'));
    }
    expect(stderr).toMatch(/command: .*OPEN/);
    expect(stdout).toBe('');
  });

  test('a dry run prints the plan and changes nothing', async ({ sshd }) => {
    data(tree);
    const { code, stdout } = await run('run', 'nightly', '-n');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^copy {6}a\.txt {2}\(1 B, new\)$/m);
    expect(readdirSync(sshd.root)).not.toContain(place);
    expect(existsSync(join(cwd, '.state'))).toBe(false);
  });

  test('a dry run exits as the guard would: 7', async ({ sshd }) => {
    data(tree);
    await run('run', 'nightly');
    rmSync(join(cwd, 'data/b'), { recursive: true });
    expect((await run('run', 'nightly', '-n')).code).toBe(7);
    const refused = await run('run', 'nightly');
    expect(refused.code).toBe(7);
    expect(refused.stderr).toMatch(/error: nightly: /);
    expect(refused.stderr).toContain('next: ');
    expect(readTree(there(sshd))).toHaveProperty(['b/c.txt']);
    expect((await run('run', 'nightly', '--max-delete', '100%')).code).toBe(0);
    expect(readTree(there(sshd))).toEqual({ 'a.txt': 'a' });
  });

  test('while another process runs the job: 8, naming it', async () => {
    data({ 'big.bin': randomBytes(3_000_000) });
    const holder = startFerryline(['run', 'nightly', '--bwlimit', '200KiB/s', '-vv'], { cwd });
    await holder.said(/WRITE/);
    const { code, stderr, events } = await run('run', 'nightly', '--json');
    expect(code).toBe(8);
    expect(stderr).toContain(`in process ${holder.pid}`);
    expect(events).toMatchObject([{ event: 'run', exitCode: 8, error: { kind: 'busy' } }]);
    // Looking takes no lock.
    expect((await run('plan', 'nightly')).code).toBe(0);
    holder.child.kill('SIGKILL');
    await holder.ended;
  });

  test.for([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)(
    '%s cancels it: %d, with a report and no half file',
    async ([signal, exitCode], { sshd }) => {
      data({ 'big.bin': randomBytes(3_000_000) });
      const args = ['run', 'nightly', '--bwlimit', '200KiB/s', '-vv', '--json'];
      const live = startFerryline(args, { cwd });
      await live.said(/WRITE/);
      live.child.kill(signal);
      const { code, events } = await live.ended;
      expect(code).toBe(exitCode);
      expect(events.at(-1)).toMatchObject({ event: 'run', outcome: 'cancelled', exitCode });
      expect(Object.keys(readTree(there(sshd))).filter((name) => !name.startsWith('.'))).toEqual(
        [],
      );
      expect((await run('run', 'nightly')).code).toBe(0);
      expect(sameTree(join(cwd, 'data'), there(sshd))).toBe(true);
    },
  );

  test.for<[number, string, object]>([
    [4, 'network', { port: 1 }],
    [5, 'auth', { username: 'nobody-here' }],
    [6, 'host-key', { hostKey: `SHA256:${'A'.repeat(43)}` }],
  ] as const)(
    'exit code %d: %s, with what and what next',
    async ([code, kind, remote], { sshd }) => {
      data(tree);
      await writeConfig(sshd, { remote });
      const result = await run('run', 'nightly', '--json');
      expect(result.code).toBe(code);
      expect(result.events.at(-1)).toMatchObject({
        event: 'run',
        outcome: 'failed',
        exitCode: code,
        error: { kind, message: expect.any(String), hint: expect.any(String) },
      });
      expect(result.stderr).toMatch(/^error: nightly: /m);
      expect(result.stderr).toMatch(/^ {2}next: /m);
    },
  );

  test('--attempts runs it again, and counts', async ({ sshd }) => {
    data(tree);
    await writeConfig(sshd, {
      remote: { port: 1 },
      job: { retry: { attempts: 1, backoff: '1ms', maxBackoff: '1ms' } },
    });
    const { code, events } = await run('run', 'nightly', '--attempts', '3', '--json');
    expect(code).toBe(4);
    const runs = events.filter(({ event }) => event === 'run');
    expect(runs.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(new Set(runs.map(({ run: id }) => id)).size).toBe(1);
  });

  test('a password is in no output, however it ends', async ({ sshd }) => {
    data(tree);
    const secret = 'canary-hunter2';
    await writeConfig(sshd, { remote: { auth: { password: secret } } });
    for (const args of [['-vv'], ['--json', '-vv'], []]) {
      const { code, stdout, stderr } = await run('run', 'nightly', ...args);
      expect(code).toBe(5);
      expect(stdout + stderr).not.toContain(secret);
    }
  });
});

/** The program on a terminal of its own; what it shows, and how it ended. */
async function onTerminal(...args: string[]): Promise<{ screen: string; code: number }> {
  const line = [process.execPath, main, ...args].map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['-qefc', line, '/dev/null'], {
    cwd,
    env: {
      PATH: process.env.PATH,
      HOME: cwd,
      FERRYLINE_STATE_DIR: join(cwd, '.state'),
      TERM: 'xterm',
      SHELL: '/bin/sh',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let screen = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
  });
  const [code] = await once(child, 'close');
  return { screen, code };
}

describe('on a terminal', () => {
  test('a run shows its progress in place and gives the cursor back', async () => {
    data({ 'big.bin': randomBytes(600_000) });
    const { screen, code } = await onTerminal('run', 'nightly', '--bwlimit', '400KiB/s');
    expect(code).toBe(0);
    expect(screen).toContain('\x1b[?25l');
    expect(screen).toMatch(/nightly {2}copying {2}0 of 1 file {2}\S+ \S+ of 586 KiB/);
    expect(screen).toMatch(/\[#*-+\] +\d+ %/);
    const end = screen.slice(screen.lastIndexOf('\x1b[?25h'));
    expect(end).toContain('succeeded');
    expect(end).not.toContain('\x1b[?25l');
  });

  test('with --json there is nothing to draw', async () => {
    data(tree);
    const { screen } = await onTerminal('run', 'nightly', '--json');
    expect(screen).not.toContain('\x1b');
  });
});

describe('plan', () => {
  test('prints the actions on stdout; with --exit-code 10 while there are any', async () => {
    data(tree);
    const first = await run('plan', 'nightly', '--exit-code');
    expect(first.code).toBe(10);
    expect(first.stdout).toMatch(/^copy {6}b\/c\.txt {2}\(1 B, new\)$/m);
    expect(first.stderr).toMatch(/nightly: .*3 files to copy \(98 KiB\)/);
    expect((await run('plan', 'nightly')).code).toBe(0);
    await run('run', 'nightly');
    expect(await run('plan', 'nightly', '--exit-code')).toMatchObject({ code: 0, stdout: '' });
  });

  test('with --json prints an action a line, then the plan', async () => {
    data({ 'a\n"b".txt': 'x' });
    const { code, events } = await run('plan', 'nightly', '--json');
    expect(code).toBe(0);
    const kinds = events.map(({ event }) => event);
    expect(kinds.indexOf('plan')).toBeGreaterThan(kinds.lastIndexOf('action'));
    expect(events).toContainEqual(
      expect.objectContaining({ event: 'action', action: 'copy', path: 'a\n"b".txt', bytes: 1 }),
    );
  });

  test('bears a reader that goes away', async () => {
    data(Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`file-${i}`, ''])));
    const child = spawn(process.execPath, [main, 'plan', 'nightly'], {
      cwd,
      env: { PATH: process.env.PATH, HOME: cwd, FERRYLINE_STATE_DIR: join(cwd, '.state') },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.stdout.destroy();
    const [code] = await once(child, 'close');
    expect(stderr).not.toContain('EPIPE');
    expect(code).toBe(0);
  });
});

describe('explain', () => {
  test('names the rule, both sides and the verdict', async ({ sshd }) => {
    data({ 'a.txt': 'a', 'x.tmp': 'x' });
    await writeConfig(sshd, { job: { exclude: ['*.tmp'] } });
    const excluded = await run('explain', 'nightly', 'x.tmp');
    expect(excluded.code).toBe(0);
    expect(excluded.stdout).toMatch(/^x\.tmp: out of scope$/m);
    expect(excluded.stdout).toMatch(/^ {2}rule +\*\.tmp {2}\(exclude\)$/m);
    const copied = await run('explain', 'nightly', 'a.txt');
    expect(copied.stdout).toMatch(/^a\.txt: copied$/m);
    expect(copied.stdout).toMatch(/^ {2}source +file, 1 B, \d{4}-.*Z, 0/m);
    expect(copied.stdout).toMatch(/^ {2}destination +does not exist$/m);
  });

  test('with --json is one object', async () => {
    data({ 'a.txt': 'a' });
    const live = await run('explain', 'nightly', 'a.txt', '--live', '*.txt');
    expect(live.stdout).toContain('matches `live`');
    const { events } = await run('explain', 'nightly', 'a.txt', '--json');
    expect(events).toMatchObject([
      { event: 'explain', job: 'nightly', path: 'a.txt', verdict: 'copied' },
    ]);
  });
});

describe('ad hoc', () => {
  const host = (sshd: Sshd) => `${sshd.username}@${sshd.host}`;

  test.beforeEach(({ sshd }) => {
    rmSync(join(cwd, 'jobs.yml'));
    mkdirSync(join(cwd, '.ssh'));
    const known = readFileSync(sshd.knownHostsFile, 'utf8');
    writeFileSync(join(cwd, '.ssh/known_hosts'), known);
  });

  test('push, mirror and pull work with -i and -P', async ({ sshd }) => {
    data(tree);
    const login = ['-i', sshd.keyFile, '-P', String(sshd.port), '--json'];
    const pushed = await run('push', './data', `${host(sshd)}:${place}`, ...login);
    expect(pushed.code).toBe(0);
    expect(pushed.events.at(-1)).toMatchObject({ operation: 'push', files: { copied: 3 } });
    rmSync(join(cwd, 'data/a.txt'));
    const to = `${host(sshd)}:${place}`;
    const mirrored = await run('mirror', './data', to, ...login, '--delete-max', '1');
    expect(mirrored.events.at(-1)).toMatchObject({ operation: 'mirror', files: { deleted: 1 } });
    const pulled = await run('pull', `${host(sshd)}:${place}`, './back', ...login);
    expect(pulled.code).toBe(0);
    expect(sameTree(join(cwd, 'data'), join(cwd, 'back'))).toBe(true);
  });

  test('an sftp:// address is absolute', async ({ sshd }) => {
    data(tree);
    const url = `sftp://${host(sshd)}:${sshd.port}${there(sshd)}`;
    expect((await run('push', './data', url, '-i', sshd.keyFile)).code).toBe(0);
    expect(sameTree(join(cwd, 'data'), there(sshd))).toBe(true);
  });

  test('~/.ssh/config fills in the rest', async ({ sshd }) => {
    data(tree);
    writeFileSync(
      join(cwd, '.ssh/config'),
      [
        'Host backup',
        `  HostName ${sshd.host}`,
        `  Port ${sshd.port}`,
        `  User ${sshd.username}`,
        `  IdentityFile ${sshd.keyFile}`,
        '',
      ].join('\n'),
    );
    expect((await run('push', './data', `backup:${place}`)).code).toBe(0);
    expect(sameTree(join(cwd, 'data'), there(sshd))).toBe(true);
  });

  test('a remote of jobs.yml comes before an ssh host of its name', async ({ sshd }) => {
    data(tree);
    await writeConfig(sshd);
    expect((await run('push', './data', `archive:${place}`)).code).toBe(0);
    expect(sameTree(join(cwd, 'data'), there(sshd))).toBe(true);
  });

  test('an unknown host key: 6, before anything is sent', async ({ sshd }) => {
    data(tree);
    rmSync(join(cwd, '.ssh/known_hosts'));
    const before = sshd.logins();
    const login = ['-i', sshd.keyFile, '-P', String(sshd.port)];
    const { code, stderr } = await run('push', './data', `${host(sshd)}:${place}`, ...login);
    expect(code).toBe(6);
    expect(stderr).toContain('ferryline trust');
    expect(sshd.logins()).toBe(before);
  });
});
