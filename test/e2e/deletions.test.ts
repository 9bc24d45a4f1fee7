/** Deletions need proof: the guard's limits, the trash, and everything that withholds them. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { giveTo, serverAccount } from '../kit/account.js';
import { test } from '../kit/base.js';
import { readTree, sameTree, writeTree } from '../kit/files/tree.js';

const files = (n: number, prefix = 'f') =>
  Object.fromEntries(Array.from({ length: n }, (_, i) => [`${prefix}${i}`, `${i}`]));

/** Of files that both sides have: written one after the other, they could be a second apart. */
const sameTime = { mtime: 1_700_000_000 };

describe('delete.max', () => {
  test.for([
    ['50%', 5, 0],
    ['50%', 6, 7],
    [6, 6, 0],
    [5, 6, 7],
    [0, 1, 7],
    ['100%', 9, 0],
  ] as const)('%s, %d of 10 to delete: exit %d', async ([max, gone, exit], { scene }) => {
    const all = files(10);
    scene.writeThere({ ...all, 'folder/': null }, { mtime: 1_700_000_000 });
    scene.mirrored();
    const kept = Object.fromEntries(Object.entries(all).slice(gone));
    scene.writeHere(kept, { mtime: 1_700_000_000 });
    await scene.jobs({ delete: { max } });
    const { code, report } = await scene.run();
    expect(code).toBe(exit);
    if (exit === 0) {
      expect(report.files.deleted).toBe(gone);
      expect(sameTree(scene.here(), scene.there())).toBe(true);
    } else {
      expect(report.files.deleted).toBe(0);
      expect(readTree(scene.there())).toEqual({ ...all, 'folder/': null });
    }
  });

  test('a refused run changes nothing else either', async ({ scene }) => {
    scene.writeThere(files(4));
    scene.writeHere({ f0: 'changed', fresh: 'fresh' });
    scene.mirrored();
    expect((await scene.run()).code).toBe(7);
    expect(readTree(scene.there())).toEqual(files(4));
    expect((await scene.run('--max-delete', '3')).code).toBe(0);
    expect(sameTree(scene.here(), scene.there())).toBe(true);
  });
});

describe('the source must be there', () => {
  test('missing: 7', async ({ scene }) => {
    scene.writeThere(files(2));
    expect(await scene.run()).toMatchObject({ code: 7, report: { error: { kind: 'refused' } } });
    expect(readTree(scene.there())).toEqual(files(2));
  });

  test('empty while the destination is not: 7, unless allowed', async ({ scene }) => {
    mkdirSync(scene.here(), { recursive: true });
    scene.writeThere(files(2));
    scene.mirrored();
    expect((await scene.run()).code).toBe(7);
    expect(readTree(scene.there())).toEqual(files(2));
    await scene.jobs({ delete: { allowEmptySource: true, max: '100%' } });
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.there())).toEqual({});
  });

  test('require: refused without it, for as long as it is not there', async ({ scene }) => {
    scene.writeHere({ a: 'a' });
    scene.writeThere({ a: 'old', b: 'b' });
    scene.mirrored();
    await scene.jobs({ delete: { require: '.mounted' } });
    const { code, report } = await scene.run();
    expect(code).toBe(7);
    expect(report.error.message).toContain('.mounted');
    expect(readTree(scene.there())).toEqual({ a: 'old', b: 'b' });
    scene.writeHere({ '.mounted': '' });
    expect((await scene.run()).code).toBe(0);
    expect(sameTree(scene.here(), scene.there())).toBe(true);
  });

  test('an empty drop folder is normal for a push: 0', async ({ scene }) => {
    mkdirSync(scene.here(), { recursive: true });
    scene.writeThere(files(2));
    await scene.jobs({ operation: 'push' });
    expect(await scene.run()).toMatchObject({ code: 0, report: { files: { copied: 0 } } });
  });
});

describe('trash', () => {
  const rules = { delete: { max: '100%' }, trash: { keep: '1h' } };

  test('deleted files are moved to TRASH/RUN/path', async ({ scene }) => {
    scene.writeHere({ keep: '' }, sameTime);
    scene.writeThere({ keep: '', 'a.txt': 'a', 'sub/deep/b.txt': 'b' }, sameTime);
    scene.mirrored();
    await scene.jobs(rules);
    const { code, report } = await scene.run();
    expect(code).toBe(0);
    expect(report.files.deleted).toBe(2);
    expect(readTree(scene.there())).toEqual({ keep: '' });
    expect(readTree(scene.there('.ferryline/trash'))).toEqual({
      [`${report.run}/a.txt`]: 'a',
      [`${report.run}/sub/deep/b.txt`]: 'b',
    });
    // the trash is not part of the destination
    const second = await scene.run();
    expect(second.report.files).toMatchObject({ copied: 0, deleted: 0, unchanged: 1 });
  });

  test('a trash of another name is passed over too', async ({ scene }) => {
    scene.writeHere({ keep: '' }, sameTime);
    scene.writeThere({ keep: '', 'a.txt': 'a' }, sameTime);
    scene.mirrored();
    await scene.jobs({ ...rules, trash: { dir: 'old/bin', keep: '1h' } });
    const { report } = await scene.run();
    expect(readTree(scene.there())).toEqual({ keep: '', [`old/bin/${report.run}/a.txt`]: 'a' });
    expect((await scene.run()).report.files).toMatchObject({ deleted: 0 });
  });

  test('is pruned after `keep`, by the time in the run id, and of nothing else', async ({
    scene,
  }) => {
    scene.writeHere({ keep: '' }, sameTime);
    scene.writeThere({ keep: '', gone: 'g' }, sameTime);
    scene.mirrored();
    await scene.jobs(rules);
    const { report } = await scene.run();
    const bin = '.ferryline/trash';
    // the same folder under the id of a much earlier run
    const old = report.run.replace(/^\d{8}/, '20200101');
    expect(old).not.toBe(report.run);
    renameSync(scene.there(`${bin}/${report.run}`), scene.there(`${bin}/${old}`));
    writeTree(scene.there(bin), { 'mine/file': 'not a run' });
    scene.writeThere({ again: 'a' });
    const second = await scene.run();
    expect(second.code).toBe(0);
    expect(readTree(scene.there())).toEqual({ keep: '' });
    expect(readTree(scene.there(bin))).toEqual({
      'mine/file': 'not a run',
      [`${second.report.run}/again`]: 'a',
    });
  });
});

