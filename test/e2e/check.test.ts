/** `ferryline check`: both sides are read, nothing is changed; against a real sshd, and at chosen moments the hostile server. */
import { appendFileSync, chmodSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { hostileTest, test } from '../kit/base.js';
import { startFerryline, writeJobs } from '../kit/daemons/cli.js';
import { readTree } from '../kit/files/tree.js';
import { remoteIn, type Scene, turn, ways } from '../kit/scene.js';

const mtime = 1_600_000_000;
const big = Buffer.alloc(3 * 1024 * 1024, 'content\n');
const tree = { 'a.txt': 'a', empty: '', 'sub/b.txt': 'bb', 'sub/deep/big': big };
const bytes = 3 + big.length;

/** Changes one byte of a file, and neither its size nor its mtime. */
function flip(path: string, at = 0): void {
  const size = statSync(path).size;
  const content = Buffer.alloc(size, 'content\n');
  content[at] = 0;
  writeFileSync(path, content);
  utimesSync(path, mtime, mtime);
}

/** `ferryline check job --json FLAGS…`, its last event and its differences. */
async function check(scene: Scene, ...flags: string[]) {
  const { code, events, stderr } = await scene.cli(['check', 'job', '--json', ...flags]);
  const end = events.at(-1);
  if (end?.event !== 'check') throw new Error(`no report came out (${code}): ${stderr}`);
  const differences = events.flatMap(({ event, kind, path }) =>
    event === 'difference' ? [`${kind} ${path}`] : [],
  );
  return { code, events, stderr, end, differences: differences.sort() };
}

const none = { different: 0, missing: 0, extra: 0, unreadable: 0, skipped: 0, vanished: 0 };

describe('equal sides', () => {
  test.for(ways)('%s: 0, all of them read', async (way, { scene }) => {
    const sides = turn(scene, way);
    sides.writeSource(tree, { mtime });
    // mtimes and modes don't count
    sides.writeTarget(tree, { mtime: mtime + 100 });
    await sides.jobs();
    const { code, end } = await check(scene);
    expect(code).toBe(0);
    expect(end).toMatchObject({ ...none, job: 'job', exitCode: 0, sessions: 1 });
    expect(end).toMatchObject({ files: 4, read: 4, equal: 4, bytes });
    const { code: plain, stdout, stderr } = await scene.cli(['check', 'job']);
    expect([plain, stdout]).toEqual([0, '']);
    expect(stderr).toMatch(/^job: equal: 4 files, 4 read \(3\.0 MiB\), 4 equal in .*, 1 session$/m);
  });

  test('between two folders of servers', async ({ scene }) => {
    scene.writeThere(
      Object.fromEntries(
        ['from', 'to'].flatMap((side) =>
          Object.entries(tree).map(([path, content]) => [`${side}/${path}`, content]),
        ),
      ),
      { mtime },
    );
    const { place } = scene;
    await scene.jobs({ from: `archive:${place}/from`, to: `archive:${place}/to` });
    expect(await check(scene)).toMatchObject({ code: 0, end: { read: 4, equal: 4 } });
    flip(scene.there('to/sub/deep/big'), big.length - 1);
    const { code, differences } = await check(scene);
    expect([code, differences]).toEqual([10, ['content sub/deep/big']]);
  });
});

describe('different sides', () => {
  test.for(ways.flatMap((way) => ['source', 'target'].map((side) => [way, side] as const)))(
    'one byte, at the same size and mtime, %s, in the %s: 10, nothing changed',
    async ([way, side], { scene }) => {
      const sides = turn(scene, way);
      sides.writeSource(tree, { mtime });
      sides.writeTarget(tree, { mtime });
      await sides.jobs({ trash: true });
      flip(
        side === 'source' ? sides.source('sub/deep/big') : sides.target('sub/deep/big'),
        2_000_000,
      );
      const before = [readTree(sides.source()), readTree(sides.target(), { ours: true })];
      expect((await scene.cli(['plan', 'job', '--exit-code'])).code).toBe(0);
      const { code, end, differences } = await check(scene);
      expect([code, differences]).toEqual([10, ['content sub/deep/big']]);
      expect(end).toMatchObject({ ...none, read: 4, equal: 3, different: 1, exitCode: 10 });
      expect([readTree(sides.source()), readTree(sides.target(), { ours: true })]).toEqual(before);
    },
  );

  test('each is named with its kind; what is out of scope is none', async ({ scene }) => {
    scene.writeHere({
      ...{ same: 'same', content: 'here', size: 'here', new: 'new', 'only/here': 'x' },
      ...{ kind: 'a file', 'x.tmp': 'x' },
    });
    scene.writeThere({
      ...{ same: 'same', content: 'over', size: 'longer', 'only/there': 'x', gone: 'gone' },
      ...{ 'kind/in': 'a folder', 'y.tmp': 'y' },
    });
    await scene.jobs({ exclude: ['*.tmp'] });
    const mirror = await check(scene);
    expect(mirror.differences).toEqual([
      'conflict kind',
      'content content',
      'extra gone',
      'extra kind/in',
      'extra only/there',
      'missing new',
      'missing only/here',
      'size size',
    ]);
    expect(mirror.end).toMatchObject({ files: 6, equal: 1, different: 3, missing: 2, extra: 3 });
    const { code, stdout, stderr } = await scene.cli(['check', 'job']);
    expect(code).toBe(10);
    expect(stdout).toMatch(/^content {3}content {2}\(the same size, but other bytes\)$/m);
    expect(stdout).toMatch(/^size {6}size {2}\(4 bytes in .*data, 6 in archive:.*\)$/m);
    expect(stdout).toMatch(/^missing {3}new {2}\(only in .*data\)$/m);
    expect(stdout).toMatch(/^extra {5}gone {2}\(only in archive:.*\)$/m);
    expect(stderr).toMatch(/^job: different: 6 files, /m);

    await scene.jobs({ operation: 'push', exclude: ['*.tmp'] });
    const push = await check(scene);
    expect(push.differences).toEqual(mirror.differences.filter((line) => !/extra/.test(line)));
  });

  test('links that are preserved are compared by their targets', async ({ scene }) => {
    scene.writeHere({ a: 'a', same: { link: 'a' }, other: { link: 'a' } });
    scene.writeThere({ a: 'a', same: { link: 'a' }, other: { link: 'same' } });
    await scene.jobs({ symlinks: 'preserve' });
    const { code, differences, end } = await check(scene);
    expect([code, differences]).toEqual([10, ['content other']]);
    expect(end).toMatchObject({ files: 3, equal: 2, different: 1 });
  });
});

describe('what cannot be read', () => {
  test('a file: 3, although others differ; the rest is checked', async ({ scene }) => {
    const { source, target, writeSource, writeTarget, jobs } = turn(scene, 'down');
    writeSource({ locked: 'x', other: 'here', 'shut/a': 'a', same: 'same' });
    writeTarget({ locked: 'x', other: 'over', 'shut/a': 'a', same: 'same' });
    await jobs();
    chmodSync(source('locked'), 0);
    chmodSync(source('shut'), 0);
    const { code, end, events, differences, stderr } = await check(scene).finally(() =>
      chmodSync(source('shut'), 0o755),
    );
    expect(code).toBe(3);
    expect(differences).toEqual(['content other']);
    expect(end).toMatchObject({ ...none, unreadable: 2, different: 1, equal: 1, exitCode: 3 });
    const failed = events.flatMap(({ action, path }) => (action === 'fail' ? [path] : []));
    expect(failed.sort()).toEqual(['locked', 'shut']);
    expect(stderr).toMatch(/failed {2}locked: .*permission denied/i);
    expect(readTree(target())).toMatchObject({ locked: 'x' });
  });

  test('a source that does not exist: 7; a server out of reach: 4', async ({ scene }) => {
    scene.writeThere({ a: 'a' });
    const missing = await check(scene);
    expect(missing.code).toBe(7);
    expect(missing.end.error).toMatchObject({ kind: 'refused' });
    scene.writeHere({ a: 'a' });
    await scene.jobs({}, { port: 1 });
    const { code, end } = await check(scene);
    expect(code).toBe(4);
    expect(end).toMatchObject({ exitCode: 4, error: { kind: 'network' }, read: 0 });
  });
});

describe('a sample', () => {
  const names = Array.from({ length: 200 }, (_, i) => `d${i % 7}/f${i}`);
  const prepare = (scene: Scene) => {
    scene.writeHere(Object.fromEntries(names.map((name) => [name, 'good'])), { mtime });
    scene.writeThere(Object.fromEntries(names.map((name) => [name, 'flip'])), { mtime });
  };

  test('reads its share, misses nothing that it chose, and can be chosen again', async ({
    scene,
  }) => {
    prepare(scene);
    const first = await check(scene, '--sample', '20%', '--seed', 'one');
    expect(first.code).toBe(10);
    const { read } = first.end;
    expect(read).toBeGreaterThan(15);
    expect(read).toBeLessThan(75);
    expect(first.end).toMatchObject({ files: 200, different: read, equal: 0 });
    expect(first.end.sample).toEqual({ percent: 20, seed: 'one' });
    expect(first.differences).toHaveLength(read);
    expect((await check(scene, '--sample', '20%', '--seed', 'one')).differences).toEqual(
      first.differences,
    );
    const other = await check(scene, '--sample', '20%', '--seed', 'two');
    expect(other.differences).not.toEqual(first.differences);
    // a larger share with the same seed has all of the smaller one's
    const more = await check(scene, '--sample', '60%', '--seed', 'one');
    expect(more.differences).toEqual(expect.arrayContaining(first.differences));
    expect((await check(scene, '--sample', '100%')).end).toMatchObject({ read: 200 });
  });

  test('names its seed, which is another one each time', async ({ scene }) => {
    prepare(scene);
    const seeds: string[] = [];
    for (let i = 0; i < 2; i++) {
      const { code, stdout, stderr } = await scene.cli(['check', 'job', '--sample', '10%']);
      const seed = /sample of 10 % \(--seed ([0-9a-f]{8})\)/.exec(stderr)?.[1] ?? '';
      expect(code, stderr).toBe(10);
      const again = await scene.cli(['check', 'job', '--sample', '10%', '--seed', seed]);
      expect(again.stdout.split('\n').sort()).toEqual(stdout.split('\n').sort());
      seeds.push(seed);
    }
    expect(seeds[0]).not.toBe(seeds[1]);
  });

  test('of few files reads one; sizes and missing files count for all', async ({ scene }) => {
    scene.writeHere({ a: 'good', b: 'size', c: 'new' });
    scene.writeThere({ a: 'flip', b: 'other size' });
    const { code, end, differences } = await check(scene, '--sample', '0.01%');
    expect(code).toBe(10);
    expect(end).toMatchObject({ read: 1, different: 2, missing: 1 });
    expect(differences).toEqual(['content a', 'missing c', 'size b']);
  });

  test.for([
    ['--sample', '0%'],
    ['--sample', '5'],
    ['--sample', '101%'],
    ['--seed', 'x'],
  ])('%j: 2, in words', async (flags, { scene }) => {
    const { code, stderr } = await scene.cli(['check', 'job', ...flags]);
    expect(code).toBe(2);
    expect(stderr).toContain('--sample');
  });
});

test('several jobs: each is checked, and 3 ranks before 10', async ({ sshd, scene }) => {
  scene.writeHere({ 'one/a': 'a', 'two/a': 'here', 'three/a': 'a' });
  scene.writeThere({ 'one/a': 'a', 'two/a': 'over', 'three/a': 'a' });
  const job = (name: string) => ({
    operation: 'mirror',
    from: `archive:${scene.place}/${name}`,
    to: `./data/${name}`,
  });
  await writeJobs(scene.cwd, {
    remotes: { archive: remoteIn(sshd) },
    jobs: { one: job('one'), two: job('two'), three: job('three') },
  });
  chmodSync(scene.there('three/a'), 0);
  const codes = async (...names: string[]) => (await scene.cli(['check', ...names, '--json'])).code;
  expect(await codes('one')).toBe(0);
  expect(await codes('one', 'two')).toBe(10);
  expect(await codes('two', 'three')).toBe(3);
  expect(await codes('t*')).toBe(3);
  expect(await codes('--all')).toBe(3);
  const { stderr } = await scene.cli(['check', '--all']);
  expect(stderr).toMatch(
    /^job +outcome +files +read +different +missing +extra +unreadable +time$/m,
  );
  expect(stderr).toMatch(/^two +different +1 +1 +1 +0 +0 +0 /m);
  expect(await codes('two', 'nobody')).toBe(2);
  expect(await codes()).toBe(2);
});

test('several targets: each by itself', async ({ scene }) => {
  scene.writeHere({ a: 'a', b: 'b' });
  scene.writeThere({ 'one/a': 'a', 'one/b': 'b', 'two/a': 'x' });
  await scene.jobs({ to: [`archive:${scene.place}/one`, `archive:${scene.place}/two`] });
  const { code, events } = await scene.cli(['check', 'job', '--json']);
  expect(code).toBe(10);
  const target = `archive:${scene.place}/two`;
  expect(events).toMatchObject([
    { event: 'check', target: `archive:${scene.place}/one`, exitCode: 0, equal: 2 },
    { event: 'difference', target },
    { event: 'difference', target },
    { event: 'check', target, exitCode: 10, different: 1, missing: 1 },
  ]);
});

test('holds no lock: it works while the job runs', async ({ slowScene }) => {
  const running = startFerryline(['run', 'job'], { cwd: slowScene.cwd });
  await slowScene.begun();
  // a state folder belongs to one jobs.yml, and the fast one is another
  const { code, events } = await slowScene.cli(['check', 'job', '--json', '-c', slowScene.fast], {
    env: { FERRYLINE_STATE_DIR: '.state-fast' },
  });
  expect(code).toBe(10);
  const end = events.at(-1);
  expect(end?.missing).toBeGreaterThan(0);
  expect(end).toMatchObject({ files: 300, different: 0, unreadable: 0 });
  running.child.kill('SIGINT');
  expect((await running.ended).code).toBe(130);
});

describe('sides that change while they are checked', () => {
  const prepare = async (scene: Scene, job: object = {}) => {
    const sides = turn(scene, 'down');
    sides.writeSource({ a: 'a', big }, { mtime });
    sides.writeTarget({ a: 'a', big }, { mtime });
    await sides.jobs(job);
    return sides;
  };

  hostileTest(
    'a file: `changed`, 3, since nothing can be said about it',
    async ({ scene, hostile }) => {
      const { source } = await prepare(scene);
      hostile.behave = ({ type, at }) => {
        if (type === 'READ' && at.endsWith('/big')) writeFileSync(source('big'), 'rewritten');
        return 'normal';
      };
      const { code, end, events } = await check(scene);
      expect(code).toBe(3);
      expect(end).toMatchObject({ unreadable: 1, different: 0, equal: 1 });
      expect(events).toContainEqual(
        expect.objectContaining({ action: 'fail', path: 'big', kind: 'changed' }),
      );
    },
  );

  hostileTest(
    'a file that grows, with `live`: as of its listing, 0',
    async ({ scene, hostile }) => {
      const { source } = await prepare(scene);
      hostile.behave = ({ type, at }) => {
        if (type === 'READ' && at.endsWith('/big')) appendFileSync(source('big'), 'more');
        return 'normal';
      };
      expect((await check(scene, '--live', 'big')).code).toBe(0);
    },
  );

  hostileTest('a file that is removed: vanished, 0', async ({ scene, hostile }) => {
    const { source } = await prepare(scene);
    hostile.behave = ({ type, path }) => {
      if (type === 'OPEN' && path.endsWith('/a')) rmSync(source('a'), { force: true });
      return 'normal';
    };
    expect(await check(scene)).toMatchObject({ code: 0, end: { vanished: 1, equal: 1 } });
  });

  hostileTest(
    'a connection that is cut: it reads on over a new one',
    async ({ scene, hostile }) => {
      await prepare(scene);
      let cut = false;
      hostile.behave = ({ type, at, offset }) => {
        if (cut || type !== 'READ' || !at.endsWith('/big') || offset < 1024 * 1024) return 'normal';
        cut = true;
        return 'cut';
      };
      const { code, end } = await check(scene);
      expect(code).toBe(0);
      expect(end).toMatchObject({ ...none, read: 2, equal: 2, bytes: 1 + big.length, sessions: 2 });
    },
  );

  hostileTest('SIGINT ends it: 130, with its report', async ({ scene, hostile }) => {
    await prepare(scene);
    const running = startFerryline(['check', 'job', '--json'], { cwd: scene.cwd });
    let stopped = false;
    hostile.behave = ({ type }) => {
      if (type !== 'READ') return 'normal';
      if (!stopped) running.child.kill('SIGINT');
      stopped = true;
      return 'silent';
    };
    const { code, events } = await running.ended;
    expect(code).toBe(130);
    expect(events.at(-1)).toMatchObject({ event: 'check', exitCode: 130 });
  });
});
