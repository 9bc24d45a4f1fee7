/** The verbs that talk to the daemon: the built command line against a control socket that the test serves. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FerryError } from '../../../src/core/errors.js';
import type { JobView, RunView } from '../../../src/core/request.js';
import { openRunLog } from '../../../src/observe/run-log.js';
import { noSuchJob, noSuchRun, type ServedControls } from '../../../src/server/control/controls.js';
import { type ControlServer, serveControl } from '../../../src/server/control/server.js';
import { saveReport } from '../../../src/state/reports.js';
import { ferryline, startFerryline } from '../../kit/daemons/cli.js';
import {
  aborted,
  apiPartsOf,
  givenControls,
  promised,
  reportOf,
  statusOf,
} from '../../kit/daemons/controls.js';
import { temporaryFolder } from '../../kit/files/temporary.js';

let cwd: string;
let state: string;
let server: ControlServer | undefined;

beforeEach(async () => {
  cwd = await temporaryFolder();
  state = join(cwd, '.state');
});
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function daemon(given: Partial<ServedControls>) {
  const controls = givenControls(given);
  server = await serveControl(state, {
    ...apiPartsOf(controls),
    pageAddress: () => 'http://127.0.0.1:7022',
  });
  return controls;
}

/** In UTC, so that local times are known. */
const options = () => ({ cwd, env: { TZ: 'UTC' } });
const run = (...args: string[]) => ferryline(args, options());

const year = new Date().getFullYear();
const at = (time: string) => `${year}-11-24T${time}Z`;
/** As `logs` shows it. */
const second = (time: string) => `${year}-11-24 ${time}`;
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);

describe('without a daemon', () => {
  test.each([
    ['status'],
    ['enqueue', 'nightly'],
    ['enqueue', 'nightly', 'other', '--wait'],
    ['rerun', 'r-1'],
    ['cancel', 'r-1'],
    ['pause', 'nightly'],
    ['resume', 'nightly', '--json'],
  ])('%s %s: 4, with the command that starts one', async (...args) => {
    const result = await run(...args);
    expect(result.code).toBe(4);
    if (args.includes('--json'))
      expect(result.events).toMatchObject([{ event: 'error', kind: 'network' }]);
    else expect(result.stdout).toBe('');
    expect(result.stderr).toContain(`no daemon runs with the state folder ${state}`);
    expect(result.stderr).toContain('next: `ferryline start` starts one');
  });

  test('that command names the configuration that was named', async () => {
    const result = await run('status', '-c', "my jobs'.yml");
    expect(result.code).toBe(4);
    expect(result.stderr).toContain(`\`ferryline start -c 'my jobs'\\''.yml'\``);
    expect((await run('status', '-c', 'a/b.yml')).stderr).toContain('`ferryline start -c a/b.yml`');
  });

  test('a socket that nobody listens on is no daemon', async () => {
    const listener = `const net = require('node:net');
      net.createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'));`;
    mkdirSync(state);
    await once(spawn(process.execPath, ['-e', listener, join(state, 'control.sock')]), 'exit');
    expect(await run('status')).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('no daemon runs'),
    });
  });
});

