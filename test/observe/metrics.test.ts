/** What /metrics shows, read by Prometheus's own promtool. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Metrics, type MetricsParts } from '../../src/observe/metrics.js';
import { indexedRun } from '../../src/state/run-line.js';
import { RunTable } from '../../src/state/run-table.js';
import { reportOf } from '../kit/daemons/controls.js';
import { load } from '../kit/loading.js';
import { labelsIn, metricNames, valuesIn } from '../kit/metrics.js';

const config = load(
  `remotes: { a: { host: h }, b: { host: i } }
jobs:
  nightly: { operation: mirror, from: ./x, to: a:x, schedule: "0 2 * * *" }
  fetch: { operation: pull, from: a:y, to: ./y }
  between: { operation: push, from: a:z, to: b:z }`,
);

const now = Date.parse('2026-11-24T02:00:00Z');
let table: RunTable;
let parts: { -readonly [K in keyof MetricsParts]: MetricsParts[K] };
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now });
  table = new RunTable();
  parts = {
    version: '9.8.7',
    jobs: () => config.jobs,
    remotes: () => config.remotes.keys(),
    table: async () => table,
    nextSlot: ({ name }) => (name === 'nightly' ? now + 1500 : undefined),
    staleAfter: ({ name }) => (name === 'nightly' ? 7_200_000 : undefined),
    isPaused: (job) => job === 'fetch',
    queue: async () => ({ waiting: 3, delayed: 2, active: 1, workers: 4 }),
    logins: () => new Map([['a', 2]]),
    openIncidents: async () => new Map([['nightly', 2]]),
    viewers: () => 5,
    channels: () => ['ops'],
    delivered: new Map([['ops', { sent: 7, dead: 1 }]]),
  };
});
afterEach(() => {
  vi.useRealTimers();
});

async function textOf(metrics: Metrics, isOpen = false): Promise<string> {
  let text = '';
  for await (const piece of metrics.text(isOpen)) text += piece;
  return text;
}
const runId = (n: number) => `20261124T0200${String(n).padStart(2, '0')}Z-aaaaaaaa`;

test('has each name with its labels, zero from the start', async () => {
  const text = await textOf(new Metrics(parts));
  expect(labelsIn(text)).toEqual(metricNames);
  const zeros = valuesIn(text, 'ferryline_runs_total');
  expect(zeros).toHaveLength(3 * 5);
  expect(zeros.every(({ value }) => value === 0)).toBe(true);
  expect(valuesIn(text, 'ferryline_files_total', { action: 'deleted' })).toHaveLength(3);
  expect(valuesIn(text, 'ferryline_transferred_bytes_total').map(({ labels }) => labels)).toEqual([
    { job: 'nightly', direction: 'upload' },
    { job: 'fetch', direction: 'download' },
    { job: 'between', direction: 'upload' },
    { job: 'between', direction: 'download' },
  ]);
  const buckets = valuesIn(text, 'ferryline_run_duration_seconds_bucket', {
    operation: 'pull',
    outcome: 'failed',
  });
  expect(buckets.map(({ labels }) => labels.le)).toEqual(
    '1 5 15 60 300 900 1800 3600 7200 14400 28800 86400 +Inf'.split(' '),
  );
});

test('is in docs/metrics.md, all of it', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/metrics.md'), 'utf8');
  const rows = [...page.matchAll(/^\| `(ferryline_\w+)` +\| ([^|]*?) +\|/gm)].map(
    ([, name, labels = '']) => [name, [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label)],
  );
  expect(Object.fromEntries(rows)).toEqual(metricNames);
});

test('counts each run once, by its job, outcome, files and bytes', async () => {
  const metrics = new Metrics(parts);
  const endedAt = '2026-11-24T02:00:04.000Z';
  metrics.ended(reportOf(runId(1), { endedAt }));
  metrics.ended(reportOf(runId(1), { endedAt }));
  metrics.ended(reportOf(runId(2), { endedAt, outcome: 'failed', seconds: 20 }));
  metrics.ended(reportOf(runId(3), { job: 'removed', endedAt }));
  // before this process began
  metrics.ended(reportOf(runId(0), { endedAt: '2026-11-24T01:59:59.000Z' }));
  metrics.slotsMissed('nightly', 3);
  const text = await textOf(metrics);
  const job = { job: 'nightly' };
  const one = (name: string, labels: object) =>
    valuesIn(text, `ferryline_${name}`, labels).map(({ value }) => value);
  expect(one('runs_total', { ...job, outcome: 'succeeded' })).toEqual([1]);
  expect(one('runs_total', { ...job, outcome: 'failed' })).toEqual([1]);
  expect(one('files_total', { ...job, action: 'copied' })).toEqual([24]);
  expect(one('transferred_bytes_total', job)).toEqual([2 * 3_565_158]);
  expect(one('slots_missed_total', job)).toEqual([3]);
  const failed = { operation: 'mirror', outcome: 'failed' };
  expect(one('run_duration_seconds_count', failed)).toEqual([1]);
  expect(one('run_duration_seconds_bucket', { ...failed, le: '15' })).toEqual([0]);
  expect(one('run_duration_seconds_bucket', { ...failed, le: '60' })).toEqual([1]);
  expect(text).not.toContain('removed');
});

test('shows what is known of each job, the queue, the remotes and the process', async () => {
  for (const [n, outcome] of ['failed', 'succeeded', 'failed'].entries())
    table.apply(
      indexedRun(
        reportOf(runId(n), {
          outcome: outcome as 'failed',
          endedAt: `2026-11-23T02:00:0${n}.500Z`,
          seconds: n + 0.25,
        }),
      ),
    );
  const metrics = new Metrics(parts);
  const shown = async () => {
    const text = await textOf(metrics);
    return text.split('\n').filter((line) => /^ferryline_(?!run|files|slots|trans)/.test(line));
  };
  const node = process.versions.node;
  const before = [
    'ferryline_last_success_timestamp_seconds{job="nightly"} 1795399201.5',
    'ferryline_next_slot_timestamp_seconds{job="nightly"} 1795485601.5',
    'ferryline_last_run_seconds{job="nightly"} 2.25',
    'ferryline_stale_after_seconds{job="nightly"} 7200',
    'ferryline_paused{job="nightly"} 0',
    'ferryline_paused{job="fetch"} 1',
    'ferryline_paused{job="between"} 0',
    'ferryline_incidents_open{job="nightly"} 2',
    'ferryline_incidents_open{job="fetch"} 0',
    'ferryline_incidents_open{job="between"} 0',
    'ferryline_queue_up 1',
    'ferryline_queue_runs{state="waiting"} 3',
    'ferryline_queue_runs{state="delayed"} 2',
    'ferryline_queue_runs{state="active"} 1',
    'ferryline_workers 4',
    'ferryline_logins{remote="a"} 2',
    'ferryline_logins{remote="b"} 0',
    'ferryline_viewers 5',
    'ferryline_messages_total{channel="ops",result="sent"} 7',
    'ferryline_messages_total{channel="ops",result="dead"} 1',
    `ferryline_build_info{version="9.8.7",node="${node}"} 1`,
  ];
  expect(await shown()).toEqual(before);
  // A success is remembered although its report is gone, and runs show which remotes answer.
  const endedAt = '2026-11-24T02:00:04.000Z';
  metrics.ended(reportOf(runId(4), { endedAt, job: 'between' }));
  const error = { kind: 'network' as const, message: 'cut' };
  metrics.ended(reportOf(runId(5), { endedAt, outcome: 'failed', error }));
  // which of the two it was is not known
  metrics.ended(reportOf(runId(6), { endedAt, job: 'between', outcome: 'failed', error }));
  parts.queue = async () => undefined;
  parts.openIncidents = async () => undefined;
  const after = await shown();
  expect(after).toContain('ferryline_last_success_timestamp_seconds{job="between"} 1795485604');
  expect(after.filter((line) => line.includes('remote_up'))).toEqual([
    'ferryline_remote_up{remote="a"} 0',
    'ferryline_remote_up{remote="b"} 1',
  ]);
  expect(after.filter((line) => /queue|workers|incidents/.test(line))).toEqual([
    'ferryline_queue_up 0',
  ]);
});

test('is what promtool takes without a word; as OpenMetrics, it ends with EOF', async () => {
  const metrics = new Metrics(parts);
  metrics.ended(reportOf(runId(1), { endedAt: '2026-11-24T02:00:04.000Z' }));
  const text = await textOf(metrics);
  expect(execFileSync('promtool', ['check', 'metrics'], { input: text }).toString()).toBe('');
  const open = await textOf(metrics, true);
  expect(open).toMatch(/^# TYPE ferryline_runs counter$/m);
  expect(open).toMatch(/^ferryline_runs_total\{job="nightly",outcome="succeeded"\} 1$/m);
  expect(open.endsWith('\n# EOF\n')).toBe(true);
  expect(open).not.toMatch(/\} [\d.]+ #/);
  expect(
    open
      .replace(/\n# EOF\n$/, '\n')
      .split('\n')
      .filter((line) => !line.startsWith('#')),
  ).toEqual(text.split('\n').filter((line) => !line.startsWith('#')));
});

test('of 5,000 jobs it comes in small pieces, with at most 25 series for each job', async () => {
  const [given] = config.jobs.values();
  if (given === undefined) expect.unreachable();
  const names = Array.from({ length: 5000 }, (_, n) => `job-${n}`);
  const jobs = new Map(names.map((name) => [name, { ...given, name }]));
  parts = { ...parts, jobs: () => jobs, nextSlot: () => now, staleAfter: () => 3_600_000 };
  for (const job of names) table.apply(indexedRun(reportOf(runId(1), { job })));
  let most = 0;
  let lines = 0;
  let ofOne = 0;
  for await (const piece of new Metrics(parts).text(false)) {
    const found = piece.split('\n').length - 1;
    most = Math.max(most, found);
    lines += found;
    ofOne += piece.split('job="job-17"').length - 1;
  }
  expect(most).toBeLessThanOrEqual(502);
  expect(lines).toBeGreaterThan(5000 * 20);
  expect(ofOne).toBe(21);
});

describe('deploy/prometheus', () => {
  const rulesFile = join(import.meta.dirname, '../../deploy/prometheus/ferryline.rules.yml');
  const promtool = (...args: string[]) =>
    spawnSync('promtool', args, { cwd: import.meta.dirname, encoding: 'utf8' });

  test('has rules and a configuration that Prometheus takes', () => {
    for (const args of [
      ['check', 'rules', '--lint=all', '--lint-fatal', rulesFile],
      ['check', 'config', '../../deploy/prometheus/prometheus.yml'],
    ])
      expect(promtool(...args)).toMatchObject({ status: 0, stderr: '' });
  });

  test('each alert fires when it should, and no other', () => {
    const { status, stdout, stderr } = promtool('test', 'rules', 'ferryline.rules.test.yml');
    expect(status, `${stdout}${stderr}`).toBe(0);
    const cases = readFileSync(join(import.meta.dirname, 'ferryline.rules.test.yml'), 'utf8');
    for (const [, alert] of readFileSync(rulesFile, 'utf8').matchAll(/alert: (\w+)/g))
      expect(cases).toContain(`alertname="${alert}"`);
  });

  test('names no metric that does not exist', () => {
    const named = readFileSync(rulesFile, 'utf8').match(/\bferryline_\w+/g) ?? [];
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((name) => !(name in metricNames))).toEqual([]);
  });
});
