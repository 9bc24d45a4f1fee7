/** Watching real folders: what is reported, and when. */
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { settle, type Watched, watched } from '../../kit/daemons/watching.js';
import { temporaryFolder } from '../../kit/files/temporary.js';

const open: Watched[] = [];
async function watching(options: Parameters<typeof watched>[0] = {}): Promise<Watched> {
  const watch = await watched(options);
  open.push(watch);
  await watch.ready;
  return watch;
}
afterEach(async () => {
  for (const watch of open.splice(0)) await watch.close();
});

/** A file's own time may be this much before the process's clock: the kernel's is clockErrorMs. */
const clockErrorMs = 15;

test('the start asks for a look at the whole tree, and older files are not reported', async () => {
  const watch = await watching({ before: (root) => writeFileSync(join(root, 'old'), '') });
  expect([watch.rescans, watch.states]).toEqual([['start'], ['watching']]);
  await watch.sentinel();
  expect(watch.folders()).toEqual([]);
});

test('a file that changed just before the start is reported, since a run that looks now may skip it', async () => {
  const root = await temporaryFolder();
  mkdirSync(join(root, 'sub'));
  writeFileSync(join(root, 'sub/fresh'), '');
  const watch = await watching({ root });
  await watch.untilSettled('sub');
});

describe('it reports', () => {
  test('a new file and a changed one, each by its folder, at rest for `settle`', async () => {
    const quiet: number[] = [];
    let file = '';
    const watch = await watching({
      before: (root) => {
        mkdirSync(join(root, 'a/b'), { recursive: true });
        writeFileSync(join(root, 'a/b/old'), 'old');
      },
      onSettled: () => void quiet.push(Date.now() - statSync(file).ctimeMs),
    });
    file = watch.at('new');
    watch.write('new', 'x'.repeat(1024));
    await watch.untilSettled('');
    file = watch.at('a/b/old');
    watch.write('a/b/old', 'changed');
    await watch.untilSettled('a/b');
    expect(watch.settled).toEqual([[''], ['a/b']]);
    expect(Math.min(...quiet)).toBeGreaterThanOrEqual(settle - clockErrorMs);
  });

  test('an editor’s save: a temporary file renamed over the old one', async () => {
    const watch = await watching({ before: (root) => writeFileSync(join(root, 'file'), 'old') });
    watch.write('.file.swp', 'new');
    renameSync(watch.at('.file.swp'), watch.at('file'));
    await watch.untilSettled('');
    await watch.sentinel();
    expect(watch.folders()).toEqual(['']);
  });

  test('files in folders that were made just before them, however deep', async () => {
    const watch = await watching();
    const folders = Array.from({ length: 100 }, (_, i) => `n${i % 10}/a${i}/b/c`);
    for (const [i, folder] of folders.entries()) {
      watch.write(`${folder}/file`);
      if (i % 7 === 0) await sleep(i % 5);
    }
    await watch.until(() => folders.every((folder) => watch.folders().includes(folder)));
    // later files are reported, too
    watch.write('n3/a3/b/later');
    await watch.untilSettled('n3/a3/b');
  });

  test('a folder moved in or within the tree, but none moved out', async () => {
    const outside = await temporaryFolder();
    mkdirSync(join(outside, 'in/deep'), { recursive: true });
    writeFileSync(join(outside, 'in/deep/file'), '');
    utimesSync(join(outside, 'in/deep/file'), 1_000_000_000, 1_000_000_000);
    const watch = await watching();
    renameSync(join(outside, 'in'), watch.at('in'));
    await watch.untilSettled('in/deep');
    renameSync(watch.at('in'), watch.at('there'));
    await watch.untilSettled('there/deep');
    renameSync(watch.at('there'), join(outside, 'out'));
    appendFileSync(join(outside, 'out/deep/file'), 'no more of ours');
    await watch.sentinel();
    expect(watch.folders()).toEqual(['in/deep', 'there/deep']);
  });

  test('changes in a folder that took the place of another of its name', async () => {
    const watch = await watching({
      before: (root) => {
        mkdirSync(join(root, 'd/e'), { recursive: true });
        writeFileSync(join(root, 'd/e/f'), '');
      },
    });
    for (let i = 0; i < 5; i++) {
      rmSync(watch.at('d'), { recursive: true });
      mkdirSync(watch.at('d/e'), { recursive: true });
    }
    await watch.sentinel();
    watch.write('d/e/new');
    await watch.untilSettled('d/e');
    watch.write('d/new');
    await watch.untilSettled('d');
  });

  test('a file in the place of a folder, and the reverse', async () => {
    const watch = await watching({
      before: (root) => mkdirSync(join(root, 'd/x'), { recursive: true }),
    });
    rmSync(watch.at('d/x'), { recursive: true });
    watch.write('d/x', 'a file');
    await watch.untilSettled('d');
    rmSync(watch.at('d/x'));
    watch.write('d/x/y', 'in a folder');
    await watch.untilSettled('d/x');
  });

  test('a link, but not what it leads to', async () => {
    const watch = await watching();
    const outside = await temporaryFolder();
    symlinkSync(outside, watch.at('link'));
    await watch.untilSettled('');
    writeFileSync(join(outside, 'file'), '');
    await watch.sentinel();
    expect(watch.folders()).toEqual(['']);
  });

  test('a file with a time in the future, without delay', async () => {
    const watch = await watching();
    watch.write('a/file');
    utimesSync(watch.at('a/file'), 9_000_000_000, 9_000_000_000);
    await watch.untilSettled('a');
  });

  test('a file with the name of its folder', async () => {
    const watch = await watching({
      before: (root) => mkdirSync(join(root, 'root/root'), { recursive: true }),
    });
    watch.write('root/root/root');
    await watch.untilSettled('root/root');
    rmSync(watch.at('root/root/root'));
    watch.write('root/other');
    await watch.untilSettled('root');
    expect(watch.rescans).toEqual(['start']);
  });
});

