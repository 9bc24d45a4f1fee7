/** Runs limited to folders: what they list, what they plan, and what they leave to a whole run. */
import { lstatSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Operation, Report, Trigger } from '../../../../src/core/events.js';
import type { Job } from '../../../../src/core/job.js';
import { SessionPool } from '../../../../src/endpoints/sftp/pool.js';
import { Scope } from '../../../../src/jobs/plan/filter.js';
import type { Plan } from '../../../../src/jobs/plan/plan.js';
import { planRules } from '../../../../src/workers/run/plan-rules.js';
import { runJob } from '../../../../src/workers/run/run-job.js';
import { SameNames } from '../../../../src/workers/run/scan/same-names.js';
import { scan } from '../../../../src/workers/run/scan/scan.js';
import { temporaryFolder } from '../../../kit/files/temporary.js';
import { readTree, type Tree } from '../../../kit/files/tree.js';
import { jobOf, load, withJob } from '../../../kit/loading.js';
import { openScene, type Scene } from '../../../kit/scene.js';
import { type Faulty, failing, faulty } from '../../../kit/servers/faulty.js';
import { type InProcess, startInProcess } from '../../../kit/servers/in-process.js';
import { type MemoryOptions, memoryEndpoint } from '../../../kit/servers/memory.js';

const { signal } = new AbortController();

interface Sides {
  readonly source: Faulty;
  readonly destination: Faulty;
}

function sidesOf(here: Tree, there: Tree, options: MemoryOptions = {}): Sides {
  return {
    source: faulty(memoryEndpoint({ tree: here })),
    destination: faulty(memoryEndpoint({ tree: there, ...options })),
  };
}

async function planOf(
  { source, destination }: Sides,
  folders: readonly string[],
  job: Job = jobOf(withJob('')),
  only?: string,
): Promise<Plan> {
  const scanned = await scan({
    ...{ job: job.name, operation: job.operation, source, destination, only, folders, signal },
    scope: Scope.of(job.scope, 0),
    rules: planRules(job, source.can, destination.can),
    sameNames: new SameNames({
      destination: { endpoint: destination, elsewhere: () => destination },
    }),
    onProgress: () => {},
  });
  return scanned.plan;
}

/** The actions of a plan, one in a line. */
function shown(plan: Plan): string[] {
  const { mkdirs, copies, attrs, deletes, conflicts, failures } = plan;
  return [
    ...[...mkdirs, ...copies, ...attrs, ...deletes].map(({ action, path }) => `${action} ${path}`),
    ...conflicts.map(({ path }) => `conflict ${path}`),
    ...failures.map(({ path }) => `failure ${path}`),
  ];
}

const mirror = (keys = '') =>
  jobOf(withJob(keys || 'history: 1', 'operation: mirror, from: ./a, to: d:b'));
const called = ({ calls }: Faulty, method: string) =>
  calls.filter((call) => call.method === method).map(({ path }) => path);

describe('what is listed', () => {
  test('one changed file among 2,000 folders costs one listing on each side, and a stat for each folder above', async () => {
    const many: Record<string, string> = {};
    for (let i = 0; i < 2000; i++) many[`d${i % 40}/e${i}/f`] = 'same';
    const sides = sidesOf({ ...many, 'd7/e7/f': 'changed' }, many);
    expect(shown(await planOf(sides, ['d7/e7']))).toEqual(['copy d7/e7/f']);
    for (const side of [sides.source, sides.destination]) {
      expect(called(side, 'list')).toEqual(['d7/e7']);
      expect(called(side, 'stat')).toEqual(['d7', 'd7/e7']);
    }
  });

  test('the root means its own entries, not what is below its folders', async () => {
    const sides = sidesOf({ a: 'changed', 'd/b': 'changed' }, { a: '', 'd/b': '' });
    expect(shown(await planOf(sides, ['']))).toEqual(['copy a']);
    expect(called(sides.source, 'list')).toEqual(['']);
  });

  test('folders that contain each other, and one named twice, are listed once', async () => {
    const sides = sidesOf({ 'a/x': '1', 'a/b/c/y': '1' }, { 'a/': null, 'a/b/c/': null });
    const plan = await planOf(sides, ['a/b/c', 'a', 'a/']);
    expect(shown(plan)).toEqual(['copy a/b/c/y', 'copy a/x']);
    expect(called(sides.source, 'list').sort()).toEqual(['a', 'a/b/c']);
  });

  test('without folders nothing is listed', async () => {
    const sides = sidesOf({ a: '' }, {});
    expect(shown(await planOf(sides, []))).toEqual([]);
    expect(called(sides.source, 'list')).toEqual([]);
  });
});