describe('without a daemon, the state folder', () => {
  const id = (time: string) => `${year}1124T${time}Z-aa`;

  test('lists the runs that ended', async () => {
    for (const [job, time] of [
      ['a', '010000'],
      ['b', '030000'],
      ['a', '020000'],
    ] as const) {
      const startedAt = at(time.replace(/(..)(?=.)/g, '$1:'));
      await saveReport(state, reportOf(id(time), { job, startedAt }), { count: 500 });
    }
    const all = await run('runs');
    expect(all).toMatchObject({
      code: 0,
      stderr: 'no daemon runs; only runs that have ended are listed\n',
    });
    expect(all.stdout.match(/^Nov 24 0\d:00 .* {2}[ab] /gm)).toHaveLength(3);
    const { events } = await run('runs', 'a', '--limit', '1', '--json');
    expect(events).toMatchObject([
      { event: 'run-view', run: id('020000'), job: 'a', state: 'ended', outcome: 'succeeded' },
    ]);
    expect((await run('runs', '../runs/a')).stdout).toBe('');
  });

  test('hides runs that changed nothing, unless --idle', async () => {
    const files = { ...reportOf('').files, copied: 0, deleted: 0 };
    for (const hour of ['01', '02', '03'])
      await saveReport(
        state,
        reportOf(id(`${hour}0000`), { startedAt: at(`${hour}:00:00`), files }),
        { count: 500 },
      );
    const only = await run('runs');
    expect(only.stdout).toBe('');
    expect(only.stderr).toContain('\n3 runs that changed nothing; --idle shows them\n');
    await saveReport(state, reportOf(id('013000'), { startedAt: at('01:30:00') }), { count: 500 });
    const { stdout, stderr } = await run('runs', '--limit', '1');
    expect(stdout.match(/^Nov 24 .*$/gm)).toHaveLength(1);
    expect(stderr).toContain('and 2 runs that changed nothing');
    const { events } = await run('runs', '--json', '--idle');
    expect(events.map(({ event, run }) => [event, run])).toEqual(
      ['030000', '020000', '013000', '010000'].map((time) => ['run-view', id(time)]),
    );
  });

  test('has their logs', async () => {
    const log = openRunLog({ ...logOptions(), run: id('010000') });
    log.emit({ event: 'file', action: 'copy', path: 'x.txt', bytes: 3 });
    log.emit({ event: 'run', ...reportOf(id('010000')) });
    log.close();
    const { code, stdout } = await run('logs', id('010000'));
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\S+ \S+ {2}copy {6}x\.txt {2}\(3 B\)\n\S+ \S+ {2}nightly: succeeded/);
    const { events } = await run('logs', '-f', '--json', id('010000'));
    expect(events.map(({ event }) => event)).toEqual(['file', 'run']);
  });

  test('lets a log be followed that a worker still writes', async () => {
    const log = openRunLog({ ...logOptions(), run: id('010000') });
    log.emit({ event: 'file', action: 'copy', path: 'x.txt', bytes: 3 });
    log.close();
    const live = startFerryline(['logs', '-f', id('010000')], options());
    await live.said(/x\.txt/);
    // Meanwhile one that does not follow comes to its end.
    await run('logs', id('010000'));
    expect(live.child.exitCode).toBeNull();
    const more = openRunLog({ ...logOptions(), run: id('010000') });
    more.emit({ event: 'run', ...reportOf(id('010000')) });
    more.close();
    expect(await live.ended).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('nightly: succeeded'),
    });
  });

  test.each([['-f'], []])('has none of an unknown run: 2 (%s)', async (...flags) => {
    for (const name of [id('010000'), '../../etc/passwd']) {
      const result = await run('logs', name, ...flags);
      expect(result).toMatchObject({ code: 2, stdout: '' });
    }
  });

  const logOptions = () => ({
    state,
    debug: false,
    redact: (text: string) => text,
    onError: (error: Error) => {
      throw error;
    },
  });
});

