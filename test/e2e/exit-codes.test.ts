/** Every exit code of docs/commands.md's table, with its outcome, kind and advice. */
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { test } from '../kit/base.js';
import { startFerryline } from '../kit/daemons/cli.js';
import { temporaryFolder } from '../kit/files/temporary.js';
import { randomBytes, readTree, sameTree } from '../kit/files/tree.js';
import { openScene } from '../kit/scene.js';
import { freePort } from '../kit/servers/free-port.js';
import { listing } from '../kit/servers/hostile-replies.js';
import { startHostileServer } from '../kit/servers/hostile-server.js';
import { makeKey } from '../kit/servers/keys.js';

test.beforeEach(async ({ scene }) => {
  scene.writeHere({ 'a.txt': 'a', 'b.txt': 'b' });
});

/** An error for people: the job, the cause, the next step. */
function expectError(stderr: string): void {
  expect(stderr).toMatch(/^error: (?:job: |.*jobs\.yml)/m);
  expect(stderr).toMatch(/^ {2}next: \S/m);
}

test('0: succeeded', async ({ scene }) => {
  expect(await scene.run()).toMatchObject({
    code: 0,
    report: { outcome: 'succeeded', exitCode: 0 },
  });
});

test('0: an entry that is skipped by a rule is no failure', async ({ scene }) => {
  scene.writeHere({ link: { link: 'a.txt' } });
  expect(await scene.run()).toMatchObject({ code: 0, report: { files: { skipped: 1 } } });
});

test('2: a broken jobs.yml, with its place; no event is printed', async ({ scene }) => {
  writeFileSync(
    join(scene.cwd, 'jobs.yml'),
    'jobs:\n  job:\n    operation: mirror\n    from: ./data\n    to: nowhere:x\n',
  );
  const { code, stderr, events } = await scene.cli(['run', 'job', '--json']);
  expect(code).toBe(2);
  expect(events).toMatchObject([{ event: 'error', kind: 'config' }]);
  expect(stderr).toMatch(/jobs\.yml:5:9 /);
});

test('3: some path was not done, the rest was', async ({ scene }) => {
  scene.writeHere({ x: 'file' });
  scene.writeThere({ 'x/a': 'a' });
  await scene.jobs({ operation: 'push' });
  const { code, report, stderr } = await scene.run();
  expect(code).toBe(3);
  expect(report).toMatchObject({ outcome: 'incomplete', files: { copied: 2, failed: 1 } });
  expect(stderr).toMatch(/failed {2}x: .*\(conflict\)/);
});

test('4: nobody listens', async ({ scene }) => {
  await scene.jobs({}, { port: await freePort() });
  const { code, report, stderr } = await scene.run();
  expect(code).toBe(4);
  expect(report).toMatchObject({ outcome: 'failed', sessions: 0, error: { kind: 'network' } });
  expectError(stderr);
});

test('4: no such host', async ({ scene }) => {
  await scene.jobs({}, { host: 'no-such-host.invalid' });
  const { code, report, stderr } = await scene.run();
  expect(code).toBe(4);
  expect(report.error.kind).toBe('network');
  expect(report.error.message).toContain('no-such-host.invalid');
  expectError(stderr);
});

test('5: the key is not accepted', async ({ scene }) => {
  const keys = await temporaryFolder();
  await scene.jobs({}, { auth: { key: makeKey(join(keys, 'other')).file } });
  const { code, report, stderr } = await scene.run();
  expect(code).toBe(5);
  expect(report).toMatchObject({ outcome: 'failed', error: { kind: 'auth' } });
  expectError(stderr);
});

test('6: the host key is another; both fingerprints are shown and nothing is logged in', async ({
  sshd,
  scene,
}) => {
  const pinned = `SHA256:${'A'.repeat(43)}`;
  await scene.jobs({}, { hostKey: pinned });
  const before = sshd.logins();
  const { code, report, stderr } = await scene.run();
  expect(code).toBe(6);
  expect(report).toMatchObject({ outcome: 'failed', sessions: 0, error: { kind: 'host-key' } });
  expect(stderr).toContain(pinned);
  expect(stderr).toContain(sshd.hostKeyFingerprint);
  expect(sshd.logins()).toBe(before);
  expectError(stderr);
});

test('7: the guard refuses, and nothing was changed', async ({ scene }) => {
  scene.writeThere({ 'a.txt': 'old', x: '', y: '', z: '' });
  const { code, report, stderr } = await scene.run();
  expect(code).toBe(7);
  expect(report).toMatchObject({ outcome: 'refused', error: { kind: 'refused' } });
  expect(readTree(scene.there())).toEqual({ 'a.txt': 'old', x: '', y: '', z: '' });
  expect(stderr).toContain('would delete');
  expectError(stderr);
  expect((await scene.cli(['run', 'job', '-n'])).code).toBe(7);
  expect((await scene.cli(['plan', 'job'])).code).toBe(7);
});

