/** Row 60 of docs/faults.md, through the built CLI: what an interrupted replacement left aside. */
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { hostileTest, test } from '../kit/base.js';
import { killedRun } from '../kit/daemons/killed-run.js';
import { aDayLater } from '../kit/files/seen-leftovers.js';
import { readTree } from '../kit/files/tree.js';
import { isRename } from '../kit/servers/hostile-replies.js';

const aside = (name: string) => `.${name}.0123456789abcdef.ferryold`;
const trash = '.ferryline/trash';

/** What the trash holds, with the run's folder called RUN. */
function trashed(there: string): Record<string, unknown> {
  const tree = Object.entries(readTree(join(there, trash)));
  return Object.fromEntries(tree.map(([path, node]) => [path.replace(/^[^/]+/, 'RUN'), node]));
}

describe('row 60: the plan settles what was set aside', () => {
  test('by a refused run: 7, nothing is changed', async ({ scene }) => {
    scene.writeHere({ 'only/here': 'h' });
    const there = {
      [aside('lost')]: 'lost',
      'x/new': 'n',
      [aside('x')]: 'old x',
      [`${aside('d')}/inner`]: 'old d',
    };
    scene.writeThere(there);
    scene.mirrored();
    await scene.jobs({ delete: { max: 0 }, trash: { dir: trash } });
    expect((await scene.run()).code).toBe(7);
    expect(readTree(scene.there())).toEqual(there);
  });

  test('with something newer in their place, files and folders go to the trash, counted', async ({
    scene,
  }) => {
    const fresh = { 'x/new': 'n', d: 'now a file', b: 'b' };
    scene.writeHere(fresh, { mtime: 1_700_000_000 });
    scene.writeThere(fresh, { mtime: 1_700_000_000 });
    scene.writeThere({ [aside('x')]: 'old x', [`${aside('d')}/deep/inner`]: 'old inner' });
    scene.mirrored();
    await scene.jobs({ delete: { max: '100%' }, trash: { dir: trash } });
    const { code, report } = await scene.run();
    expect(code).toBe(0);
    expect(report.files).toMatchObject({ copied: 0, deleted: 2, failed: 0 });
    expect(readTree(scene.there())).toEqual(fresh);
    expect(trashed(scene.there())).toEqual({
      'RUN/x': 'old x',
      'RUN/d/deep/inner': 'old inner',
    });
  });

  test('with nothing in their place they are put back, and compared as they are there', async ({
    scene,
  }) => {
    const fresh = { 'd/same': 'same', 'd/changed': 'new bytes', 'd/e/same': 'same', file: 'file' };
    scene.writeHere(fresh, { mtime: 1_700_000_000 });
    scene.writeThere(
      {
        [`${aside('d')}/same`]: 'same',
        [`${aside('d')}/changed`]: 'old',
        [`${aside('d')}/e/same`]: 'same',
        [aside('file')]: 'file',
      },
      { mtime: 1_700_000_000 },
    );
    scene.mirrored();
    await scene.jobs({ delete: { max: '100%' } });
    const { code, report } = await scene.run();
    expect(code).toBe(0);
    expect(report.files).toMatchObject({ copied: 1, deleted: 0, failed: 0 });
    expect(readTree(scene.there())).toEqual(fresh);
  });

  test('a folder that became a file: put back, then replaced by way of the trash', async ({
    scene,
  }) => {
    scene.writeHere({ d: 'now a file', b: 'b' });
    scene.writeThere({ [`${aside('d')}/inner`]: 'old inner', b: 'b' });
    scene.mirrored();
    await scene.jobs({ delete: { max: '100%' }, trash: { dir: trash } });
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.there())).toEqual({ d: 'now a file', b: 'b' });
    expect(trashed(scene.there())).toEqual({ 'RUN/d/inner': 'old inner' });
  });

  test('what the filters leave out stays aside', async ({ scene }) => {
    scene.writeHere({ b: 'b' });
    const there = { [aside('x.log')]: 'old', 'x.log': 'new', [aside('y.log')]: 'lost' };
    scene.writeThere(there);
    scene.mirrored();
    await scene.jobs({ delete: { max: '100%' }, exclude: ['*.log'] });
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.there())).toEqual({ ...there, b: 'b' });
  });
});

const writer = 'aaaaaaaaaaaa0123456789ab';