describe('status', () => {
  const jobs: JobView[] = [
    {
      job: 'nightly-archive',
      operation: 'mirror',
      paused: false,
      nextSlot: at('02:00:00'),
      waiting: 0,
      active: [],
      last: { run: 'r-1', outcome: 'incomplete', endedAt: at('02:03:04') },
    },
    {
      job: 'drop',
      operation: 'push',
      paused: false,
      watch: 'degraded',
      whyDegraded: 'raise the limit of inotify',
      waiting: 0,
      active: [],
    },
    { job: 'off', operation: 'pull', paused: true, waiting: 1, active: [] },
    { job: 'soon', operation: 'pull', paused: false, waiting: 1, active: [] },
    { job: 'quiet', operation: 'push', paused: false, watch: 'watching', waiting: 0, active: [] },
    { job: 'busy', operation: 'push', paused: false, watch: 'watching', waiting: 1, active: ['r'] },
  ];

  test('fits into 80 columns', async () => {
    await daemon({ status: async () => statusOf({ jobs }) });
    const { code, stdout, stderr } = await run('status');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/^daemon {2}up for .*, process 4711, version 9\.8\.7$/);
    expect(lines.slice(1, 3)).toEqual([
      'roles   scheduler, watcher, worker, api',
      'queue   embedded, up',
    ]);
    expect(lines[3]).toMatch(/^config {2}\/srv\/jobs\.yml, read /);
    expect(lines.slice(4)).toEqual([
      'times   in UTC',
      'watch   drop is degraded: raise the limit of inotify',
      '',
      'job              does    next          now       last',
      'nightly-archive  mirror  Nov 24 02:00  -         incomplete Nov 24 02:03',
      'drop             push    -             degraded  -',
      'off              pull    -             paused    -',
      'soon             pull    -             waiting   -',
      'quiet            push    -             watching  -',
      'busy             push    -             running   -',
      '',
    ]);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  });

  test('says what jobs are for: beside them where there is room, else above', async () => {
    const about = { ...jobs[1], description: 'Orders\u001b[31m' } as JobView;
    await daemon({ status: async () => statusOf({ jobs: [about, jobs[2] as JobView] }) });
    expect((await run('status')).stdout.split('\n').slice(7)).toEqual([
      'job   does  next  now       last  about',
      'drop  push  -     degraded  -     Orders\\x1b[31m',
      'off   pull  -     paused    -',
      '',
    ]);
    await server?.close();
    const long = {
      ...about,
      description: 'Archive of the shop; on call: the storage team, then Ms Smith',
    };
    await daemon({ status: async () => statusOf({ jobs: [long, jobs[2] as JobView] }) });
    expect((await run('status')).stdout.split('\n').slice(7)).toEqual([
      'job',
      '  does  next  now       last',
      'drop: Archive of the shop; on call: the storage team, then Ms Smith',
      '  push  -     degraded  -',
      'off',
      '  pull  -     paused    -',
      '',
    ]);
    const { events } = await run('status', '--json');
    expect(events[0]?.jobs[0]).toMatchObject({ description: long.description });
  });

  test('says of a few degraded watches why, and in which zone times are', async () => {
    const view = jobs[1] as JobView;
    const views = Array.from({ length: 8 }, (_, n) => ({
      ...view,
      job: `drop-${n}`,
      whyDegraded: `folder ${n < 2 ? 'a' : n} is missed\u001b[31m`,
    }));
    await daemon({ status: async () => statusOf({ jobs: views }) });
    const { stdout } = await ferryline(['status'], { cwd, env: { TZ: 'Africa/Lagos' } });
    expect(stdout.split('\n').slice(4, 11)).toEqual([
      'times   in Africa/Lagos (UTC+01:00)',
      'watch   drop-0 and 1 more are degraded: folder a is missed\\x1b[31m',
      ...[2, 3, 4, 5].map((n) => `watch   drop-${n} is degraded: folder ${n} is missed\\x1b[31m`),
      'watch   and 2 more like these; --json has all',
    ]);
    const { events } = await run('status', '--json');
    expect(events[0]?.jobs[7].whyDegraded).toContain('folder 7 is missed');
  });

  test('says what is polled, and why', async () => {
    const { watch: _, whyDegraded: __, ...job } = jobs[1] as JobView;
    const polled = { ...job, watch: 'polling' } as const;
    const views = [
      { ...polled, fileSystem: 'nfs' },
      { ...polled, job: 'asked' },
    ];
    await daemon({ status: async () => statusOf({ jobs: views }) });
    expect((await run('status')).stdout.split('\n').slice(6)).toEqual([
      'job    does  next  now            last',
      'drop   push  -     polling (nfs)  -',
      'asked  push  -     polling        -',
      '',
    ]);
    const { events } = await run('status', '--json');
    expect(events[0]?.jobs[0]).toMatchObject({ watch: 'polling', fileSystem: 'nfs' });
  });

  test('gives long names lines of their own', async () => {
    const long = { ...jobs[0], job: 'a'.repeat(64) } as JobView;
    await daemon({ status: async () => statusOf({ jobs: [long] }) });
    const { stdout } = await run('status');
    expect(stdout.split('\n').slice(6)).toEqual([
      'job',
      '  does    next          now  last',
      'a'.repeat(64),
      '  mirror  Nov 24 02:00  -    incomplete Nov 24 02:03',
      '',
    ]);
  });

  test('shows what is wrong, and still exits with 0', async () => {
    await daemon({
      status: async () =>
        statusOf({
          queue: { kind: 'redis', state: 'down', message: 'connect ECONNREFUSED \u001b[31m' },
          config: {
            file: '/srv/jobs.yml',
            loadedAt: at('02:00:00'),
            error: 'jobs.yml:3:4 wrong\njobs.yml:5:6 wrong too',
          },
        }),
    });
    const { code, stdout } = await run('status');
    expect(code).toBe(0);
    expect(stdout).toContain('queue   redis, down: connect ECONNREFUSED \\x1b[31m\n');
    expect(stdout).toContain('        jobs.yml:3:4 wrong\n        jobs.yml:5:6 wrong too\n');
    expect(stdout).toContain('\nno jobs\n');
  });

  test('lists the processes on a shared queue, and what is wrong with them', async () => {
    const worker = {
      ...{ id: 'i', host: 'web\u001b', pid: 7, version: '9.8.7', roles: ['worker'], digest: 'd' },
      ...{ names: ['web-1', 'web-2'], runs: ['r1', 'r2'] },
      ...{ startedAt: at('02:00:00'), seenAt: at('02:00:00') },
    };
    const front = { ...worker, host: 'front', roles: ['scheduler', 'api'], names: [], runs: [] };
    await daemon({
      status: async () =>
        statusOf({
          queue: { kind: 'redis', state: 'up' },
          workers: [front, worker],
          warnings: ['no known process is worker web-3'],
        }),
    });
    const { stdout } = await run('status');
    expect(stdout.split('\n').slice(5, -2)).toEqual([
      'warning no known process is worker web-3',
      '',
      'process    version  roles          names        runs  since',
      'front:7    9.8.7    scheduler,api  -            0     Nov 24 02:00',
      'web\\x1b:7  9.8.7    worker         web-1,web-2  2     Nov 24 02:00',
      '',
    ]);
  });

  test('--json is one event', async () => {
    await daemon({ status: async () => statusOf({ jobs }) });
    const { code, events } = await run('status', '--json');
    expect(code).toBe(0);
    expect(events).toEqual([{ event: 'status', time, ...statusOf({ jobs }) }]);
  });
});

