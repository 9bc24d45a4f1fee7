import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FerryError } from '../../src/core/errors.js';
import type { Report } from '../../src/core/events.js';
import type { Job } from '../../src/jobs/job.js';
import { backoffAfter, worthAnotherAttempt } from '../../src/workers/attempts.js';
import { reportOfNoStart, saveReport } from '../../src/workers/reports.js';
import { temporaryFolder } from '../kit/temporary.js';

const now = new Date('2026-11-24T02:00:00.250Z');
const job = { name: 'nightly', operation: 'mirror' } as Job;
const error = new FerryError('busy', 'job nightly runs already, in process 7', { hint: 'wait' });

function report(run: string, change: Partial<Report> = {}): Report {
  return { ...reportOfNoStart(job, { run, trigger: 'manual', attempt: 1 }, error, now), ...change };
}

test('a report is kept whole, for its owner only, in place of an earlier attempt of the run', async () => {
  const state = await temporaryFolder();
  await saveReport(state, report('20261124T020000Z-aaaaaaaa'), 5);
  const last = report('20261124T020000Z-aaaaaaaa', { attempt: 2 });
  await saveReport(state, last, 5);
  const folder = join(state, 'runs/nightly');
  expect(readdirSync(folder)).toEqual(['20261124T020000Z-aaaaaaaa.json']);
  const file = join(folder, '20261124T020000Z-aaaaaaaa.json');
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(last);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
});

test('the oldest reports beyond the history are removed', async () => {
  const state = await temporaryFolder();
  for (let i = 0; i < 5; i++) await saveReport(state, report(`2026112${i}T020000Z-aaaaaaaa`), 3);
  expect(readdirSync(join(state, 'runs/nightly'))).toEqual([
    '20261122T020000Z-aaaaaaaa.json',
    '20261123T020000Z-aaaaaaaa.json',
    '20261124T020000Z-aaaaaaaa.json',
  ]);
});

test('a run that could not begin is reported with its reason and exit code', () => {
  expect(report('r')).toMatchObject({
    job: 'nightly',
    outcome: 'failed',
    exitCode: 8,
    error: { kind: 'busy', message: 'job nightly runs already, in process 7', hint: 'wait' },
  });
});

test.each([
  ['network', 'failed', true],
  ['busy', 'failed', true],
  ['io', 'incomplete', true],
  ['auth', 'failed', false],
  ['host-key', 'failed', false],
  ['config', 'failed', false],
  ['hostile-peer', 'failed', false],
  ['defect', 'failed', false],
  ['refused', 'refused', false],
  ['io', 'cancelled', false],
  ['io', 'succeeded', false],
] as const)('another attempt after %s, %s: %s', (kind, outcome, worth) => {
  expect(worthAnotherAttempt(report('r', { outcome, error: { kind, message: '' } }))).toBe(worth);
});

test('the wait doubles up to its limit', () => {
  const retry = { attempts: 5, backoff: 10, maxBackoff: 35 };
  expect([1, 2, 3, 4].map((attempt) => backoffAfter(attempt, retry))).toEqual([10, 20, 35, 35]);
});
