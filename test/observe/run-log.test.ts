import { appendFileSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { FileEvent, RunEnd, RunEvent } from '../../src/core/events.js';
import { readRunLog } from '../../src/observe/read-run-log.js';
import { redactor } from '../../src/observe/redact.js';
import { openRunLog, type RunLogOptions } from '../../src/observe/run-log.js';
import { removeRunLogs } from '../../src/observe/run-log-files.js';
import { temporaryFolder } from '../kit/files/temporary.js';

const run = '20261124T020000Z-aaaaaaaa';
const ended = (change: Partial<RunEnd> = {}): RunEnd => ({
  ...{ event: 'run', run, job: 'nightly', operation: 'mirror', trigger: 'schedule' },
  ...{ outcome: 'succeeded', exitCode: 0, startedAt: '', endedAt: '', seconds: 1 },
  files: { copied: 1, attrs: 0, deleted: 0, unchanged: 0, skipped: 0, failed: 0 },
  ...{ bytes: 3, sessions: 1, attempt: 1, verified: 'size', failures: [], failuresOmitted: 0 },
  ...change,
});
const copied = (path: string): FileEvent => ({ event: 'file', action: 'copy', path, bytes: 3 });
const progress: RunEvent = {
  ...{ event: 'progress', phase: 'scan', scanned: 1 },
  files: { done: 0, total: 0 },
  bytes: { done: 0, total: 0 },
};
const transcript = (text: string): RunEvent => ({
  ...{ event: 'transcript', remote: 'archive', kind: 'status', text },
});

function opened(state: string, options: Partial<RunLogOptions> = {}) {
  const onError = (error: Error) => {
    throw error;
  };
  const redact = redactor(['c4nary-secret']);
  return openRunLog({ state, run, debug: false, redact, onError, ...options });
}

async function all(lines: AsyncIterable<string>) {
  const events = [];
  for await (const line of lines) events.push(JSON.parse(line));
  return events;
}

/** A poll so slow that only a notification of a change can be in time. */
const follow = { follow: true, pollMs: 3_600_000 };
const file = (state: string) => join(state, 'logs', `${run}.ndjson`);

test('a run log holds every event but progress, each with its time, for the owner only', async () => {
  const state = join(await temporaryFolder(), 'state');
  const log = opened(state);
  for (const event of [copied('a\n\u202e'), progress, transcript('open'), ended()]) log.emit(event);
  log.close();
  log.emit(copied('too late'));
  log.close();
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  expect(await all(readRunLog(state, run))).toEqual([
    { ...copied('a\n\u202e'), time },
    { ...ended(), time },
  ]);
  expect(statSync(file(state)).mode & 0o777).toBe(0o600);
  expect(statSync(join(state, 'logs')).mode & 0o777).toBe(0o700);
});

test('the transcript is kept when it is asked for, and no secret ever is', async () => {
  const state = await temporaryFolder();
  const log = opened(state, { debug: true });
  const text = 'said c4nary-secret';
  log.emit(transcript(text));
  log.emit(copied('x/c4nary-secret'));
  log.emit({ event: 'notice', level: 'info', message: text });
  const error = { kind: 'auth', message: text, hint: text } as const;
  log.emit(ended({ error, failures: [{ path: text, kind: 'io', message: text }] }));
  log.close();
  const [first] = await all(readRunLog(state, run));
  expect(first).toMatchObject({ event: 'transcript', text: 'said [secret]' });
  const written = readFileSync(file(state), 'utf8');
  expect(written).not.toContain('c4nary');
  expect(written.match(/\[secret\]/g)).toHaveLength(7);
});

test('a log that is full says so and still has the end', async () => {
  const state = await temporaryFolder();
  const log = opened(state, { maxBytes: 2000 });
  for (let i = 0; i < 1000; i++) log.emit(copied(`file ${i}`));
  log.emit(ended());
  log.close();
  const events = await all(readRunLog(state, run));
  expect(events.length).toBeGreaterThan(10);
  expect(events.slice(0, -2).map(({ path }) => path)).toEqual(
    events.slice(0, -2).map((_, i) => `file ${i}`),
  );
  expect(events.slice(-2)).toMatchObject([
    { event: 'notice', level: 'warning', message: expect.stringContaining('full at 2000 bytes') },
    { event: 'run' },
  ]);
  expect(statSync(file(state)).size).toBeLessThan(3000);
});

test('a large log comes back line by line, whatever falls on the edge of a read', async () => {
  const state = await temporaryFolder();
  const log = opened(state);
  const paths = Array.from({ length: 20_000 }, (_, i) => `dür/${'ü'.repeat(i % 50)}${i}`);
  for (const path of paths) log.emit(copied(path));
  log.close();
  expect((await all(readRunLog(state, run))).map(({ path }) => path)).toEqual(paths);
});

test('what a crash left of a line is passed over, and the next attempt goes on behind it', async () => {
  const state = await temporaryFolder();
  const first = opened(state);
  first.emit(copied('a'));
  first.close();
  appendFileSync(file(state), '{"event":"file","pa');
  expect(await all(readRunLog(state, run))).toMatchObject([{ path: 'a' }]);
  const second = opened(state);
  second.emit(ended({ attempt: 2 }));
  second.close();
  expect(await all(readRunLog(state, run))).toMatchObject([{ path: 'a' }, { attempt: 2 }]);
});

test('following begins before there is a log and ends with the run', async () => {
  const state = await temporaryFolder();
  const lines = readRunLog(state, run, { ...follow });
  const first = lines.next();
  const log = opened(state);
  log.emit(copied('a'));
  expect(JSON.parse((await first).value ?? '')).toMatchObject({ path: 'a' });
  const second = lines.next();
  log.emit(copied('b'));
  expect(JSON.parse((await second).value ?? '')).toMatchObject({ path: 'b' });
  const rest = all(lines);
  log.emit(copied('c'));
  log.emit(ended());
  expect(await rest).toMatchObject([{ path: 'c' }, { event: 'run' }]);
  log.close();
});

test('following goes on over an attempt that is not the last', async () => {
  const state = await temporaryFolder();
  const isLast = (end: RunEnd) => end.outcome === 'succeeded';
  const lines = readRunLog(state, run, { ...follow, isLast });
  const log = opened(state);
  log.emit(ended({ outcome: 'failed' }));
  const first = await lines.next();
  expect(JSON.parse(first.value ?? '')).toMatchObject({ outcome: 'failed' });
  const rest = all(lines);
  log.emit(ended({ attempt: 2 }));
  log.close();
  expect(await rest).toMatchObject([{ attempt: 2 }]);
});

test('following a run that has ended already ends at once, after all its attempts', async () => {
  const state = await temporaryFolder();
  const log = opened(state);
  log.emit(ended({ outcome: 'failed' }));
  log.emit(ended({ attempt: 2 }));
  log.close();
  expect(await all(readRunLog(state, run, { ...follow }))).toMatchObject([
    { attempt: 1 },
    { attempt: 2 },
  ]);
});

test('following ends with the signal, whether the log is there, growing or not', async () => {
  const state = await temporaryFolder();
  const [early, late, before] = [1, 2, 3].map(() => new AbortController());
  const none = all(readRunLog(state, run, { ...follow, signal: early?.signal as AbortSignal }));
  early?.abort();
  expect(await none).toEqual([]);
  const log = opened(state);
  log.emit(copied('a'));
  log.close();
  const lines = readRunLog(state, run, { ...follow, signal: late?.signal as AbortSignal });
  await lines.next();
  const end = lines.next();
  // long enough for the reader to be at the end of the file and waiting
  for (let i = 0; i < 100; i++) await stat(file(state));
  late?.abort();
  expect(await end).toEqual({ done: true, value: undefined });
  before?.abort();
  const signal = before?.signal as AbortSignal;
  expect((await all(readRunLog(state, run, { ...follow, signal }))).length).toBeLessThan(2);
});

test('following ends when the log is removed', async () => {
  const state = await temporaryFolder();
  const log = opened(state);
  log.emit(copied('a'));
  log.close();
  const lines = readRunLog(state, run, { ...follow });
  await lines.next();
  const end = lines.next();
  await removeRunLogs(state, [run, '20261124T020000Z-neverran']);
  expect(await end).toEqual({ done: true, value: undefined });
});

test('a run without a log, and text that is no run id, are errors; an empty log is not', async () => {
  const state = await temporaryFolder();
  const kind = 'config';
  await expect(all(readRunLog(state, run))).rejects.toMatchObject({ kind, message: /no log of/ });
  mkdirSync(join(state, 'logs'));
  appendFileSync(join(state, 'x.ndjson'), '{}\n');
  for (const id of ['../x', '', 'a/b', 'a\0', 'x'.repeat(101)]) {
    await expect(all(readRunLog(state, id))).rejects.toMatchObject({
      kind,
      message: /is not a run id/,
    });
    expect(() => opened(state, { run: id })).toThrow(/is not a run id/);
    await expect(removeRunLogs(state, [id])).rejects.toThrow(/is not a run id/);
  }
  appendFileSync(file(state), '');
  expect(await all(readRunLog(state, run))).toEqual([]);
  rmSync(file(state));
});