describe('withheld', () => {
  test('a folder that cannot be listed: the rest is copied, nothing deleted, 3', async ({
    scene,
  }) => {
    await scene.jobs({ delete: { max: '100%' } });
    scene.writeThere({ gone: 'g', 'locked/x': 'x' });
    scene.mirrored();
    scene.writeHere({ fresh: 'fresh', 'locked/y': 'y' });
    chmodSync(scene.there('locked'), 0o300);
    try {
      const { code, report, stderr } = await scene.run();
      expect(code).toBe(3);
      expect(report.failures).toMatchObject([{ path: 'locked', kind: 'io' }]);
      expect(report.files).toMatchObject({ copied: 1, deleted: 0 });
      expect(stderr).toContain('nothing was deleted');
      expect(existsSync(scene.there('gone'))).toBe(true);
    } finally {
      chmodSync(scene.there('locked'), 0o755);
    }
    expect((await scene.run()).code).toBe(0);
    expect(sameTree(scene.here(), scene.there())).toBe(true);
  });

  test('a file that cannot be copied keeps all that were to be deleted: 3', async ({ scene }) => {
    scene.writeThere({ gone: 'g', 'locked/': null, same: '' }, sameTime);
    scene.mirrored();
    scene.writeHere({ fresh: 'fresh', 'locked/y': 'y', same: '' }, sameTime);
    chmodSync(scene.there('locked'), 0o555);
    const { code, report } = await scene.run();
    chmodSync(scene.there('locked'), 0o755);
    expect(code).toBe(3);
    expect(report.failures).toMatchObject([{ path: 'locked/y', kind: 'io' }]);
    expect(report.files).toMatchObject({ copied: 1, deleted: 0, failed: 1 });
    expect(existsSync(scene.there('gone'))).toBe(true);
    expect((await scene.run()).report.files).toMatchObject({ copied: 1, deleted: 1 });
  });

  test('a folder with something out of scope in it stays, silently', async ({ scene }) => {
    scene.writeHere({ keep: '', keep2: '' }, sameTime);
    scene.writeThere({ keep: '', keep2: '', 'folder/a.txt': 'a', 'folder/b.log': 'b' }, sameTime);
    scene.mirrored();
    await scene.jobs({ exclude: ['*.log'] });
    const { code, report } = await scene.run();
    expect(code).toBe(0);
    expect(report.files).toMatchObject({ deleted: 1, skipped: 0, failed: 0 });
    expect(readTree(scene.there())).toEqual({ keep: '', keep2: '', 'folder/b.log': 'b' });
  });
});

test('push and pull never delete', async ({ scene }) => {
  scene.writeHere({ a: 'a', b: 'b' }, sameTime);
  scene.writeThere({ b: 'b', c: 'c' }, sameTime);
  await scene.jobs({ operation: 'push' });
  await scene.run();
  expect(readTree(scene.there())).toEqual({ a: 'a', b: 'b', c: 'c' });
  await scene.jobs({ operation: 'pull', from: `archive:${scene.place}`, to: './data' });
  rmSync(scene.there('a'));
  await scene.run();
  expect(readTree(scene.here())).toEqual({ a: 'a', b: 'b', c: 'c' });
});

test('a deletion at a local destination', async ({ scene }) => {
  scene.writeThere({ a: 'a', b: 'b' }, sameTime);
  scene.writeHere({ a: 'a', gone: 'g', 'sub/gone': 'g', 'empty/': null }, sameTime);
  giveTo(serverAccount(), scene.there());
  scene.mirrored({ label: './data', folder: scene.here() });
  await scene.jobs({ from: `archive:${scene.place}`, to: './data', delete: { max: '80%' } });
  const { code, report } = await scene.run();
  expect(code).toBe(0);
  expect(report.files.deleted).toBe(2);
  expect(readTree(join(scene.cwd, 'data'))).toEqual({ a: 'a', b: 'b' });
});

test('a withheld change of kind leaves the existing entry as it is, its mode included', async ({
  scene,
}) => {
  scene.writeHere({ 'x/inside': 'new', l: 'file' });
  chmodSync(scene.here('x'), 0o751);
  scene.writeThere({ x: 'old' });
  chmodSync(scene.there('x'), 0o640);
  scene.mirrored();
  symlinkSync('x', scene.there('l')); // a link in the way: a conflict, which withholds deletions
  await scene.jobs({ delete: { max: '100%' } });
  expect((await scene.run()).code).toBe(3);
  expect(readFileSync(scene.there('x'), 'utf8')).toBe('old');
  expect(statSync(scene.there('x')).mode & 0o777).toBe(0o640);
});