describe('it does not report', () => {
  test('a file that is being written, until it is done', async () => {
    const long = 800;
    const watch = await watching({ settle: long });
    watch.write('slow', '');
    for (let i = 0; i < 30; i++) {
      await sleep(long / 16);
      appendFileSync(watch.at('slow'), 'more');
      expect(watch.settled).toEqual([]);
    }
    const end = Date.now();
    await watch.untilSettled('');
    expect(Date.now() - end).toBeGreaterThanOrEqual(long - clockErrorMs);
    await watch.sentinel();
    expect(watch.folders()).toEqual(['']);
  });

  test('our own files, unwanted ones, removed ones, and modes of folders', async () => {
    const asked = new Set<string>();
    const watch = await watching({
      before: (root) => {
        mkdirSync(join(root, 'out/deep'), { recursive: true });
        mkdirSync(join(root, 'sub'));
        writeFileSync(join(root, 'sub/gone'), '');
      },
      wanted: (path, isFolder) => {
        asked.add(path);
        return path !== (isFolder ? 'out' : 'sub/unwanted');
      },
    });
    watch.write('.ferryline/sent.json');
    watch.write('sub/.file.0123456789abcdef.m1a2b3c4-0a1b2c3d.ferrypart');
    watch.write('sub/.file.0123456789abcdef.ferryold');
    watch.write('sub/unwanted');
    watch.write('out/deep/file');
    rmSync(watch.at('sub/gone'));
    chmodSync(watch.at('sub'), 0o700);
    mkdirSync(watch.at('empty'));
    await watch.sentinel();
    expect(watch.folders()).toEqual([]);
    expect([...asked].filter((path) => /ferry|out\//.test(path))).toEqual([]);
  });

  test('a file that is removed before it has come to rest', async () => {
    const watch = await watching();
    watch.write('brief');
    await sleep(settle / 3);
    rmSync(watch.at('brief'));
    await watch.sentinel();
    expect(watch.folders()).toEqual([]);
  });

  test('anything after the end', async () => {
    const watch = await watching();
    watch.write('file');
    await watch.close();
    await sleep(3 * settle);
    expect([watch.settled, watch.rescans]).toEqual([[], ['start']]);
  });
});

describe('many changes at once:', () => {
  test('of ten thousand files, each folder is reported, in few calls', async () => {
    const from = await temporaryFolder();
    for (let i = 0; i < 10_000; i++) {
      const folder = join(from, `drop/d${i % 20}`);
      if (i < 20) mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, `f${i}`), '');
    }
    const watch = await watching();
    renameSync(join(from, 'drop'), watch.at('drop'));
    await watch.until(() => new Set(watch.folders()).size === 20);
    expect(watch.settled.length).toBeLessThan(200);
    expect(watch.rescans).toEqual(['start']);
  });

  test('files that come to rest one after another make few calls', async () => {
    const calls: number[] = [];
    const watch = await watching({ onSettled: () => void calls.push(performance.now()) });
    for (let i = 0; i < 100; i++) {
      watch.write(`d/f${i}`);
      await sleep(5);
    }
    await watch.sentinel();
    const gaps = calls.slice(1).map((at, i) => at - (calls[i] as number));
    expect(gaps.length).toBeGreaterThan(2);
    expect(Math.min(...gaps)).toBeGreaterThan(95);
  });

  test('more events than the system keeps: the whole tree is to be looked at, and goes on being watched', async () => {
    const watch = await watching({
      before: (root) => {
        for (const folder of ['many', 'replaced']) mkdirSync(join(root, folder));
      },
    });
    // this thread reads no events meanwhile, so the system's queue overflows
    for (let i = 0; i < 9000; i++) writeFileSync(watch.at(`many/f${i}`), 'x');
    mkdirSync(watch.at('missed/deep'), { recursive: true });
    rmSync(watch.at('replaced'), { recursive: true });
    mkdirSync(watch.at('replaced'));
    await watch.until(() => watch.rescans.includes('overflow'));
    watch.write('missed/deep/file');
    await watch.untilSettled('missed/deep');
    watch.write('replaced/file');
    await watch.untilSettled('replaced');
  }, 120_000);
});

