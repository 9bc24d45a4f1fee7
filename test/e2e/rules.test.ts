/** A job's rules, one by one: what is in scope, what counts as different, what happens to links and modes. */
import {
  chmodSync,
  lstatSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect } from 'vitest';
import { test } from '../kit/base.js';
import { temporaryFolder } from '../kit/files/temporary.js';
import { mtimeOf, randomBytes, readTree, sameTree, setMtimes } from '../kit/files/tree.js';
import type { Scene } from '../kit/scene.js';

const past = 1_700_000_000;
const read = (scene: Scene, path: string) => readFileSync(scene.there(path), 'utf8');
const modeOf = (path: string) => (lstatSync(path).mode & 0o7777).toString(8);

describe('scope', () => {
  test('exclude, include and ignore files: out of scope is neither copied, replaced nor deleted', async ({
    scene,
  }) => {
    scene.writeHere({
      'a.txt': 'new',
      'a.tmp': 'new',
      'cache/x.txt': 'x',
      'sub/cache/y.txt': 'y',
      'sub/.ferryignore': '# a comment\nsecret*\n',
      'sub/secret.txt': 's',
      'sub/deep/secret.txt': 's',
      'secret.txt': 'not ignored up here',
      '.hidden.txt': 'h',
      'b.bin': 'b',
    });
    scene.writeThere({ 'a.tmp': 'old', 'cache/kept.txt': 'kept', 'sub/secret.txt': 'old' });
    await scene.jobs({
      include: ['*.txt'],
      exclude: ['*.tmp', 'cache/'],
      ignoreFile: '.ferryignore',
    });
    const { code, report } = await scene.run();
    expect(code).toBe(0);
    expect(report.files).toMatchObject({ copied: 3, deleted: 0, failed: 0 });
    expect(readTree(scene.there())).toEqual({
      '.hidden.txt': 'h',
      'a.tmp': 'old',
      'a.txt': 'new',
      'cache/kept.txt': 'kept',
      'secret.txt': 'not ignored up here',
      'sub/secret.txt': 'old',
    });
    expect((await scene.run()).report.files).toMatchObject({ copied: 0, deleted: 0 });
  });

  test('a leading slash means the root; a flag replaces the list for one run', async ({
    scene,
  }) => {
    scene.writeHere({ 'x/a': '', 'y/x/b': '', 'c.log': '' });
    await scene.jobs({ exclude: ['/x'] });
    await scene.run();
    expect(readTree(scene.there())).toEqual({ 'y/x/b': '', 'c.log': '' });
    writeFileSync(scene.here('c.log'), 'changed');
    await scene.run('--exclude', '*.log');
    expect(readTree(scene.there())).toEqual({ 'x/a': '', 'y/x/b': '', 'c.log': '' });
  });

  test('size and age limits', async ({ scene }) => {
    scene.writeHere({
      small: 'x',
      right: 'x'.repeat(50),
      large: 'x'.repeat(2000),
      old: '12345678',
    });
    setMtimes(scene.here(), { old: past });
    await scene.jobs({ minSize: 5, maxSize: '1KiB', maxAge: '7d' });
    expect((await scene.run()).code).toBe(0);
    expect(Object.keys(readTree(scene.there()))).toEqual(['right']);
  });
});

