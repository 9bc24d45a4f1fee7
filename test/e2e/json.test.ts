/** What `--json` prints, key by key, and that it agrees with the two sides and the server's log. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished } from 'vitest';
import { test } from '../kit/base.js';
import { type JsonEvent, startFerryline } from '../kit/daemons/cli.js';
import { writeTree } from '../kit/files/tree.js';

const planKeys = [
  ...[
    'event',
    'time',
    'job',
    'mkdirs',
    'copies',
    'attrs',
    'renames',
    'deletes',
    'conflicts',
    'bytes',
  ],
  ...['mtimeOnly', 'digest'],
];
const runKeys = [
  ...['event', 'time', 'run', 'job', 'operation', 'trigger', 'outcome', 'exitCode', 'startedAt'],
  ...['endedAt', 'seconds', 'files', 'bytes', 'sessions', 'attempt', 'verified', 'failures'],
  'failuresOmitted',
];
const fileKeys = ['event', 'time', 'action', 'path'];
const sorted = (keys: readonly string[]) => [...keys].sort();
const keysOf = (event: object | undefined) => sorted(Object.keys(event ?? {}));
const filesOf = (events: readonly JsonEvent[], action: string) =>
  events.filter((event) => event.event === 'file' && event.action === action);

describe('a run', () => {
  test('prints plan, file and run events with exactly the fields of the contract', async ({
    scene,
  }) => {
    // one of each action: mkdir, copy, attrs, delete, skip, fail
    scene.writeHere({
      'new/a.txt': 'new',
      'same.txt': 'same',
      'touched.txt': 'touched',
      link: { link: 'same.txt' },
    });
    scene.writeThere({
      'same.txt': 'same',
      'touched.txt': 'touched',
      'gone.txt': 'x',
      'gone/': null,
    });
    scene.mirrored();
    for (const side of [scene.here(), scene.there()])
      utimesSync(join(side, 'same.txt'), 1_700_000_000, 1_700_000_000);
    utimesSync(scene.here('touched.txt'), 1_700_000_001, 1_700_000_001);
    await scene.jobs({ compare: 'checksum' });
    const { code, events, stderr } = await scene.run();
    expect({ code, stderr }).toMatchObject({ code: 0 });

    const plan = events.find(({ event }) => event === 'plan');
    expect(keysOf(plan)).toEqual(sorted(planKeys));
    expect(plan).toMatchObject({
      job: 'job',
      ...{ mkdirs: 1, copies: 1, attrs: 1, deletes: 2, conflicts: 0, bytes: 3 },
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
    });

    const file = (action: string) => filesOf(events, action)[0];
    expect(keysOf(file('mkdir'))).toEqual(sorted(fileKeys));
    expect(file('mkdir')).toMatchObject({ path: 'new' });
    expect(keysOf(file('copy'))).toEqual(sorted([...fileKeys, 'bytes', 'seconds']));
    expect(file('copy')).toMatchObject({ path: 'new/a.txt', bytes: 3 });
    expect(file('copy')?.seconds).toBeGreaterThanOrEqual(0);
    expect(file('copy')?.seconds).toBeLessThanOrEqual(events.at(-1)?.seconds);
    expect(keysOf(file('attrs'))).toEqual(sorted(fileKeys));
    expect(file('attrs')).toMatchObject({ path: 'touched.txt' });
    expect(filesOf(events, 'delete')).toEqual([
      { event: 'file', time: expect.any(String), action: 'delete', path: 'gone.txt' },
      { event: 'file', time: expect.any(String), action: 'delete', path: 'gone', kind: 'folder' },
    ]);
    expect(keysOf(file('skip'))).toEqual(sorted([...fileKeys, 'kind', 'message']));
    expect(file('skip')).toMatchObject({ path: 'link', kind: 'link' });
    expect(new Set(events.map(({ event }) => event))).toEqual(new Set(['plan', 'file', 'run']));
    for (const { time } of events) expect(new Date(time).toISOString()).toBe(time);

    const report = events.at(-1);
    expect(keysOf(report)).toEqual(sorted(runKeys));
    expect(report).toMatchObject({
      ...{ event: 'run', job: 'job', operation: 'mirror', trigger: 'manual', attempt: 1 },
      ...{ outcome: 'succeeded', exitCode: 0, bytes: 3, sessions: 1, verified: 'size' },
      files: { copied: 1, attrs: 1, deleted: 1, unchanged: 1, skipped: 1, failed: 0 },
      failures: [],
      failuresOmitted: 0,
    });
    expect(keysOf(report?.files)).toEqual(
      sorted([
        'copied',
        'attrs',
        'renamed',
        'deleted',
        'unchanged',
        'skipped',
        'vanished',
        'failed',
      ]),
    );
    const { startedAt, endedAt, seconds } = report ?? { event: '' };
    expect(Date.parse(endedAt) - Date.parse(startedAt)).toBe(Math.round(seconds * 1000));
  });

  test('that fails ends with what, where and what next', async ({ scene }) => {
    scene.writeHere({ x: 'file', 'fine.txt': 'fine' });
    scene.writeThere({ 'x/a': 'a' });
    await scene.jobs({ operation: 'push' });
    const { code, events, report } = await scene.run();
    expect(code).toBe(3);
    const fail = filesOf(events, 'fail');
    expect(keysOf(fail[0])).toEqual(sorted([...fileKeys, 'kind', 'message']));
    expect(fail).toMatchObject([{ path: 'x', kind: 'conflict' }]);
    expect(keysOf(report)).toEqual(sorted(runKeys));
    expect(report).toMatchObject({ outcome: 'incomplete', exitCode: 3, failuresOmitted: 0 });
    expect(report.failures).toEqual([
      { path: 'x', kind: 'conflict', message: expect.stringContaining('folder') },
    ]);

    rmSync(scene.here(), { recursive: true });
    const refused = await scene.run();
    expect(keysOf(refused.report)).toEqual(sorted([...runKeys, 'error']));
    expect(keysOf(refused.report.error)).toEqual(['hint', 'kind', 'message']);
    expect(refused.report).toMatchObject({ outcome: 'refused', exitCode: 7 });
  });

  test('cuts its failures at 1,000', async ({ scene }) => {
    const many = Array.from({ length: 1_005 }, (_, i) => `f${i}`);
    mkdirSync(scene.here(), { recursive: true });
    scene.writeThere({});
    for (const name of many) {
      writeFileSync(scene.here(name), 'x');
      mkdirSync(scene.there(name));
    }
    await scene.jobs({ operation: 'push' });
    const { code, report } = await scene.run();
    expect(code).toBe(3);
    expect(report.files.failed).toBe(1_005);
    expect(report.failures).toHaveLength(1_000);
    expect(report.failuresOmitted).toBe(5);
  });

  test('names each file it copied once, and is kept where `runs` looks', async ({ scene }) => {
    scene.writeHere({ 'a.txt': 'a', 'b/c.txt': 'cc' });
    const { events, report } = await scene.run();
    expect(filesOf(events, 'copy').map(({ path, bytes }) => [path, bytes])).toEqual(
      expect.arrayContaining([
        ['a.txt', 1],
        ['b/c.txt', 2],
      ]),
    );
    expect(filesOf(events, 'copy')).toHaveLength(2);
    const { event, time, ...kept } = report;
    expect([event, typeof time]).toEqual(['run', 'string']);
    const folder = join(scene.cwd, '.state/runs/job');
    expect(readdirSync(folder)).toEqual([`${report.run}.json`]);
    expect(JSON.parse(readFileSync(join(folder, `${report.run}.json`), 'utf8'))).toEqual(kept);
  });

  test('beyond `history` a report goes, and the log of its run with it', async ({ scene }) => {
    scene.writeHere({ 'a.txt': 'a' });
    await scene.jobs({ history: 1 });
    const { report: first } = await scene.run();
    const logs = join(scene.cwd, '.state/logs');
    expect(readdirSync(logs)).toEqual([`${first.run}.ndjson`]);
    writeFileSync(join(logs, 'another.ndjson'), '{}\n');
    scene.writeHere({ 'b.txt': 'b' }); // a run that changes nothing pushes no other out
    const { report: second } = await scene.run();
    expect(readdirSync(join(scene.cwd, '.state/runs/job'))).toEqual([`${second.run}.json`]);
    expect(readdirSync(logs).sort()).toEqual([`${second.run}.ndjson`, 'another.ndjson']);
  });

  test('several jobs: a run event each, in order, one login', async ({ sshd, scene }) => {
    scene.writeHere({ 'a.txt': 'a' });
    const before = sshd.logins();
    await scene.jobs();
    const yaml = readFileSync(join(scene.cwd, 'jobs.yml'), 'utf8');
    writeFileSync(
      join(scene.cwd, 'jobs.yml'),
      `${yaml}  other:\n    operation: push\n    from: ./data\n    to: archive:${scene.place}-2\n`,
    );
    const { code, events } = await scene.cli(['run', 'job', 'other', '--json']);
    expect(code).toBe(0);
    const runs = events.filter(({ event }) => event === 'run');
    expect(runs.map(({ job, sessions }) => [job, sessions])).toEqual([
      ['job', 1],
      ['other', 0],
    ]);
    expect(sshd.logins() - before).toBe(1);
  });
});

describe('sessions', () => {
  test('300 files each way are one login by the report and by the server', async ({
    sshd,
    scene,
  }) => {
    const tree = Object.fromEntries(
      Array.from({ length: 300 }, (_, i) => [`d${i % 7}/f${i}`, Buffer.alloc(i * 50, i)]),
    );
    scene.writeHere(tree);
    const [logins, connections] = [sshd.logins(), sshd.connections()];
    const up = await scene.run();
    expect(up.report).toMatchObject({ files: { copied: 300 }, sessions: 1 });
    expect([sshd.logins() - logins, sshd.connections() - connections]).toEqual([1, 1]);

    await scene.jobs({ operation: 'pull', from: `archive:${scene.place}`, to: './back' });
    const down = await scene.run();
    expect(down.report).toMatchObject({ files: { copied: 300 }, sessions: 1 });
    expect([sshd.logins() - logins, sshd.connections() - connections]).toEqual([2, 2]);
  });
});

describe('a plan', () => {
  test('with --json prints an action line each first, then the plan, and changes nothing', async ({
    scene,
  }) => {
    scene.writeHere({ 'new/a.txt': 'new', 'changed.txt': 'longer', x: 'file', odd: { link: 'x' } });
    scene.writeThere({ 'changed.txt': 'old', 'gone.txt': '', 'x/keep.me': '' });
    scene.mirrored();
    await scene.jobs({ exclude: ['*.me'] });
    const { code, events } = await scene.cli(['plan', 'job', '--json']);
    expect(code).toBe(3); // for the conflict, as the run would
    const actions = events.filter(({ event }) => event === 'action');
    const actionKeys = new Set([...fileKeys, 'bytes', 'kind', 'reason']);
    for (const action of actions) {
      expect(keysOf(action).filter((key) => !actionKeys.has(key))).toEqual([]);
    }
    expect(actions).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ action: 'mkdir', path: 'new' }),
        expect.objectContaining({ action: 'copy', path: 'new/a.txt', bytes: 3, reason: 'new' }),
        expect.objectContaining({ action: 'copy', path: 'changed.txt', bytes: 6, reason: 'size' }),
        expect.objectContaining({ action: 'delete', path: 'gone.txt' }),
        expect.objectContaining({ action: 'conflict', path: 'x' }),
        expect.objectContaining({ action: 'skip', path: 'odd', kind: 'link' }),
      ]),
    );
    const kinds = events.map(({ event }) => event);
    expect(kinds.indexOf('plan')).toBeGreaterThan(kinds.lastIndexOf('action'));
    const plan = events.find(({ event }) => event === 'plan');
    expect(keysOf(plan)).toEqual(sorted(planKeys));
    expect(plan).toMatchObject({ mkdirs: 1, copies: 2, attrs: 0, deletes: 1, conflicts: 1 });
    expect(readFileSync(scene.there('changed.txt'), 'utf8')).toBe('old');
  });

  test('a dry run says that it is one, and that it verified nothing', async ({ scene }) => {
    scene.writeHere({ 'a.txt': 'a' });
    const dry = { dryRun: true, verified: 'none', outcome: 'succeeded' };
    expect((await scene.run('-n')).report).toMatchObject(dry);
    expect((await scene.run()).report).not.toHaveProperty('dryRun');
  });

  test.for([
    [['run', 'nothing'], 2, { kind: 'config', hint: expect.stringContaining('job') }],
    [['run', '--nonsense'], 2, { kind: 'config', message: "unknown option '--nonsense'" }],
    [['push', './data'], 2, { kind: 'config', message: "missing required argument 'to'" }],
    [['run', 'job', '--attempts', 'many'], 2, { kind: 'config' }],
    [['enqueue', 'job'], 4, { kind: 'network', hint: expect.stringContaining('start') }],
  ] as const)(
    'what ends a command is its last event: %j',
    async ([words, code, error], { scene }) => {
      const result = await scene.cli([...words, '--json']);
      expect(result.code).toBe(code);
      expect(result.events).toEqual([
        { event: 'error', time: expect.any(String), message: expect.any(String), ...error },
      ]);
    },
  );

  test('Ctrl-C before the last event is an event, too: in a login, and before it', async ({
    scene,
  }) => {
    const silent = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void silent.close());
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const cancelled = [{ event: 'error', time: expect.any(String), kind: 'cancelled' }];
    const interrupted = async (
      args: readonly string[],
      begun: () => Promise<unknown>,
      last: readonly object[] = cancelled,
    ) => {
      const live = startFerryline([...args, '--json'], { cwd: scene.cwd });
      await begun();
      live.child.kill('SIGINT');
      const { code, events } = await live.ended;
      expect([code, events]).toMatchObject([130, last]);
    };
    const login = ['ls', 'nobody@127.0.0.1:', '-P', String(port)];
    await interrupted(login, () => once(silent, 'connection'));
    await scene.jobs({}, { host: '127.0.0.1', port });
    const said = [{ event: 'run', outcome: 'cancelled', exitCode: 130 }];
    await interrupted(['plan', 'job'], () => once(silent, 'connection'), said);

    execFileSync('mkfifo', [join(scene.cwd, 'pipe.yml')]);
    let writer: FileHandle | undefined;
    await interrupted(['-c', 'pipe.yml', 'validate'], async () => {
      // opens once the command reads it
      writer = await open(join(scene.cwd, 'pipe.yml'), 'w');
    });
    await writer?.close();
  });

  test('has the same digest until a side changes', async ({ scene }) => {
    scene.writeHere({ 'a.txt': 'a' });
    const digest = async () =>
      (await scene.cli(['plan', 'job', '--json'])).events.find(({ event }) => event === 'plan')
        ?.digest;
    const first = await digest();
    expect(await digest()).toBe(first);
    writeTree(scene.here(), { 'a.txt': 'b' }, { mtime: 1_700_000_000 });
    expect(await digest()).not.toBe(first);
  });

  test('says why with explain', async ({ scene }) => {
    scene.writeHere({ 'a.txt': 'a', 'x.tmp': 'x', 'sub/y.txt': 'y', 'sub/.ignore': 'y.txt\n' });
    await scene.jobs({ exclude: ['*.tmp'], ignoreFile: '.ignore' });
    const explain = async (path: string) =>
      (await scene.cli(['explain', 'job', path, '--json'])).events[0];
    expect(await explain('a.txt')).toMatchObject({ event: 'explain', verdict: 'copied' });
    expect(await explain('x.tmp')).toMatchObject({
      verdict: 'out of scope',
      rule: { pattern: '*.tmp', where: 'exclude' },
    });
    const ignored = await explain('sub/y.txt');
    expect(ignored).toMatchObject({ verdict: 'out of scope', rule: { pattern: 'y.txt' } });
    expect(ignored?.rule.where).toMatch(/sub\/\.ignore.*1/);
    await scene.run();
    expect(await explain('a.txt')).toMatchObject({ verdict: expect.stringMatching(/unchanged/) });
  });
});