describe('the root', () => {
  test('may come late, go and come back: each time the whole tree must be looked at', async () => {
    const root = join(await temporaryFolder(), 'mount');
    const watch = await watching({ root });
    expect(watch.rescans).toEqual([]);
    expect(watch.states).toEqual([expect.stringMatching(/^degraded: .*mount does not exist/)]);
    for (const n of [1, 2]) {
      mkdirSync(join(root, 'sub'), { recursive: true });
      await watch.until(() => watch.rescans.length === n);
      expect(watch.rescans.at(-1)).toBe('root');
      expect(watch.states.at(-1)).toBe('watching');
      watch.write(`sub/file`);
      await watch.until(() => watch.settled.length === n);
      rmSync(root, { recursive: true });
      await watch.until(() => watch.states.length === 1 + 2 * n);
    }
    expect(watch.settled).toEqual([['sub'], ['sub']]);
  });

  test('may be replaced by another folder, which is watched then', async () => {
    const watch = await watching({
      before: (root) => mkdirSync(`${root}-other/sub`, { recursive: true }),
    });
    renameSync(watch.at(''), `${watch.at('.')}-old`);
    renameSync(`${watch.at('.')}-other`, watch.at('.'));
    await watch.until(() => watch.rescans.includes('root'));
    watch.write('sub/file');
    await watch.untilSettled('sub');
  });

  test('may be one file: only that one counts, saved in place or by a rename', async () => {
    const folder = await temporaryFolder();
    const file = join(folder, 'file');
    writeFileSync(file, '');
    await sleep(2 * settle);
    const watch = await watching({ root: file });
    mkdirSync(join(folder, 'sub'));
    writeFileSync(join(folder, 'sub/file'), '');
    writeFileSync(join(folder, 'other'), '');
    await sleep(3 * settle);
    expect(watch.settled).toEqual([]);
    writeFileSync(file, 'in place');
    await watch.until(() => watch.settled.length === 1);
    writeFileSync(join(folder, 'temporary'), 'by a rename');
    renameSync(join(folder, 'temporary'), file);
    await watch.until(() => watch.settled.length === 2);
    expect(watch.settled).toEqual([[''], ['']]);
  });

  test('may be a link to a folder', async () => {
    const folder = await temporaryFolder();
    mkdirSync(join(folder, 'real/sub'), { recursive: true });
    symlinkSync('real', join(folder, 'root'));
    const watch = await watching({ root: join(folder, 'root') });
    watch.write('sub/file');
    await watch.untilSettled('sub');
  });
});

test('the whole tree must be looked at every `rescan`', async () => {
  const watch = await watching({ rescan: 50 });
  await watch.until(() => watch.rescans.filter((why) => why === 'rescan').length >= 3);
  expect(watch.rescans[0]).toBe('start');
});

test('of two watches on one folder, one can end without the other', async () => {
  const first = await watching();
  const second = await watching({ root: first.at('') });
  first.write('d/file');
  await Promise.all([first.untilSettled('d'), second.untilSettled('d')]);
  await first.close();
  second.write('e/file');
  await second.untilSettled('e');
});
