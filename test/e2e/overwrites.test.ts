/** What a run may overwrite: `replace.max`, and what is said when most files differ in mtime alone. */
import { rmSync, utimesSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { test } from '../kit/base.js';
import { readTree, sameTree } from '../kit/files/tree.js';
import type { Scene } from '../kit/scene.js';

const past = 1_700_000_000;
const files = (n: number, text = '') =>
  Object.fromEntries(Array.from({ length: n }, (_, i) => [`f${i}`, `${i}${text}`]));

/** Ten files on both sides, of which `n` differ, and a new one. */
function differ(scene: Scene, n: number): void {
  scene.writeThere(files(10), { mtime: past });
  scene.writeHere({ ...files(10), ...files(n, ' changed'), fresh: 'new' }, { mtime: past });
}

describe('replace.max', () => {
  test.for([
    ['50%', 5, 0],
    ['50%', 6, 7],
    [6, 6, 0],
    [5, 6, 7],
    [0, 0, 0],
    ['100%', 10, 0],
  ] as const)('%s, %d of 10 to overwrite: exit %d', async ([max, changed, exit], { scene }) => {
    differ(scene, changed);
    await scene.jobs({ operation: 'push', replace: { max } });
    const { code, report } = await scene.run();
    expect(code).toBe(exit);
    if (exit === 0) {
      expect(report.files.copied).toBe(changed + 1);
      expect(sameTree(scene.here(), scene.there())).toBe(true);
    } else expect(readTree(scene.there())).toEqual(files(10));
  });

  test('says what it refuses and how to say yes; the flag counts for once', async ({ scene }) => {
    differ(scene, 8);
    await scene.jobs({ replace: { max: '50%' } });
    const { code, report } = await scene.run();
    expect(code).toBe(7);
    expect(report.error).toMatchObject({
      kind: 'refused',
      message: expect.stringContaining('overwrites 8 of 10 files at archive:'),
      hint: expect.stringContaining('`ferryline run job --replace-max 8`'),
    });
    expect((await scene.cli(['plan', 'job'])).code).toBe(7);
    expect((await scene.run('--replace-max', '8')).code).toBe(0);
    expect(sameTree(scene.here(), scene.there())).toBe(true);
  });

  test('a pull is held to it, too', async ({ scene }) => {
    differ(scene, 3);
    scene.writeThere(files(4, ' theirs'));
    const pull = { operation: 'pull', from: `archive:${scene.place}`, to: './data' };
    await scene.jobs({ ...pull, replace: { max: 2 } });
    const before = readTree(scene.here());
    expect((await scene.run()).code).toBe(7);
    expect(readTree(scene.here())).toEqual(before);
  });

  test('files out of scope, and those that `existing` keeps, do not count', async ({ scene }) => {
    differ(scene, 10);
    await scene.jobs({ operation: 'push', replace: { max: 1 }, include: ['f0', 'fresh'] });
    expect((await scene.run()).code).toBe(0);
    await scene.jobs({ operation: 'push', replace: { max: 0 }, existing: 'skip' });
    expect((await scene.run()).code).toBe(0);
  });
});

test('delete.max unset: a tenth, at least 20 files, at most half', async ({ scene }) => {
  const gone = async (n: number, of: number) => {
    rmSync(scene.there(), { recursive: true, force: true });
    rmSync(scene.here(), { recursive: true, force: true });
    scene.writeThere(files(of), { mtime: past });
    scene.writeHere(Object.fromEntries(Object.entries(files(of)).slice(n)), { mtime: past });
    scene.mirrored();
    return (await scene.run()).code;
  };
  expect(await gone(20, 60)).toBe(0);
  expect(await gone(21, 60)).toBe(7);
  expect(await gone(2, 4)).toBe(0);
  expect(await gone(3, 4)).toBe(7);
  expect(await gone(30, 300)).toBe(0);
  expect(await gone(31, 300)).toBe(7);
});

describe('most differences are in mtime alone', () => {
  const says =
    '12 of 13 differing files differ in mtime alone; `ferryline run job --compare checksum` sends nothing for those that are equal and sets their mtimes';

  test('plan says so, and what to do; doing it sends nothing', async ({ scene }) => {
    scene.writeThere({ ...files(12), other: 'o' }, { mtime: past });
    scene.writeHere({ ...files(12), other: 'longer' }, { mtime: past + 3600 });
    const { stderr, code } = await scene.cli(['plan', 'job']);
    expect(code).toBe(0);
    expect(stderr).toContain(says);
    const { events } = await scene.cli(['plan', 'job', '--json']);
    expect(events.find(({ event }) => event === 'plan')).toMatchObject({ mtimeOnly: 12 });
    const { report } = await scene.run('--compare', 'checksum');
    expect(report.files).toMatchObject({ copied: 1, attrs: 12 });
    expect((await scene.cli(['plan', 'job'])).stderr).toContain('nothing to do');
  });

  test('a run says so for many files, and not for a few', async ({ scene }) => {
    scene.writeThere(files(120), { mtime: past });
    scene.writeHere(files(120), { mtime: past + 3600 });
    expect((await scene.cli(['run', 'job'])).stderr).toContain('120 of 120 differing files');
    for (let i = 0; i < 9; i++) utimesSync(scene.here(`f${i}`), past, past);
    expect((await scene.cli(['run', 'job'])).stderr).not.toContain('differing');
  });

  test('nothing is said where contents differ as often', async ({ scene }) => {
    scene.writeThere(files(10), { mtime: past });
    scene.writeHere({ ...files(10), ...files(5, ' changed') }, { mtime: past + 3600 });
    expect((await scene.cli(['plan', 'job'])).stderr).not.toContain('mtime alone');
  });
});
