/** Commands that hang, flood, fork or kill their group end, and nothing that they started outlives them. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Cancelled } from '../../../../src/core/errors.js';
import { runCommand } from '../../../../src/workers/run/hooks/command.js';

/** Runs a shell's text as the command, which these tests alone do. */
function sh(text: string, options: object = {}, signal = new AbortController().signal) {
  const env = { PATH: process.env.PATH ?? '' };
  const command = { argv: ['sh', '-c', text], folder: '/', env, input: '', timeout: 60_000 };
  return runCommand({ ...command, ...options }, signal);
}

/** Whether a process is there and is no zombie, which its parent may leave lying. */
function lives(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

test('it gets its input and its environment, and nothing else', async () => {
  const end = await sh('env; cat', { env: { A: 'b c' }, input: 'said\n' });
  expect(end.failed).toBeUndefined();
  // what the shell itself adds is no secret
  const lines = end.output.split('\n').filter((line) => !/^(PWD|OLDPWD|SHLVL|_)=/.test(line));
  expect(lines).toEqual(['A=b c', 'said', '']);
});

test('one that reads nothing of a large input succeeds', async () => {
  expect((await sh('exit 0', { input: 'x'.repeat(5_000_000) })).failed).toBeUndefined();
});

test.each([
  ['exit 3', 'ended with 3'],
  ['kill -9 $$', 'was ended by SIGKILL'],
  ['kill -9 0', 'was ended by SIGKILL'],
])('%s: it %s', async (text, failed) => {
  expect((await sh(text)).failed).toBe(failed);
});

test.each([
  [['./no\nsuch'], 'there is no such program: ./no\\nsuch'],
  [['/etc/passwd/x'], 'there is no such program: /etc/passwd/x'],
  [['/etc'], 'it may not be executed: /etc'],
  [['true', 'x'.repeat(200_000)], 'its arguments and variables are too long: true'],
])('what the system does not run: %.30s', async (argv, why) => {
  expect((await sh('', { argv })).failed).toBe(`can't be run: ${why}`);
});

test('of a flood the last 64 KiB are kept', async () => {
  const { failed, output } = await sh('yes 123456789012345 | head -c 30000000; echo last');
  expect([failed, output.length, output.endsWith('\nlast\n')]).toEqual([undefined, 65_536, true]);
});

test('one that hangs is stopped after its time, with what it has started', async () => {
  const end = await sh('sleep 1000 & echo $!; wait', { timeout: 300 });
  expect(end.failed).toBe('did not end in time, and was stopped');
  expect(lives(Number(end.output))).toBe(false);
});

test('one that ignores SIGTERM is killed', async () => {
  const text = "trap '' TERM; echo $$; while :; do sleep 1; done";
  const end = await sh(text, { timeout: 300, grace: 300 });
  expect(end.failed).toBe('did not end in time, and was stopped');
  expect(lives(Number(end.output.split('\n')[0]))).toBe(false);
});

test('one that leaves a process behind, which keeps its output open, has ended; that process is stopped', async () => {
  const end = await sh('sleep 1000 & echo $!');
  expect(end.failed).toBeUndefined();
  expect(lives(Number(end.output))).toBe(false);
});

test('a process that has left the group keeps nobody waiting', async () => {
  const end = await sh('setsid sleep 1000 & sleep 0.2; echo "$!"');
  expect(end.failed).toBeUndefined();
  process.kill(Number(end.output), 'SIGKILL');
});

test('one whose run is stopped is stopped, too, and none begins after that', async () => {
  const stop = new AbortController();
  const running = sh('echo here; sleep 1000', {}, stop.signal);
  stop.abort();
  expect((await running).failed).toBe('was stopped with its run');
  const { failed, output } = await sh('echo here', {}, stop.signal);
  expect([failed, output]).toEqual(['was not run, since its run was stopped', '']);
});

test('what ignores SIGTERM has less time when ferryline itself ends, also what a command has left', async () => {
  const stop = new AbortController();
  const ignoring = `trap '' TERM; echo $$; while :; do sleep 1; done`;
  const grace = 60_000;
  const running = sh(ignoring, { grace }, stop.signal);
  const left = sh(
    `sh -c "trap '' TERM; while :; do sleep 1; done" & echo $!`,
    { grace },
    stop.signal,
  );
  setTimeout(() => stop.abort(new Cancelled(143)), 500);
  expect((await running).failed).toBe('was stopped with its run');
  expect(lives(Number((await left).output))).toBe(false);
});