describe('what is new', () => {
  const here = { 'a/new/x': '1', 'a/new/deep/er/y': '1', 'a/old/z': '1', 'a/new/empty/': null };
  const there = { 'a/old/': null };

  test.each<[folder: string, operation: Operation, plan: string[]]>([
    [
      'a',
      'push',
      ['mkdir a/new', 'mkdir a/new/deep', 'mkdir a/new/deep/er', 'copy a/new/deep/er/y'],
    ],
    ['a/new/deep/er', 'push', ['mkdir a/new', 'mkdir a/new/deep', 'mkdir a/new/deep/er']],
  ])('%s, %s: is copied whole, with the folders above it', async (folder, operation, plan) => {
    const job = jobOf(withJob('history: 1', `operation: ${operation}, from: ./a, to: d:b`));
    expect(shown(await planOf(sidesOf(here, there), [folder], job))).toEqual(
      folder === 'a' ? [...plan, 'copy a/new/x'] : [...plan, 'copy a/new/deep/er/y'],
    );
  });

  test('a mirror makes empty folders too', async () => {
    const plan = await planOf(sidesOf(here, there), ['a/new'], mirror());
    expect(shown(plan)).toContain('mkdir a/new/empty');
  });

  test('folders above it get the modes they have at the source', async () => {
    const source = memoryEndpoint();
    source.put('a', null, { mode: 0o750 });
    source.put('a/b', null, { mode: 0o700 });
    source.put('a/b/f', 'x');
    const sides = { source: faulty(source), destination: faulty(memoryEndpoint()) };
    const { mkdirs } = await planOf(sides, ['a/b']);
    expect(mkdirs.map(({ path, mode }) => `${path} ${mode?.toString(8)}`)).toEqual([
      'a 750',
      'a/b 700',
    ]);
  });
});

describe('what is left to a whole run', () => {
  test('a mirror deletes nothing and replaces no entry by one of another kind', async () => {
    const sides = sidesOf(
      { 'd/file': 'is a folder there', 'd/folder/x': 'is a file there', 'd/new': '1' },
      { 'd/gone': '', 'd/gone-too/x': '', 'd/file/y': '', 'd/folder': '' },
    );
    const plan = await planOf(sides, ['d', 'd/folder', 'd/file'], mirror());
    expect(shown(plan)).toEqual(['copy d/new']);
    expect(called(sides.destination, 'list')).toEqual(['d']);
  });

  test('a push has the same conflicts as a whole run', async () => {
    const sides = sidesOf({ 'd/e/f': '1', 'd/g': '' }, { d: 'a file' });
    expect(shown(await planOf(sides, ['d/e']))).toEqual(['conflict d']);
  });

  test('nothing is written through a link at the destination', async () => {
    const sides = sidesOf({ 'd/e/f': '1' }, { d: { link: 'elsewhere' }, 'elsewhere/e/': null });
    expect(shown(await planOf(sides, ['d/e'], mirror()))).toEqual(['conflict d']);
  });
});

describe('skipped silently', () => {
  test('folders that are gone, are no folders, or are below one that is', async () => {
    const sides = sidesOf({ file: '', 'd/file': '' }, { 'gone/x': '', 'd/': null });
    const plan = await planOf(sides, ['gone', 'file', 'file/x', 'd/gone/x', 'd/file'], mirror());
    expect(shown(plan)).toEqual([]);
    expect(called(sides.destination, 'list')).toEqual([]);
  });

  test('a folder that vanishes between its stat and its listing', async () => {
    const memory = memoryEndpoint({ tree: { 'd/e/f': '1' } });
    const source = faulty(memory, {
      before: ({ method, path }) => {
        if (method === 'list' && path === 'd/e') memory.drop('d/e');
      },
    });
    const plan = await planOf({ source, destination: faulty(memoryEndpoint()) }, ['d/e']);
    expect(shown(plan)).toEqual([]);
  });

  test('a source that has vanished completely', async () => {
    const source = memoryEndpoint();
    source.drop('');
    const sides = {
      source: faulty(source),
      destination: faulty(memoryEndpoint({ tree: { x: '' } })),
    };
    expect(shown(await planOf(sides, ['', 'd'], mirror()))).toEqual([]);
  });

  test('but a folder that cannot be read is a failure', async () => {
    const sides = sidesOf({ 'd/f': '1' }, {});
    sides.source.script = failing('list', 0);
    expect(shown(await planOf(sides, ['d']))).toEqual(['failure d']);
  });
});

describe('scope', () => {
  const here = {
    '.ferryignore': 'secret/\n',
    'a/.ferryignore': '*.tmp\n',
    'a/b/c/x.tmp': '1',
    'a/b/c/x': '1',
    'a/secret/y': '1',
    '.ferryline/z': '1',
    'cache/w': '1',
  };
  const job = jobOf(withJob('ignoreFile: .ferryignore, exclude: [cache/]'));

  test('the ignore files of all folders above apply', async () => {
    const plan = await planOf(sidesOf(here, {}), ['a/b/c', 'a/secret', '.ferryline', 'cache'], job);
    expect(shown(plan)).toEqual(['mkdir a', 'mkdir a/b', 'mkdir a/b/c', 'copy a/b/c/x']);
  });

  test('a source that is one file: only that name, at the root', async () => {
    const sides = sidesOf({ one: 'changed', two: 'changed', 'd/one': '' }, { one: '', two: '' });
    expect(shown(await planOf(sides, ['', 'd'], undefined, 'one'))).toEqual(['copy one']);
  });
});