describe('compare', () => {
  /** The same size on both sides, other bytes at the source, mtimes as given. */
  const pair = (scene: Scene, ours: number, theirs: number, content = 'new') => {
    scene.writeHere({ file: content }, { mtime: ours });
    scene.writeThere({ file: 'old' }, { mtime: theirs });
  };

  test.for([
    ['auto', past, past, 'unchanged'],
    ['auto', past + 1, past, 'copied'],
    ['auto', past - 1, past, 'copied'],
    ['auto', past + 0.6, past, 'unchanged'], // whole seconds, rounded down
    ['mtime', past, past, 'unchanged'],
    ['mtime', past - 1, past, 'copied'],
    ['size', past + 9, past, 'unchanged'],
    ['checksum', past, past, 'copied'],
  ] as const)(
    '%s, same size, mtimes %d and %d: %s',
    async ([compare, ours, theirs, expected], { scene }) => {
      pair(scene, ours, theirs);
      await scene.jobs({ compare });
      const { code, report } = await scene.run();
      expect({ code, files: report.files }).toMatchObject({ code: 0, files: { [expected]: 1 } });
      expect(read(scene, 'file')).toBe(expected === 'copied' ? 'new' : 'old');
    },
  );

  test.for(['auto', 'mtime', 'size', 'checksum'])(
    '%s: another size copies',
    async (compare, { scene }) => {
      pair(scene, past, past, 'longer');
      await scene.jobs({ compare });
      expect((await scene.run()).report.files).toMatchObject({ copied: 1 });
      expect(read(scene, 'file')).toBe('longer');
    },
  );

  test('checksum: the same bytes under another mtime get that mtime, and no copy', async ({
    scene,
  }) => {
    pair(scene, past + 77, past, 'old');
    await scene.jobs({ compare: 'checksum' });
    const { report } = await scene.run();
    expect(report).toMatchObject({ files: { copied: 0, attrs: 1 }, bytes: 0 });
    expect(mtimeOf(scene.there(), 'file')).toBe(past + 77);
    expect((await scene.run()).report.files).toMatchObject({ attrs: 0, unchanged: 1 });
  });

  test('checksum finds a byte in the middle of a large file', async ({ scene }) => {
    const bytes = randomBytes(2_500_000);
    scene.writeHere({ file: bytes }, { mtime: past });
    const other = Buffer.from(bytes);
    other[1_700_000] = (other[1_700_000] ?? 0) ^ 1;
    scene.writeThere({ file: other }, { mtime: past });
    expect((await scene.run()).report.files).toMatchObject({ unchanged: 1 });
    expect((await scene.run('--compare', 'checksum')).report.files).toMatchObject({ copied: 1 });
    expect(sameTree(scene.here(), scene.there())).toBe(true);
  });

  test('a mode alone copies nothing', async ({ scene }) => {
    pair(scene, past, past, 'old');
    chmodSync(scene.here('file'), 0o600);
    expect((await scene.run()).report.files).toMatchObject({ copied: 0, unchanged: 1 });
  });
});

describe('existing', () => {
  test.for([
    ['overwrite', past - 5, 'new'],
    ['newer', past - 5, 'old!'],
    ['newer', past + 5, 'new'],
    ['skip', past + 5, 'old!'],
  ] as const)('%s, source at %d: %s', async ([existing, mtime, expected], { scene }) => {
    scene.writeHere({ file: 'new', fresh: 'fresh' }, { mtime });
    scene.writeThere({ file: 'old!' }, { mtime: past });
    await scene.jobs({ existing, operation: 'push' });
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.there())).toEqual({ file: expected, fresh: 'fresh' });
  });
});

