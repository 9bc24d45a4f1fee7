import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { FileEvent } from '../../src/core/events.js';
import { redactor } from '../../src/observe/redact.js';
import { openTransferLog, type TransferLogOptions } from '../../src/observe/transfer-log.js';
import { temporaryFolder } from '../kit/files/temporary.js';

const of = { job: 'nightly', run: '20261124T020000Z-aaaaaaaa', remote: 'archive' };
const copied = (path: string, more: Partial<FileEvent> = {}): FileEvent => ({
  ...{ event: 'file', action: 'copy', path, bytes: 3, seconds: 0.25 },
  ...more,
});

function opened(state: string, options: Partial<TransferLogOptions> = {}) {
  const errors: Error[] = [];
  const onError = (error: Error) => errors.push(error);
  const log = openTransferLog({ state, redact: (text) => text, onError, ...options });
  return { log, errors };
}

function read(state: string, name = 'transfers.log') {
  const lines = readFileSync(join(state, name), 'utf8').split('\n');
  expect(lines.pop()).toBe('');
  return lines.map((line) => JSON.parse(line));
}

test('every file that something was done to has a line, for the owner only', async () => {
  const state = join(await temporaryFolder(), 'state');
  const { log } = opened(state);
  log.file(of, copied('a.txt'));
  log.file(of, { event: 'file', action: 'delete', path: 'b' });
  log.file(of, { event: 'file', action: 'skip', path: 'link', kind: 'link', message: 'a link' });
  log.file(of, { event: 'file', action: 'vanished', path: 'gone' });
  const failed = { kind: 'io', message: 'no space left' };
  log.file({ job: 'other', run: of.run }, { event: 'file', action: 'fail', path: 'c', ...failed });
  log.close();
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  expect(read(state)).toEqual([
    { time, ...of, action: 'copy', outcome: 'done', path: 'a.txt', bytes: 3, seconds: 0.25 },
    { time, ...of, action: 'delete', outcome: 'done', path: 'b' },
    { time, job: 'other', run: of.run, action: 'fail', outcome: 'failed', path: 'c', ...failed },
  ]);
  expect(statSync(join(state, 'transfers.log')).mode & 0o777).toBe(0o600);
});

test('a hostile name is one line and comes back as it was', async () => {
  const state = await temporaryFolder();
  const { log } = opened(state);
  const path = 'a\nb\x1b[2J\u009b"\\\u202e\u2028ü\ud800';
  log.file(of, copied(path));
  log.close();
  expect(read(state)).toMatchObject([{ path }]);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be in the file
  expect(readFileSync(join(state, 'transfers.log'), 'utf8').trimEnd()).not.toMatch(/[\0-\x1f\x9b]/);
});

test('no secret is in it, also one that came with a reload', async () => {
  const state = await temporaryFolder();
  let redact = redactor(['c4nary-secret']);
  const { log } = opened(state, { redact: (text) => redact(text) });
  log.file(of, copied('x/c4nary-secret', { message: 'said c4nary-secret' }));
  redact = redactor(['an0ther-secret']);
  log.file(of, copied('x/an0ther-secret'));
  log.close();
  const text = readFileSync(join(state, 'transfers.log'), 'utf8');
  expect(text).not.toMatch(/c4nary|an0ther/);
  expect(text.match(/\[secret\]/g)).toHaveLength(3);
});

test('it rotates by size and loses no line; beyond what is kept the oldest go', async () => {
  const state = await temporaryFolder();
  const [few, all] = [join(state, 'few'), join(state, 'all')];
  for (const [place, kept] of [
    [few, 2],
    [all, 1000],
  ] as const) {
    const { log, errors } = opened(place, { maxBytes: 4000, kept });
    for (let i = 0; i < 500; i++) log.file(of, copied(`file ${i}`));
    log.close();
    expect(errors).toEqual([]);
    for (const name of readdirSync(place))
      expect(statSync(join(place, name)).size).toBeLessThanOrEqual(4000);
  }
  const paths = (place: string) => {
    const older = readdirSync(place).length - 1;
    const names = Array.from({ length: older }, (_, i) => `transfers.log.${older - i}`);
    return [...names, 'transfers.log'].flatMap((name) => read(place, name).map(({ path }) => path));
  };
  expect(paths(all)).toEqual(Array.from({ length: 500 }, (_, i) => `file ${i}`));
  expect(readdirSync(few).sort()).toEqual(['transfers.log', 'transfers.log.1', 'transfers.log.2']);
  expect(paths(few)).toEqual(paths(all).slice(-paths(few).length));
  expect(paths(few).length).toBeGreaterThan(20);
});

test('a line longer than the whole file may be does not stop it', async () => {
  const state = await temporaryFolder();
  const { log, errors } = opened(state, { maxBytes: 500 });
  for (const path of ['before', 'x'.repeat(2000), 'after']) log.file(of, copied(path));
  log.close();
  expect(errors).toEqual([]);
  expect(read(state)).toMatchObject([{ path: 'after' }]);
  expect(read(state, 'transfers.log.1')).toMatchObject([{ path: 'x'.repeat(2000) }]);
  expect(read(state, 'transfers.log.2')).toMatchObject([{ path: 'before' }]);
});

test('it goes on after a restart, and ends a line that a crash cut off', async () => {
  const state = await temporaryFolder();
  writeFileSync(join(state, 'transfers.log'), '{"path":"whole"}\n{"path":"cut o');
  const { log } = opened(state);
  log.file(of, copied('next'));
  log.close();
  const lines = readFileSync(join(state, 'transfers.log'), 'utf8').split('\n');
  expect(lines.slice(0, 2)).toEqual(['{"path":"whole"}', '{"path":"cut o']);
  expect(JSON.parse(lines[2] ?? '')).toMatchObject({ path: 'next' });
});

/** More than is held back before it is written. */
const batch = Array.from({ length: 1000 }, (_, i) => copied(`file ${i}`));

test.each([
  ['renamed', false],
  ['renamed and made anew', true],
])('a file that was %s by somebody else is opened by its name', async (_, made) => {
  const state = await temporaryFolder();
  const { log } = opened(state);
  for (const event of batch) log.file(of, event);
  expect(existsSync(join(state, 'transfers.log'))).toBe(true);
  renameSync(join(state, 'transfers.log'), join(state, 'transfers.log-20261124'));
  if (made) writeFileSync(join(state, 'transfers.log'), '');
  log.file(of, copied('after'));
  log.close();
  expect(read(state).at(-1)).toMatchObject({ path: 'after' });
  const both = [...read(state, 'transfers.log-20261124'), ...read(state)];
  expect(both.map(({ path }) => path)).toEqual([...batch.map(({ path }) => path), 'after']);
});

test('while it cannot be written there is one error; then it says how many lines are missing', async () => {
  const folder = await temporaryFolder();
  const state = join(folder, 'state');
  writeFileSync(state, 'a file is where the folder should be');
  const { log, errors } = opened(state);
  for (const event of [...batch, ...batch]) log.file(of, event);
  expect(errors).toHaveLength(1);
  rmSync(state);
  mkdirSync(state);
  log.file(of, copied('after'));
  log.close();
  expect(errors).toHaveLength(1);
  const [first, ...rest] = read(state);
  expect(Object.keys(first)).toEqual(['time', 'lost']);
  expect(first.lost + rest.length).toBe(2 * batch.length + 1);
  expect(first.lost).toBeGreaterThan(0);
});
