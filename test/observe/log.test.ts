import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { FerryError } from '../../src/core/errors.js';
import { createLog, type Fields, type LogOptions } from '../../src/observe/log.js';
import { redactor } from '../../src/observe/redact.js';
import { builtModule } from '../kit/built.js';

const canary = 'c4nary-pässword';

/** A log, and what came out of it by the time it was closed. */
function opened(options: Partial<LogOptions> = {}) {
  let text = '';
  const out = new Writable({
    write(data, _, done) {
      text += data;
      done();
    },
  });
  const settings = { out, tty: false, colour: false, level: 'info' as const };
  const log = createLog({ ...settings, redact: redactor([canary]), ...options });
  const lines = async () => {
    await log.close();
    return text.split('\n').slice(0, -1);
  };
  return { log, lines };
}

test('elsewhere than on a terminal a line is an object: time in UTC, level, message, fields', async () => {
  const { log, lines } = opened();
  log.info('run ended', { job: 'nightly', seconds: 1.5, files: { copied: 2 }, gone: undefined });
  log.warn('late');
  const [first, second, ...more] = (await lines()).map((line) => JSON.parse(line));
  expect(Object.keys(first)).toEqual(['time', 'level', 'message', 'job', 'seconds', 'files']);
  expect(first).toMatchObject({ level: 'info', message: 'run ended', job: 'nightly' });
  expect(first).toMatchObject({ seconds: 1.5, files: { copied: 2 } });
  expect(new Date(first.time).toISOString()).toBe(first.time);
  expect(second).toEqual({ time: expect.any(String), level: 'warn', message: 'late' });
  expect(more).toEqual([]);
});

test('on a terminal a line is local time, level, message and key=value', async () => {
  const { log, lines } = opened({ tty: true });
  log.error('run failed', { job: 'nightly', why: 'no route', n: 3, odd: 'a=b' });
  const [line] = await lines();
  expect(line).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d error run failed {2}job=nightly /);
  expect(line).toMatch(/ {2}job=nightly {2}why="no route" {2}n=3 {2}odd="a=b"$/);
});

test('colours come only when they may', async () => {
  const { log, lines } = opened({ tty: true, colour: true });
  log.warn('late', { job: 'nightly' });
  expect((await lines())[0]).toContain('\x1b[33mwarn \x1b[0m late');
});

test('what is below the level is left out', async () => {
  const { log, lines } = opened({ level: 'warn' });
  log.info('left out');
  log.debug('left out');
  log.error('shown');
  expect(await lines()).toHaveLength(1);
});

test('winston mixes no field into its own, and no field takes the place of ours', async () => {
  const { log, lines } = opened();
  const fields = { stack: 's', cause: 'c', splat: 'x', exception: true, ...{ message: 'no' } };
  log.info('100 %d of %s', fields as unknown as Fields);
  expect(JSON.parse((await lines())[0] ?? '')).toEqual({
    ...{ time: expect.any(String), level: 'info', message: '100 %d of %s' },
    ...{ stack: 's', cause: 'c', splat: 'x', exception: true },
  });
});

test.each([true, false])('no secret comes out, whatever holds it (terminal: %s)', async (tty) => {
  const { log, lines } = opened({ tty, level: 'debug' });
  const error = new FerryError('auth', `with ${canary}`);
  const child = log.child({ remote: `sftp://u:${encodeURIComponent(canary)}@h` });
  child.info(`login ${canary}`, { error, deep: [{ password: canary }], text: canary });
  log.setRedact(redactor([canary, 'another-one']));
  child.error('another-one', { text: 'another-one' });
  const text = (await lines()).join('\n');
  expect(text.match(/\[secret\]/g)?.length).toBeGreaterThanOrEqual(7);
  for (const secret of [canary, encodeURIComponent(canary), 'another-one', 'c4nary'])
    expect(text).not.toContain(secret);
});

test.each([true, false])('a line stays one, and moves no cursor (terminal: %s)', async (tty) => {
  const { log, lines } = opened({ tty });
  const evil = 'a\nb\x1b[2Jc\u009bd\u202ee\u2028f\r';
  log.info(evil, { path: evil, deep: [evil], ...{ [evil]: 1 } });
  const all = await lines();
  expect(all).toHaveLength(1);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not come out
  expect(all[0]).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u202e]/);
  if (!tty) expect(JSON.parse(all[0] ?? '')).toMatchObject({ message: evil, path: evil });
});

test('backslashes of a path that is escaped already are not doubled', async () => {
  const { log, lines } = opened({ tty: true });
  log.info('a\\nb: no such file');
  expect((await lines())[0]).toMatch(/ a\\nb: no such file$/);
});

test('a message after the end and fields that hold themselves are no reason to die', async () => {
  const { log, lines } = opened();
  const circle: Record<string, unknown> = { big: 1n };
  circle.circle = circle;
  log.info('round', { circle, at: new Date(0), none: null, bad: new Date(Number.NaN) });
  const [line] = await lines();
  expect(JSON.parse(line ?? '')).toMatchObject({ at: '1970-01-01T00:00:00.000Z', bad: null });
  log.info('too late');
  await new Promise(setImmediate);
});

test('a slow reader costs lines, not memory, and the log says how many', async () => {
  const waiting: (() => void)[] = [];
  let text = '';
  let slow = true;
  const out = new Writable({
    write(data, _, done) {
      text += data;
      if (slow) waiting.push(done);
      else done();
    },
  });
  const { log } = opened({ out });
  const long = 'x'.repeat(1000);
  for (let i = 0; i < 5000; i++) log.info(long);
  slow = false;
  waiting.pop()?.();
  await new Promise(setImmediate);
  log.info('after');
  await log.close();
  const messages = text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line).message as string);
  const kept = messages.filter((message) => message === long).length;
  expect(kept).toBeLessThan(1200);
  expect(messages.slice(kept)).toEqual([
    `${5000 - kept} lines of this log were lost: they were read too slowly`,
    'after',
  ]);
});

test('a reader that takes nothing holds up the end for a second at most', async () => {
  const { log } = opened({ out: new Writable({ write() {} }) });
  log.info('never read');
  await log.close();
});

/** A process that logs to a broken stderr and says on stdout that it lived through it. */
const program = `
  const { createLog } = await import(process.argv[1]);
  const log = createLog({ out: process.stderr, tty: false, colour: false, level: 'info', redact: (t) => t });
  for (let i = 0; i < 50; i++) {
    log.info('line ' + i);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await log.close();
  process.stdout.write('alive, holding ' + process.stderr.writableLength);
`;

const built = await builtModule('observe/log.ts');

function logging(stderr: 'pipe' | number) {
  const args = ['--input-type=module', '-e', program, built];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', stderr] });
}

test.each(['a reader that is gone', 'a full disk'])('%s does not end the process', async (how) => {
  const child = logging(how === 'a full disk' ? openSync('/dev/full', 'w') : 'pipe');
  child.stderr?.destroy();
  let said = '';
  child.stdout?.on('data', (data) => {
    said += data;
  });
  const [code] = await once(child, 'close');
  expect([code, said]).toEqual([0, 'alive, holding 0']);
});