describe('symlinks', () => {
  const links = async (scene: Scene) => {
    const outside = await temporaryFolder();
    writeFileSync(`${outside}/secret`, 'outside');
    scene.writeHere({
      'a.txt': 'a',
      'folder/b.txt': 'b',
      'to-file': { link: 'a.txt' },
      'folder/up': { link: '../a.txt' },
      'to-folder': { link: 'folder' },
      dangling: { link: 'nothing' },
      loop: { link: '.' },
      absolute: { link: `${outside}/secret` },
      out: { link: '../../../../../../../../../etc/hostname' },
    });
  };

  test('skip leaves them out on both sides', async ({ scene }) => {
    await links(scene);
    scene.writeThere({ theirs: { link: 'whatever' } });
    const { code, report } = await scene.run();
    expect(code).toBe(0);
    expect(report.files).toMatchObject({ copied: 2, skipped: 7, deleted: 0 });
    expect(readTree(scene.there())).toEqual({
      'a.txt': 'a',
      'folder/b.txt': 'b',
      theirs: { link: 'whatever' },
    });
  });

  test('follow takes what they lead to, inside the root only', async ({ scene }) => {
    await links(scene);
    await scene.jobs({ symlinks: 'follow' });
    const { code, report, stderr } = await scene.run('-v');
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(readTree(scene.there())).toEqual({
      'a.txt': 'a',
      'folder/b.txt': 'b',
      'folder/up': 'a',
      'to-file': 'a',
      'to-folder/b.txt': 'b',
      'to-folder/up': 'a',
    });
    expect(report.files).toMatchObject({ copied: 6, failed: 0 });
    for (const path of ['dangling', 'loop', 'absolute', 'out']) expect(stderr).toContain(path);
    expect((await scene.run()).report.files).toMatchObject({ copied: 0, unchanged: 6 });
  });

  test('preserve makes the same links, those out of the root excepted', async ({ scene }) => {
    await links(scene);
    await scene.jobs({ symlinks: 'preserve' });
    const { code } = await scene.run();
    expect(code).toBe(0);
    expect(readTree(scene.there())).toEqual({
      'a.txt': 'a',
      'folder/b.txt': 'b',
      'folder/up': { link: '../a.txt' },
      'to-file': { link: 'a.txt' },
      'to-folder': { link: 'folder' },
      dangling: { link: 'nothing' },
      loop: { link: '.' },
    });
    expect((await scene.run()).report.files).toMatchObject({ copied: 0 });
  });

  test('preserve on the way back changes and removes links too', async ({ scene }) => {
    scene.writeThere({ 'a.txt': 'a', one: { link: 'a.txt' } });
    scene.writeHere({ 'a.txt': 'a', one: { link: 'b.txt' }, two: { link: 'a.txt' } });
    scene.mirrored({ label: './data', folder: scene.here() });
    await scene.jobs({
      from: `archive:${scene.place}`,
      to: './data',
      symlinks: 'preserve',
      delete: { max: '100%' },
    });
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.here())).toEqual({ 'a.txt': 'a', one: { link: 'a.txt' } });
  });

  test('nothing is written through a link that exists at the destination', async ({ scene }) => {
    const outside = await temporaryFolder();
    writeFileSync(`${outside}/victim`, 'untouched');
    scene.writeHere({ file: 'new', 'folder/victim': 'new', 'fine.txt': 'fine' });
    scene.writeThere({ x: '' });
    symlinkSync(`${outside}/victim`, scene.there('file'));
    symlinkSync(outside, scene.there('folder'));
    await scene.jobs({ operation: 'push' });
    const { code, report } = await scene.run();
    expect(code).toBe(3);
    expect(report.failures).toMatchObject([
      { path: 'file', kind: 'conflict' },
      { path: 'folder', kind: 'conflict' },
    ]);
    expect(readTree(outside)).toEqual({ victim: 'untouched' });
    expect(read(scene, 'fine.txt')).toBe('fine');
  });
});