describe('runs', () => {
  const ended = (id: string, startedAt: string, change: Partial<RunView> = {}): RunView => ({
    run: id,
    job: 'nightly',
    trigger: 'schedule',
    state: 'ended',
    outcome: 'succeeded',
    report: reportOf(id, { startedAt }),
    ...change,
  });
  const found = {
    runs: [
      ended('r-old', at('01:00:00')),
      ended('r-new', at('03:00:07'), { slot: at('03:00:00') }),
      { run: `${year}1124T003000Z-aa`, job: 'b', trigger: 'manual', state: 'waiting' },
      { run: `${year}1124T050000Z-bb`, job: 'b', trigger: 'watch', state: 'active' },
      ended('r-bad', at('03:30:00'), {
        outcome: 'failed',
        report: reportOf('r-bad', {
          startedAt: at('03:30:00'),
          error: { kind: 'network', message: 'unreachable' },
        }),
      }),
      ended('r-no', at('00:30:00'), {
        outcome: 'refused',
        report: reportOf('r-no', {
          startedAt: at('00:30:00'),
          error: { kind: 'refused', message: 'too many' },
        }),
      }),
    ] satisfies RunView[],
    skipped: [{ job: 'nightly', slot: at('02:00:00'), why: 'the run before was going on' }],
  };

  test('shows waiting and running ones first, then the newest', async () => {
    const controls = await daemon({ runs: async () => found });
    const { code, stdout } = await run('runs', 'nightly', '--limit', '50');
    expect(code).toBe(0);
    expect(controls.calls).toEqual(['runs nightly 50 false']);
    expect(stdout.split('\n')).toEqual([
      'time          run                  job      trigger   outcome    files  bytes    took',
      `Nov 24 05:00  ${year}1124T050000Z-bb  b        watch     running`,
      `Nov 24 00:30  ${year}1124T003000Z-aa  b        manual    waiting`,
      'Nov 24 03:30  r-bad                nightly  schedule  failed     14     3.4 MiB  4.2 s  network',
      'Nov 24 03:00  r-new                nightly  schedule  succeeded  14     3.4 MiB  4.2 s  late by 7.0 s',
      'Nov 24 02:00  -                    nightly  schedule  skipped                           the run before was going on',
      'Nov 24 01:00  r-old                nightly  schedule  succeeded  14     3.4 MiB  4.2 s',
      'Nov 24 00:30  r-no                 nightly  schedule  refused    14     3.4 MiB  4.2 s',
      '',
    ]);
  });

  test('--json has a line a run and a line a skipped slot, in the same order', async () => {
    const controls = await daemon({ runs: async () => found });
    const { code, events } = await run('runs', '--json', '--limit', '5');
    expect(code).toBe(0);
    expect(controls.calls).toEqual(['runs  5 false']);
    expect(events.map(({ event, run: id }) => [event, id])).toEqual([
      ['run-view', `${year}1124T050000Z-bb`],
      ['run-view', `${year}1124T003000Z-aa`],
      ['run-view', 'r-bad'],
      ['run-view', 'r-new'],
      ['slot', undefined],
    ]);
    expect(events[3]).toEqual({ event: 'run-view', time, ...found.runs[1] });
    expect(events[4]).toEqual({ event: 'slot', time, end: 'skipped', ...found.skipped[0] });
  });

  test('says how many changed nothing, which --idle shows', async () => {
    const idle = ended('r-idle', at('04:00:00'));
    const controls = await daemon({
      runs: async (_job, _limit, all) =>
        all ? { ...found, runs: [idle, ...found.runs] } : { ...found, hidden: 37 },
    });
    const few = await run('runs');
    expect(few.stderr).toBe('and 37 runs that changed nothing; --idle shows them\n');
    expect(few.stdout).not.toContain('r-idle');
    const { events } = await run('runs', '--json');
    expect(events.at(-1)).toEqual({ event: 'idle-runs', time, hidden: 37 });
    const all = await run('runs', '--idle');
    expect(all.stderr).toBe('');
    expect(all.stdout).toContain('r-idle');
    expect(controls.calls).toEqual(['runs  20 false', 'runs  20 false', 'runs  20 true']);
  });

  test('says when there are none', async () => {
    await daemon({ runs: async () => ({ runs: [], skipped: [] }) });
    expect(await run('runs')).toMatchObject({ code: 0, stdout: '', stderr: 'no runs\n' });
    expect(await run('runs', '--json')).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  test('of an unknown job: 2', async () => {
    await daemon({
      runs: async (job) => {
        throw noSuchJob(job ?? '', ['nightly', 'b']);
      },
    });
    const result = await run('runs', 'nigthly');
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toContain('there is no job "nigthly"');
    expect(result.stderr).toContain('nightly, b');
  });
});

describe('logs', () => {
  const lines = [
    { event: 'notice', time: at('02:00:00'), level: 'warning', message: 'a clock is off' },
    { event: 'plan', time: at('02:00:00'), job: 'nightly', copies: 1 },
    { event: 'file', time: at('02:00:01'), action: 'copy', path: 'a\n.txt', bytes: 12 },
    { event: 'something-new', time: at('02:00:01') },
    { event: 'notice', time: at('02:00:01'), level: 'info', message: 'almost there' },
    { event: 'run', time: at('02:00:04'), ...reportOf('r-1') },
  ].map((line) => JSON.stringify(line));

  async function* written(rest: string[] = []) {
    yield* [...lines, ...rest];
  }

  test('prints what `run -v` prints, with the times of the events, on stdout', async () => {
    const controls = await daemon({ log: () => written(['{"event":"fi']) });
    const { code, stdout, stderr } = await run('logs', 'r-1');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(controls.calls).toEqual(['log r-1 false']);
    expect(stdout.split('\n')).toEqual([
      `${second('02:00:00')}  warning: r-1: a clock is off`,
      `${second('02:00:01')}  copy      a\\n.txt  (12 B)`,
      `${second('02:00:01')}  nightly: almost there`,
      `${second('02:00:04')}  nightly: succeeded: 12 copied (3.4 MiB), 2 deleted, 4,988 unchanged in 4.2 s (829 KiB/s), 1 session, verified by size`,
      '',
    ]);
  });

  test('--json prints the lines as they are', async () => {
    await daemon({ log: () => written(['{"event":"fi']) });
    const { code, stdout } = await run('logs', 'r-1', '--json');
    expect(code).toBe(0);
    expect(stdout).toBe(`${lines.join('\n')}\n`);
  });

  test('-f prints while it is written and ends with the run', async () => {
    const more = promised<void>();
    const controls = await daemon({
      async *log() {
        yield lines[2] as string;
        await more.promise;
        yield lines[5] as string;
      },
    });
    const live = startFerryline(['logs', '-f', 'r-1'], options());
    await live.said(/ {2}copy {6}a/m);
    expect(live.stdout()).not.toContain('succeeded');
    more.resolve();
    const { code, stdout } = await live.ended;
    expect(code).toBe(0);
    expect(stdout).toContain('nightly: succeeded');
    expect(controls.calls).toEqual(['log r-1 true']);
  });

  test('SIGINT ends -f: 130', async () => {
    const left = promised<unknown>();
    await daemon({
      async *log(_run, _follow, signal) {
        yield lines[2] as string;
        left.resolve(await aborted(signal));
      },
    });
    const live = startFerryline(['logs', '-f', 'r-1'], options());
    await live.said(/copy/);
    live.child.kill('SIGINT');
    expect((await live.ended).code).toBe(130);
    await left.promise;
  });

  test('whoever stops reading ends -f', async () => {
    await daemon({
      async *log(_run, _follow, signal) {
        while (!signal.aborted) {
          yield lines[2] as string;
          await new Promise(setImmediate);
        }
      },
    });
    const live = startFerryline(['logs', '-f', 'r-1'], options());
    await live.said(/copy/);
    live.child.stdout.destroy();
    expect((await live.ended).code).toBe(0);
  });

  test('of an unknown run: 2; of a log that breaks: what was there, then the error', async () => {
    await daemon({
      async *log(id) {
        if (id !== 'r-1') throw noSuchRun(id);
        yield lines[2] as string;
        throw new FerryError('io', 'the log can’t be read: EIO');
      },
    });
    expect(await run('logs', 'r-2')).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('there is no run "r-2"'),
    });
    expect(await run('logs', 'r-1')).toMatchObject({
      code: 3,
      stdout: expect.stringMatching(/ {2}copy/),
      stderr: expect.stringContaining('EIO'),
    });
  });
});