test('8: another process runs the job', async ({ scene }) => {
  scene.writeHere({ 'big.bin': randomBytes(3_000_000) });
  const holder = startFerryline(['run', 'job', '--bwlimit', '200KiB/s', '-vv'], {
    cwd: scene.cwd,
  });
  await holder.said(/WRITE/);
  const { code, report, stderr } = await scene.run();
  expect(code).toBe(8);
  expect(report).toMatchObject({ outcome: 'failed', error: { kind: 'busy' } });
  expect(stderr).toContain(String(holder.pid));
  holder.child.kill('SIGKILL');
  await holder.ended;
  expect((await scene.run()).code).toBe(0);
});

test('9: a peer that lists an impossible name', async () => {
  const hostile = await startHostileServer({ behave: listing(['../x']) });
  try {
    const trap = await openScene(hostile);
    trap.writeThere({ a: 'a' });
    await trap.jobs({ operation: 'pull', from: `archive:${trap.place}`, to: './data' });
    const { code, report, stderr } = await trap.run();
    expect(code).toBe(9);
    expect(report).toMatchObject({ outcome: 'failed', error: { kind: 'hostile-peer' } });
    expectError(stderr);
  } finally {
    await hostile.stop();
  }
});

test('10: `plan --exit-code` when there is something to do', async ({ scene }) => {
  expect((await scene.cli(['plan', 'job', '--exit-code'])).code).toBe(10);
  await scene.run();
  expect((await scene.cli(['plan', 'job', '--exit-code'])).code).toBe(0);
});

test.for([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)(
  '%s: %d, cancelled, nothing half done, nothing left behind',
  async ([signal, exit], { scene }) => {
    scene.writeHere({ 'big.bin': randomBytes(3_000_000) });
    scene.writeThere({ 'a.txt': 'old', 'big.bin': 'old', gone: 'gone' });
    scene.mirrored();
    const args = ['run', 'job', '--bwlimit', '200KiB/s', '-vv', '--json'];
    const live = startFerryline(args, { cwd: scene.cwd });
    await live.said(/WRITE/);
    live.child.kill(signal);
    const { code, events } = await live.ended;
    expect(code).toBe(exit);
    expect(events.at(-1)).toMatchObject({ event: 'run', outcome: 'cancelled', exitCode: exit });
    const after = readTree(scene.there());
    expect(after['big.bin']).toBe('old');
    expect(after.gone).toBe('gone');
    expect(['a', 'old']).toContain(after['a.txt']);
    expect(Object.keys(after).filter((path) => path.endsWith('.ferrypart'))).toEqual([]);
    expect((await scene.run()).code).toBe(0);
    expect(sameTree(scene.here(), scene.there())).toBe(true);
  },
);

test('timeout: 3, and nothing is deleted', async ({ scene }) => {
  scene.writeHere({ 'big.bin': randomBytes(3_000_000) });
  scene.writeThere({ gone: 'gone', 'a.txt': 'a' });
  scene.mirrored();
  await scene.jobs({ timeout: '1s', bandwidth: '100KiB/s' });
  const { code, report, stderr } = await scene.run();
  expect(code).toBe(3);
  expect(report).toMatchObject({ outcome: 'incomplete', error: { kind: 'timeout' } });
  expect(report.files.deleted).toBe(0);
  expect(readTree(scene.there())).toMatchObject({ gone: 'gone' });
  expect(readTree(scene.there())).not.toHaveProperty(['big.bin']);
  expectError(stderr);
});

test('several jobs: the exit code that is worst', async ({ scene }) => {
  mkdirSync(join(scene.cwd, 'empty'));
  scene.writeThere({ x: 'x' });
  await scene.jobs({ from: './empty' });
  const yaml = ['', '  missing:', '    operation: push', '    from: ./no', '    to: archive:no'];
  const file = join(scene.cwd, 'jobs.yml');
  writeFileSync(file, readFileSync(file, 'utf8').trimEnd() + yaml.join('\n'));
  const { code, events } = await scene.cli(['run', 'job', 'missing', '--json']);
  expect(events.filter(({ event }) => event === 'run').map(({ exitCode }) => exitCode)).toEqual([
    7, 7,
  ]);
  expect(code).toBe(7);
});

test('a key that others can read: 2, with the chmod that fixes it', async ({ sshd, scene }) => {
  const keys = await temporaryFolder();
  const copy = join(keys, 'readable');
  copyFileSync(sshd.keyFile, copy);
  chmodSync(copy, 0o644);
  await scene.jobs({}, { auth: { key: copy } });
  const { code, report } = await scene.run();
  expect(code).toBe(2);
  expect(report.error).toMatchObject({ kind: 'config', hint: expect.stringContaining('chmod') });
});
