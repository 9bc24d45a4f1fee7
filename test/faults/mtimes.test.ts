/**
 * Row 51 of the faults, through the built CLI: servers that store other mtimes than they are sent, for
 * all files or for some. Later changes of the same size are copied; an unchanged second run does nothing.
 */
import { readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { hostileTest as test } from '../kit/base.js';
import { readTree } from '../kit/files/tree.js';
import type { Scene } from '../kit/scene.js';
import { storesMtimes } from '../kit/servers/odd-attributes.js';

const then = 1_500_000_001; // odd
const latest = 2 ** 31 - 1;

/** Files by path, with their mtimes. */
type Files = Readonly<Record<string, number>>;

function write(scene: Scene, files: Files, content: string): void {
  for (const [path, mtime] of Object.entries(files)) {
    scene.writeHere({ [path]: `${content} of ${path}` });
    utimesSync(scene.here(path), mtime, mtime);
  }
}

const several: Files = { a: then, b: then + 10, 'd/c': then + 1001, 'd/e': then + 99 };

describe('row 51: other mtimes are stored than were sent', () => {
  test.for<[string, Parameters<typeof storesMtimes>[0], Files]>([
    ['in steps of two seconds', (mtime) => mtime - (mtime % 2), { ...several, even: then + 1 }],
    ['in minutes', (mtime) => mtime - (mtime % 60), several],
    ['an hour late', (mtime) => mtime + 3600, several],
    ['an hour late, in steps of two seconds', (mtime) => (mtime & ~1) + 3600, several],
    ['clamped at 2038', (mtime) => Math.min(mtime, latest), { ...several, f: latest + 9 }],
    ['one file in steps of two seconds', (mtime) => mtime & ~1, { a: then, b: then + 1 }],
    ['all at the epoch', () => 0, several],
    ['not, in one folder', (mtime, { at }) => (at.includes('/d/') ? undefined : mtime), several],
    ['not at all', () => undefined, several],
  ] as const)('%s', async ([_name, stores, files], { scene, hostile }) => {
    hostile.behave = storesMtimes(stores);
    write(scene, files, 'one');
    await scene.jobs();
    const all = Object.keys(files).length;
    const first = await scene.run();
    expect([first.code, first.report.files.copied], first.stderr).toEqual([0, all]);
    const second = await scene.run();
    const nothing = { copied: 0, attrs: 0, unchanged: all };
    expect([second.code, second.report.files]).toMatchObject([0, nothing]);

    // the same size again, newer in one half and older in the other
    const changed = Object.entries(files).map(([path, mtime], i) => [
      path,
      mtime + (i % 2 === 0 ? 86_400 : -86_400),
    ]);
    write(scene, Object.fromEntries(changed), 'two');
    const explained = await scene.cli(['explain', 'job', 'a', '--json']);
    expect(explained.events[0]).toMatchObject({ verdict: 'copied' });
    const third = await scene.run();
    expect([third.code, third.report.files.copied], third.stderr).toEqual([0, all]);
    const there = Object.values(readTree(scene.there()));
    expect(there.every((content) => String(content).startsWith('two'))).toBe(true);
    const fourth = await scene.run();
    expect([fourth.code, fourth.report.files]).toMatchObject([0, nothing]);
    const again = await scene.cli(['explain', 'job', 'a', '--json']);
    expect(again.events[0]).toMatchObject({ verdict: 'unchanged' });
  });

  test('what several files agree in holds for their root, is shown, and serves without records', async ({
    scene,
    hostile,
  }) => {
    hostile.behave = storesMtimes((mtime) => (mtime & ~1) + 3600);
    write(scene, several, 'one');
    const config = await scene.jobs({}, {});
    expect((await scene.run()).code).toBe(0);
    const told = 'stores mtimes 3600 s later, in steps of 2 s, rounded down (seen at 4 files on ';
    const explained = await scene.cli(['explain', 'job', 'a']);
    expect(explained.stdout).toContain(`learnt       archive:${scene.place} ${told}`);
    expect((await scene.cli(['run', 'job', '-v'])).stderr).toContain(told);
    // another job with the same root has no records of its own
    writeFileSync(config, readFileSync(config, 'utf8').replaceAll('job:', 'other:'));
    const other = await scene.cli(['run', 'other', '--json']);
    expect(other.events.at(-1)).toMatchObject({ files: { copied: 0, unchanged: 4 } });
  });

  test('an mtime that SFTP cannot carry is clamped, said, and compared in full', async ({
    scene,
  }) => {
    write(scene, { late: 2 ** 32 + 5, later: 2 ** 32 + 6 }, 'one');
    await scene.jobs();
    const first = await scene.run();
    expect(first.stderr).toContain('the mtimes of 2 files are beyond what');
    expect((await scene.run()).report.files).toMatchObject({ copied: 0, unchanged: 2 });
    write(scene, { late: 2 ** 32 + 9, later: 2 ** 32 + 99 }, 'two');
    expect((await scene.run()).report.files).toMatchObject({ copied: 2 });
  });

  test('compare: checksum, and the server refuses mtimes: no failure, and nothing again', async ({
    scene,
    hostile,
  }) => {
    hostile.behave = storesMtimes(() => undefined);
    write(scene, several, 'one');
    scene.writeThere(Object.fromEntries(Object.keys(several).map((p) => [p, `one of ${p}`])));
    await scene.jobs({ compare: 'checksum' });
    const first = await scene.run();
    expect([first.code, first.report.files.copied], first.stderr).toEqual([0, 0]);
    const second = await scene.run();
    expect([second.code, second.report.files]).toMatchObject([0, { copied: 0, attrs: 0 }]);
  });
});