describe('row 60: the run is killed while the old entry is aside', () => {
  hostileTest.for([
    ['a file, on a server without posix-rename', { d: 'old' }, { d: 'new' }, {}],
    ['a folder that becomes a file', { 'd/inner': 'old' }, { d: 'new' }, undefined],
    ['a file that becomes a folder', { d: 'old' }, { 'd/inner': 'new' }, undefined],
  ] as const)(
    '%s: a refused run leaves it there, the next one brings it to the trash',
    async ([_what, old, fresh, extensions], { scene, hostile }) => {
      if (extensions !== undefined) hostile.extensions = extensions;
      scene.writeHere(fresh);
      scene.writeHere({ b: 'b' }, { mtime: 1_600_000_000 });
      scene.writeThere({ ...old, b: 'b' }, { mtime: 1_600_000_000 });
      scene.mirrored();
      const rules = { delete: { max: '100%' }, trash: { dir: trash } };
      await scene.jobs(rules);
      let isAside = false;
      await killedRun(scene, hostile, (asked) => {
        const now = isAside;
        isAside ||= isRename(asked) && asked.to.endsWith('.ferryold');
        return now;
      });
      const left = readTree(scene.there());
      const asideOf = Object.keys(left).filter((path) => path.includes('.ferryold'));
      expect(asideOf).toHaveLength(1);
      expect(Object.keys(left).filter((path) => /^d(\/|$)/.test(path))).toEqual([]);

      await scene.jobs({ ...rules, delete: { ...rules.delete, require: '.mounted' } });
      expect((await scene.run()).code).toBe(7);
      expect(readTree(scene.there())).toEqual(left);

      await scene.jobs(rules);
      const { code, stderr } = await scene.run();
      expect(code, stderr).toBe(0);
      expect(readTree(scene.there())).toEqual({ ...fresh, b: 'b' });
      expect(Object.values(trashed(scene.there()))).toContain('old');
    },
  );
});

hostileTest(
  'a name that is taken while its old file is aside: 3, and what is left aside is in nobody’s way later',
  async ({ scene, hostile }) => {
    hostile.extensions = {};
    scene.writeHere({ a: 'new' }, { mtime: 1_700_000_000 });
    scene.writeThere({ a: 'old' }, { mtime: 1_600_000_000 });
    await scene.jobs({ operation: 'push' });
    hostile.behave = (asked) => {
      // the old file is aside by now
      if (asked.to.endsWith('/a') && !readdirSync(scene.there()).includes('a'))
        writeFileSync(scene.there('a'), 'theirs');
      return 'normal';
    };
    expect((await scene.run()).code).toBe(3);
    hostile.behave = () => 'normal';
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.there()).a).toBe('new');
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.there())).toEqual({ a: 'new' });
  },
);

hostileTest(
  'a folder that takes a file’s place right before that is set aside: 3, it keeps its name, the source its file',
  async ({ scene, hostile }) => {
    hostile.extensions = {};
    scene.writeHere({ a: 'new' }, { mtime: 1_700_000_000 });
    scene.writeThere({ a: 'old' }, { mtime: 1_600_000_000 });
    await scene.jobs({ operation: 'push', after: 'delete' });
    hostile.behave = (asked) => {
      if (
        isRename(asked) &&
        asked.to.endsWith('.ferryold') &&
        statSync(scene.there('a')).isFile()
      ) {
        rmSync(scene.there('a'));
        scene.writeThere({ 'a/theirs': 't' });
      }
      return 'normal';
    };
    const { code, report } = await scene.run();
    expect([code, report.failures]).toMatchObject([3, [{ path: 'a', kind: 'changed' }]]);
    expect(readTree(scene.there())).toEqual({ 'a/theirs': 't' });
    expect(readTree(scene.here())).toEqual({ a: 'new' });
  },
);

describe('row 60: what another writer set aside', () => {
  test('is left to it, until it has been there for a day', async ({ scene }) => {
    scene.writeHere({ x: 'new x', b: 'b' }, { mtime: 1_700_000_000 });
    const theirs = { [`.x.${writer}.ferryold`]: 'old x', [`.y.${writer}.ferryold`]: 'old y' };
    scene.writeThere(theirs);
    scene.mirrored();
    await scene.jobs({ delete: { max: '100%' }, trash: { dir: trash } });
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.there())).toEqual({ x: 'new x', b: 'b', ...theirs });

    aDayLater(scene);
    const { code, report } = await scene.run();
    expect([code, report.files.deleted]).toEqual([0, 2]);
    expect(readTree(scene.there())).toEqual({ x: 'new x', b: 'b' });
    expect(trashed(scene.there())).toEqual({ 'RUN/x': 'old x', 'RUN/y': 'old y' });
  });
});