describe('modes', () => {
  const trees = (scene: Scene) => {
    scene.writeHere({ 'folder/run.sh': '#!', 'plain.txt': 'new' });
    chmodSync(scene.here('folder/run.sh'), 0o4750);
    chmodSync(scene.here('folder'), 0o2751);
    chmodSync(scene.here('plain.txt'), 0o640);
    scene.writeThere({ 'plain.txt': 'old!' });
    chmodSync(scene.there('plain.txt'), 0o604);
  };
  const modes = (scene: Scene) =>
    ['folder', 'folder/run.sh', 'plain.txt'].map((p) => modeOf(scene.there(p)));

  test('source: the permission bits, never set-id', async ({ scene }) => {
    trees(scene);
    await scene.run();
    expect(modes(scene)).toEqual(['751', '750', '640']);
  });

  test('server: what the server gives, and a replaced file keeps its own', async ({ scene }) => {
    trees(scene);
    await scene.jobs({ modes: 'server' });
    await scene.run();
    const mask =
      0o777 &
      ~Number.parseInt(
        readFileSync('/proc/self/status', 'utf8').match(/Umask:\s*(\d+)/)?.[1] ?? '',
        8,
      );
    expect(modes(scene)).toEqual([mask.toString(8), (mask & 0o666).toString(8), '604']);
  });

  test('fixed ones', async ({ scene }) => {
    trees(scene);
    await scene.jobs({ modes: { files: '0604', folders: '0711' } });
    await scene.run();
    expect(modes(scene)).toEqual(['711', '604', '604']);
  });

  test('a read-only folder and file come over all the same', async ({ scene }) => {
    scene.writeHere({ 'locked/in/file': 'x' });
    chmodSync(scene.here('locked/in/file'), 0o444);
    chmodSync(scene.here('locked/in'), 0o555);
    chmodSync(scene.here('locked'), 0o555);
    const { code } = await scene.run();
    expect(code).toBe(0);
    expect([modeOf(scene.there('locked')), modeOf(scene.there('locked/in/file'))]).toEqual([
      '555',
      '444',
    ]);
    for (const path of ['locked', 'locked/in'])
      for (const at of [scene.here(path), scene.there(path)]) chmodSync(at, 0o755);
  });

  test('a read-only folder takes what is new, changed and deleted', async ({ scene }) => {
    scene.writeHere({ 'locked/in/file': 'x', 'locked/in/gone': 'x' });
    const lock = (mode: number) => {
      for (const path of ['locked/in', 'locked']) chmodSync(scene.here(path), mode);
    };
    const job = { operation: 'mirror', delete: { max: '100%' }, trash: true };
    await scene.jobs(job);
    lock(0o555);
    expect((await scene.run()).code).toBe(0);
    lock(0o755);
    rmSync(scene.here('locked/in/gone'));
    scene.writeHere({ 'locked/in/file': 'changed', 'locked/in/new/one': 'x' });
    lock(0o555);
    const { code, stderr } = await scene.run();
    expect(code, stderr).toBe(0);
    expect(readTree(scene.there('locked'))).toEqual({ 'in/file': 'changed', 'in/new/one': 'x' });
    expect(['locked', 'locked/in'].map((path) => modeOf(scene.there(path)))).toEqual([
      '555',
      '555',
    ]);
    lock(0o755);
    for (const path of ['locked', 'locked/in']) chmodSync(scene.there(path), 0o755);
  });

  test('source, to a local folder', async ({ scene }) => {
    scene.writeThere({ 'f/run.sh': '#!' });
    chmodSync(scene.there('f/run.sh'), 0o750);
    chmodSync(scene.there('f'), 0o711);
    await scene.jobs({ operation: 'pull', from: `archive:${scene.place}`, to: './data' });
    await scene.run();
    expect([modeOf(scene.here('f')), modeOf(scene.here('f/run.sh'))]).toEqual(['711', '750']);
  });
});

describe('proof', () => {
  test('verify: checksum reads every file back, small and large', async ({ scene }) => {
    scene.writeHere({ small: 'x', large: randomBytes(3_000_000), empty: '' });
    await scene.jobs({ verify: 'checksum' });
    const { code, report, stderr } = await scene.run('-vv');
    expect(code).toBe(0);
    expect(report.verified).toBe('checksum');
    expect(stderr).toMatch(/command: +\d+ READ \d+ bytes/);
    expect(sameTree(scene.here(), scene.there())).toBe(true);
  });

  test('fsync is asked of the server for every file', async ({ scene }) => {
    scene.writeHere({ a: 'a', b: randomBytes(600_000) });
    await scene.jobs({ fsync: true });
    const { code, stderr } = await scene.run('-vv');
    expect(code).toBe(0);
    expect(stderr.match(/command: +.*fsync/gi)?.length).toBe(2);
  });

  test('bandwidth holds a run to its rate', async ({ scene }) => {
    scene.writeHere({ big: randomBytes(400_000) });
    const { report } = await scene.run('--bwlimit', '200KiB/s');
    expect(report.files.copied).toBe(1);
    // loopback needs far less than half the time that the rate allows
    expect(report.seconds).toBeGreaterThan(0.9);
    expect(statSync(scene.there('big')).size).toBe(400_000);
  });
});