describe('links on the way', () => {
  const here: Tree = { 'real/f': '1', way: { link: 'real' }, out: { link: '../elsewhere' } };

  test.each<[policy: string, plan: string[]]>([
    ['skip', []],
    ['preserve', []],
    ['follow', ['mkdir way', 'copy way/f']],
  ])('%s', async (symlinks, plan) => {
    const job = jobOf(withJob(`symlinks: ${symlinks}`));
    expect(shown(await planOf(sidesOf(here, {}), ['way', 'out/x'], job))).toEqual(plan);
  });
});

describe('a run', () => {
  let server: InProcess;
  let scene: Scene;

  beforeAll(async () => {
    server = await startInProcess();
    mkdirSync(server.folder, { recursive: true });
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    scene = await openScene(server);
  });

  async function run(
    job: object,
    folders: readonly string[] | undefined,
    trigger: Trigger = 'watch',
  ): Promise<Report> {
    const file = await scene.jobs(job);
    const config = load(readFileSync(file, 'utf8'), {
      file,
      readFile: (path) => readFileSync(path, 'utf8'),
    });
    const pool = new SessionPool();
    try {
      return await runJob(config.jobs.get('job') as Job, {
        ...{ run: 'r', trigger, attempt: 1, emit: () => {}, signal, pool },
        ...(folders === undefined ? {} : { folders }),
        ...{ state: await temporaryFolder(), dryRun: false },
      });
    } finally {
      await pool.close();
    }
  }

  test('copies into a destination that does not exist yet, with modes', async () => {
    scene.writeHere({ 'a/b/f': 'new', 'a/g': 'not asked for' });
    const report = await run({ operation: 'push' }, ['a/b']);
    expect(report).toMatchObject({ outcome: 'succeeded', trigger: 'watch', files: { copied: 1 } });
    expect(readTree(scene.there())).toEqual({ 'a/b/f': 'new' });
    expect(statSync(scene.there('a/b')).mode).toBe(statSync(scene.here('a/b')).mode);
  });

  test('after: archive takes what was sent and what was found equal', async () => {
    scene.writeHere({ 'a/new': '1', 'a/same': '2', 'b/other': '3' }, { mtime: 1_700_000_000 });
    scene.writeThere({ 'a/same': '2' }, { mtime: 1_700_000_000 });
    const report = await run({ operation: 'push', after: { archive: './sent' } }, ['a']);
    expect(report.outcome).toBe('succeeded');
    expect(readTree(`${scene.cwd}/sent`)).toEqual({ 'a/new': '1', 'a/same': '2' });
    expect(readTree(scene.here())).toEqual({ 'a/': null, 'b/other': '3' });
  });

  test('a mirror of an emptied or vanished source is not refused, and changes nothing', async () => {
    scene.writeHere({ 'a/': null });
    scene.writeThere({ 'a/f': '1' });
    const job = { delete: { require: '.mounted' }, trash: { keep: '1d' } };
    expect(await run(job, ['a', ''])).toMatchObject({ outcome: 'succeeded', exitCode: 0 });
    rmSync(scene.here(), { recursive: true });
    expect(await run(job, ['a', ''])).toMatchObject({ outcome: 'succeeded', exitCode: 0 });
    expect(readTree(scene.there())).toEqual({ 'a/f': '1' });
  });

  test('for a vanished source no destination is made either', async () => {
    expect(await run({}, [''])).toMatchObject({ outcome: 'succeeded' });
    expect(lstatSync(scene.there(), { throwIfNoEntry: false })).toBeUndefined();
  });

  test.each<[trigger: Trigger, folders: string[] | undefined, copied: string[]]>([
    ['watch', ['a'], ['a/ahead', 'a/old']],
    ['rescan', undefined, ['a/ahead', 'a/old']],
    ['manual', undefined, ['a/ahead', 'a/fresh', 'a/old']],
  ])(
    '%s: a file that may still be being written is left to the watcher',
    async (trigger, folders, copied) => {
      const now = Date.now() / 1000;
      scene.writeHere({ 'a/old': '' }, { mtime: now - 1000 });
      scene.writeHere({ 'a/ahead': '' }, { mtime: now + 1000 });
      scene.writeHere({ 'a/fresh': '' });
      const job = { operation: 'push', watch: { rescan: '1h' }, settle: '1m' };
      expect((await run(job, folders, trigger)).outcome).toBe('succeeded');
      expect(Object.keys(readTree(scene.there()))).toEqual(copied);
    },
  );

  test('a source that is one file', async () => {
    scene.writeHere({ one: '1', two: '2' });
    expect((await run({ operation: 'push', from: './data/one' }, [''])).files.copied).toBe(1);
    expect(readTree(scene.there())).toEqual({ one: '1' });
  });
});