describe('enqueue', () => {
  const accepts = { enqueue: async (job: string) => ({ run: `r-${job}`, joined: job === 'b' }) };
  const known = {
    status: async () =>
      statusOf({
        jobs: ['a', 'b'].map((job) => ({
          ...{ job, operation: 'push', paused: false, waiting: 0, active: [] },
        })) as JobView[],
      }),
  };

  test('acknowledges on stderr, and with --json as an event', async () => {
    const controls = await daemon({ ...accepts, ...known });
    expect(await run('enqueue', 'a')).toEqual({
      ...{ code: 0, stdout: '', events: [] },
      stderr: 'a: enqueued, run r-a\n',
    });
    expect(await run('enqueue', 'a', '-q')).toMatchObject({ code: 0, stdout: '', stderr: '' });
    const { code, events, stderr } = await run('enqueue', 'a', 'b', 'a', '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(events).toEqual([
      { event: 'enqueued', time, job: 'a', run: 'r-a', joined: false },
      { event: 'enqueued', time, job: 'b', run: 'r-b', joined: true },
    ]);
    expect((await run('enqueue', 'b')).stderr).toBe('b: already enqueued, run r-b\n');
    expect(controls.calls).toEqual([
      ...['enqueue a', 'enqueue a', 'status', 'enqueue a', 'enqueue b', 'enqueue b'],
    ]);
  });

  test('of several jobs, enqueues none when one is unknown: 2', async () => {
    const controls = await daemon(known);
    const result = await run('enqueue', 'a', 'c');
    expect(result.code).toBe(2);
    expect(result.stderr).toContain('there is no job "c"');
    expect(controls.calls).toEqual(['status']);
  });

  test.each([
    [7, 'refused'],
    [3, 'incomplete'],
    [0, 'succeeded'],
  ] as const)('--wait exits with the report’s code %i', async (exitCode, outcome) => {
    await daemon({
      ...accepts,
      outcome: async (id) =>
        reportOf(id, {
          outcome,
          exitCode,
          ...(exitCode === 7
            ? { error: { kind: 'refused', message: 'too many', hint: 'look' } }
            : {}),
        }),
    });
    const people = await run('enqueue', 'a', '--wait');
    expect(people).toMatchObject({ code: exitCode, stdout: '' });
    expect(people.stderr).toContain(`nightly: ${outcome}: 12 copied`);
    if (exitCode === 7) expect(people.stderr).toContain('error: nightly: too many\n  next: look');
  });

  test('--wait --json ends with the `run` event of `run`', async () => {
    await daemon({ ...accepts, outcome: async (id) => reportOf(id) });
    const { code, events } = await run('enqueue', 'a', '--wait', '--json');
    expect(code).toBe(0);
    expect(events.map(({ event }) => event)).toEqual(['enqueued', 'run']);
    expect(events[1]).toEqual({ event: 'run', time, ...reportOf('r-a') });
  });

  test('--wait for several shows each when it ends, and exits with the worst code', async () => {
    const first = promised<void>();
    await daemon({
      ...accepts,
      ...known,
      async outcome(id) {
        if (id === 'r-b') return reportOf(id, { job: 'b', outcome: 'incomplete', exitCode: 3 });
        await first.promise;
        return reportOf(id, { job: 'a', outcome: 'failed', exitCode: 5 });
      },
    });
    const live = startFerryline(['enqueue', 'a', 'b', '--wait', '--json'], options());
    await live.said(/"job":"b".*"outcome":"incomplete"/);
    first.resolve();
    const { code, events } = await live.ended;
    expect(code).toBe(5);
    expect(events.slice(2).map(({ job, exitCode }) => [job, exitCode])).toEqual([
      ['b', 3],
      ['a', 5],
    ]);
  });

  test('SIGINT only stops the waiting: 130, and the daemon is asked nothing more', async () => {
    const asked = promised<void>();
    const left = promised<unknown>();
    const controls = await daemon({
      ...accepts,
      async outcome(_, signal) {
        asked.resolve();
        left.resolve(await aborted(signal));
        throw signal.reason;
      },
    });
    const live = startFerryline(['enqueue', 'a', '--wait'], options());
    await asked.promise;
    live.child.kill('SIGINT');
    const { code, stderr } = await live.ended;
    expect(code).toBe(130);
    expect(stderr).toContain('a: run r-a continues');
    await left.promise;
    expect(controls.calls).toEqual(['enqueue a', 'outcome r-a']);
  });

  test('a daemon that ends meanwhile: 4', async () => {
    const asked = promised<void>();
    await daemon({
      ...accepts,
      async outcome(_, signal) {
        asked.resolve();
        throw await aborted(signal);
      },
    });
    const live = startFerryline(['enqueue', 'a', '--wait'], options());
    await asked.promise;
    await server?.close();
    const { code, stderr } = await live.ended;
    expect(code).toBe(4);
    expect(stderr).toContain('error: the daemon is stopping');
    expect(stderr).toContain('`ferryline runs`');
  });

  test('without a job: 2', async () => {
    expect((await run('enqueue')).code).toBe(2);
  });
});

describe('rerun, cancel, pause, resume', () => {
  test('rerun enqueues a new run; --wait waits for that', async () => {
    const controls = await daemon({
      rerun: async () => ({ run: 'r-2', joined: false }),
      outcome: async (id) => reportOf(id, { exitCode: 3, outcome: 'incomplete' }),
    });
    expect(await run('rerun', 'r-1')).toMatchObject({
      code: 0,
      stderr: 'rerun of run r-1: enqueued, run r-2\n',
    });
    const { code, events } = await run('rerun', 'r-1', '--wait', '--json');
    expect(code).toBe(3);
    expect(events).toMatchObject([
      { event: 'enqueued', run: 'r-2', joined: false, rerunOf: 'r-1' },
      { event: 'run', run: 'r-2', exitCode: 3 },
    ]);
    expect(controls.calls).toEqual(['rerun r-1', 'rerun r-1', 'outcome r-2']);
  });

  test.each([
    ['waiting', 'was removed from the queue'],
    ['active', 'stops at the next safe point'],
    ['ended', 'had already ended'],
  ] as const)('cancel of one that is %s: 0', async (was, says) => {
    await daemon({ cancel: async () => ({ was }) });
    expect(await run('cancel', 'r-1')).toMatchObject({ code: 0, stderr: `run r-1 ${says}\n` });
    expect((await run('cancel', 'r-1', '--json')).events).toEqual([
      { event: 'cancel', time, run: 'r-1', was },
    ]);
  });

  test('pause and resume', async () => {
    const controls = await daemon({
      pause: async () => {},
      resume: async () => ({ wasPaused: true, caughtUp: [] }),
    });
    expect((await run('pause', 'a')).stderr).toContain('a: paused');
    expect((await run('resume', 'a')).stderr).toContain('a: resumed');
    const by = expect.stringMatching(/^[^@]+@.+$/);
    expect((await run('pause', 'a', '--json')).events).toEqual([
      { event: 'paused', time, scope: 'job', job: 'a', by },
    ]);
    expect((await run('resume', 'a', '--json')).events).toEqual([
      { event: 'resumed', time, scope: 'job', job: 'a', by, wasPaused: true, caughtUp: [] },
    ]);
    expect(controls.calls.map((call) => call.split(' ').slice(0, 2).join(' '))).toEqual([
      'pause a',
      'resume a',
      'pause a',
      'resume a',
    ]);
  });

  test('pause says until when and why; resume what it starts and what still holds', async () => {
    const since = at('02:00:00.000');
    const controls = await daemon({
      pause: async () => {},
      resume: async () => ({
        wasPaused: true,
        pause: { scope: 'remote', remote: 'r', since, by: 'ann@web-1', reason: 'new disks' },
        others: [{ scope: 'job', job: 'b', since }],
        caughtUp: [{ job: 'a', run: 'r-7', slot: since }],
      }),
    });
    const paused = await run('pause', 'a', '--until', `${year + 1}-12-01T08:00Z`, '--reason', 'x');
    expect(paused.stderr).toBe(
      `a: paused until ${year + 1}-12-01; resume with \`ferryline resume a\`\n`,
    );
    const until = Date.UTC(year + 1, 11, 1, 8);
    expect(controls.calls[0]).toContain(`pause a {"until":${until},"reason":"x","by":`);
    const [event] = (await run('pause', '--remote', 'r', '--for', '2h', '--json')).events;
    expect(event).toMatchObject({ event: 'paused', scope: 'remote', remote: 'r' });
    expect(Date.parse(event?.until) - Date.parse(event?.time)).toBeGreaterThan(7_100_000);
    const resumed = await run('resume', 'a', '--catch-up');
    expect(controls.calls.at(-1)).toContain('"catchUp":true');
    expect(resumed.stderr).toContain('b: still paused; `ferryline resume b` ends that');
    expect(resumed.stderr).toContain('a: run r-7 makes up for the slot of ');
    expect(resumed.stderr).toContain(
      'remote r is paused by ann@web-1: new disks; `ferryline resume --remote r` ends that',
    );
  });

  test('pause takes several jobs and globs, and none of them if one is wrong', async () => {
    const jobs = ['web-1', 'web-2', 'db'].map(
      (job): JobView => ({ job, operation: 'push', paused: false, waiting: 0, active: [] }),
    );
    const controls = await daemon({
      status: async () => statusOf({ jobs }),
      pause: async () => {},
    });
    expect((await run('pause', 'db', 'web-*', 'web-1')).code).toBe(0);
    const pauses = () =>
      controls.calls.filter((call) => call.startsWith('pause')).map((call) => call.split(' ')[1]);
    expect(pauses()).toEqual(['db', 'web-1', 'web-2']);
    expect(await run('pause', 'db', 'x*')).toMatchObject({ code: 2 });
    expect((await run('pause', '--all')).stderr).toContain('all jobs: paused');
    expect(pauses()).toEqual(['db', 'web-1', 'web-2', '*']);
  });

  test.each([
    [['pause'], 'needs the name of a job'],
    [['pause', 'a', '--all'], 'takes either names or --all'],
    [['resume', '--remote', 'r', '--all'], 'takes either names or --all'],
    [['pause', 'a', '--for', '1h', '--until', '08:00'], 'not both'],
    [['pause', 'a', '--for', 'soon'], '--for does not take "soon"'],
    [['pause', 'a', '--until', '25:00'], 'contains a time that does not exist'],
    [['pause', 'a', '--until', '2020-01-01T08:00'], 'is in the past'],
  ])('%j: 2, and the daemon is asked for nothing', async (args, says) => {
    const controls = await daemon({});
    const result = await run(...args);
    expect(result).toMatchObject({ code: 2, stderr: expect.stringContaining(says) });
    expect(controls.calls).toEqual([]);
  });

  test.each([
    ['config', 2],
    ['busy', 8],
    ['refused', 7],
    ['network', 4],
    ['defect', 1],
  ] as const)('an error of kind %s: %i', async (kind, code) => {
    await daemon({
      pause: async () => {
        throw new FerryError(kind, 'it cannot be', { hint: 'do this' });
      },
    });
    const result = await run('pause', 'a');
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toContain('error: it cannot be\n  next: do this\n');
  });
});
