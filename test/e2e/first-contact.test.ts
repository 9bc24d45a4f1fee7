/** First contact: a mirror deletes nothing until it has once succeeded against its destination. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { giveTo, serverAccount } from '../kit/account.js';
import { test } from '../kit/base.js';
import { temporaryFolder } from '../kit/files/temporary.js';
import { readTree, sameTree } from '../kit/files/tree.js';
import type { Scene } from '../kit/scene.js';

const ours = { ours: true };
const marks = '.ferryline/mirrored';
const marksIn = (folder: string) =>
  existsSync(join(folder, marks)) ? readdirSync(join(folder, marks)) : [];

/** A destination with a file that the source lacks, beside many equal ones. */
function foreign(scene: Scene): void {
  const same = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`same-${i}`, `${i}`]));
  scene.writeHere({ ...same, fresh: 'new' }, { mtime: 1_700_000_000 });
  scene.writeThere({ ...same, theirs: 'not ours' }, { mtime: 1_700_000_000 });
}

describe('refused', () => {
  test('one deletion of many files: 7, nothing changed, and the message has the command that says yes', async ({
    scene,
  }) => {
    foreign(scene);
    const before = readTree(scene.there(), ours);
    const { code, report } = await scene.run();
    expect(code).toBe(7);
    expect(report.error).toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(
        /^first contact: archive:\S+ is not known to be a copy of .\/data, and the plan deletes 1 of 21 files there; a mirror deletes nothing until/,
      ),
      hint: expect.stringContaining('`ferryline run job --delete-max 1`'),
    });
    expect(readTree(scene.there(), ours)).toEqual(before);
    expect((await scene.cli(['run', 'job', '--delete-max', '1'])).code).toBe(0);
    expect(sameTree(scene.here(), scene.there())).toBe(true);
  });

  test('whatever delete.max says in jobs.yml', async ({ scene }) => {
    foreign(scene);
    await scene.jobs({ delete: '100%' });
    expect((await scene.run()).report.error.message).toContain('first contact');
    expect(readTree(scene.there())).toHaveProperty('theirs');
  });

  test('an empty folder that the source lacks, too', async ({ scene }) => {
    scene.writeHere({ a: 'a' });
    scene.writeThere({ a: 'a', 'empty/': null });
    expect((await scene.run()).report.error.message).toContain('deletes 1 folder there');
  });

  test('a trash folder proves nothing', async ({ scene }) => {
    foreign(scene);
    scene.writeThere({ '.ferryline/trash/20260101T000000Z-00000000/x': 'x' });
    expect((await scene.run()).code).toBe(7);
  });

  test('by plan and a dry run in the same words, and neither leaves anything', async ({
    scene,
  }) => {
    foreign(scene);
    const before = readTree(scene.there(), ours);
    const plan = await scene.cli(['plan', 'job']);
    expect(plan.code).toBe(7);
    expect(plan.stdout).toContain('theirs');
    expect(plan.stderr).toContain('first contact');
    expect(plan.stderr).toContain('`ferryline run job --delete-max 1`');
    const dry = await scene.cli(['run', 'job', '-n', '--exclude', '*.b a']);
    expect(dry.code).toBe(7);
    expect(dry.stderr).toContain("`ferryline run job --exclude '*.b a' --delete-max 1`");
    expect(readTree(scene.there(), ours)).toEqual(before);
    // a dry run without deletions succeeds, and is no first success
    rmSync(scene.there('theirs'));
    expect((await scene.cli(['run', 'job', '-n'])).code).toBe(0);
    expect(marksIn(scene.there())).toEqual([]);
  });
});

describe('the yes', () => {
  test('apply --approve', async ({ scene }) => {
    foreign(scene);
    expect((await scene.cli(['plan', 'job', '--out', 'p.json'])).code).toBe(7);
    expect((await scene.cli(['apply', 'p.json'])).code).toBe(7);
    expect((await scene.cli(['apply', 'p.json', '--approve'])).code).toBe(0);
    expect(sameTree(scene.here(), scene.there())).toBe(true);
    expect(marksIn(scene.there())).toHaveLength(1);
  });

  test('a limit typed for the plan is sealed with it', async ({ scene }) => {
    foreign(scene);
    const sealed = await scene.cli(['plan', 'job', '--out', 'p.json', '--delete-max', '1']);
    expect(sealed.code).toBe(0);
    expect((await scene.cli(['apply', 'p.json'])).code).toBe(0);
    expect(sameTree(scene.here(), scene.there())).toBe(true);
  });

  test('holds for as many as it says', async ({ scene }) => {
    foreign(scene);
    scene.writeThere({ more: 'x' });
    const { code, report } = await scene.run('--delete-max', '1');
    expect(code).toBe(7);
    expect(report.error.message).toContain('deletes 2 of 22 files');
  });
});

describe('over', () => {
  test('after one success, also one that had nothing to delete; later deletions are made', async ({
    scene,
  }) => {
    scene.writeHere({ a: 'a', b: 'b' });
    expect((await scene.run()).code).toBe(0);
    expect(marksIn(scene.there())).toEqual([expect.stringMatching(/^job-[0-9a-f]{16}\.json$/)]);
    rmSync(scene.here('b'));
    expect(await scene.run()).toMatchObject({ code: 0, report: { files: { deleted: 1 } } });
    // the mark is at the destination: another machine knows it, too
    rmSync(join(scene.cwd, '.state'), { recursive: true, force: true });
    scene.writeHere({ c: 'c' });
    scene.writeThere({ x: 'x' });
    expect(await scene.run()).toMatchObject({ code: 0, report: { files: { deleted: 1 } } });
  });

  test('not after a run that was incomplete', async ({ scene }) => {
    scene.writeHere({ a: 'a', 'locked/b': 'b' });
    scene.writeThere({ 'locked/': null });
    chmodSync(scene.there('locked'), 0o555);
    expect((await scene.run()).code).toBe(3);
    expect(marksIn(scene.there())).toEqual([]);
    chmodSync(scene.there('locked'), 0o755);
  });

  test('not after a push, a run that deletes nothing, or another job', async ({ scene }) => {
    foreign(scene);
    await scene.jobs({ operation: 'push' });
    expect((await scene.run()).code).toBe(0);
    await scene.jobs();
    expect((await scene.run('--no-delete')).code).toBe(0);
    expect(marksIn(scene.there())).toEqual([]);
    scene.writeThere({ [`${marks}/other-0123456789abcdef.json`]: '{}' });
    expect((await scene.run()).code).toBe(7);
  });

  test('not at another destination, nor at an empty folder in the place of the first', async ({
    scene,
  }) => {
    scene.writeHere({ a: 'a' });
    expect((await scene.run()).code).toBe(0);
    // another disk under the same path
    renameSync(scene.there(), `${scene.there()}-away`);
    scene.writeThere({ a: 'a', theirs: 'x', '.ferryline/trash/': null });
    const { code, report } = await scene.run();
    expect(code).toBe(7);
    expect(report.error.message).toContain('the mark it left is gone');
    expect(readTree(scene.there())).toHaveProperty('theirs');
    // a yes holds for the new place, too
    expect((await scene.run('--delete-max', '1')).code).toBe(0);
    scene.writeThere({ theirs: 'x' });
    expect(await scene.run()).toMatchObject({ code: 0, report: { files: { deleted: 1 } } });
  });

  test('an emptied destination is filled and marked anew', async ({ scene }) => {
    scene.writeHere({ a: 'a', b: 'b' });
    expect((await scene.run()).code).toBe(0);
    rmSync(scene.there(), { recursive: true });
    expect((await scene.run()).code).toBe(0);
    rmSync(scene.here('b'));
    expect(await scene.run('--delete-max', '50%')).toMatchObject({ code: 0 });
    expect(marksIn(scene.there())).toHaveLength(1);
  });

  test('at a local destination as well', async ({ scene }) => {
    scene.writeThere({ a: 'a', b: 'b' });
    await scene.jobs({ from: `archive:${scene.place}`, to: './data' });
    scene.writeHere({ theirs: 'x' });
    expect((await scene.run()).code).toBe(7);
    rmSync(scene.here('theirs'));
    expect((await scene.run()).code).toBe(0);
    expect(marksIn(scene.here())).toHaveLength(1);
    rmSync(scene.there('b'));
    expect(await scene.run()).toMatchObject({ code: 0, report: { files: { deleted: 1 } } });
  });
});

describe('where the destination refuses the mark', () => {
  test('the state folder has it: a `.ferryline` that cannot be written', async ({ scene }) => {
    scene.writeHere({ a: 'a', b: 'b' });
    scene.writeThere({ '.ferryline/': null });
    chmodSync(scene.there('.ferryline'), 0o555);
    expect((await scene.run()).code).toBe(0);
    rmSync(scene.here('b'));
    expect(await scene.run()).toMatchObject({ code: 0, report: { files: { deleted: 1 } } });
    expect(readTree(scene.there(), ours)).toEqual({ a: 'a', '.ferryline/': null });
    chmodSync(scene.there('.ferryline'), 0o755);
  });

  test('a link is not followed, neither to write the mark nor to find one', async ({ scene }) => {
    const outside = await temporaryFolder();
    giveTo(serverAccount(), outside);
    scene.writeHere({ a: 'a', b: 'b' });
    scene.writeThere({ x: '' });
    rmSync(scene.there('x'));
    symlinkSync(outside, scene.there('.ferryline'));
    expect((await scene.run()).code).toBe(0);
    expect(readTree(outside)).toEqual({});
    rmSync(scene.there('.ferryline'));
    mkdirSync(scene.there('.ferryline'));
    giveTo(serverAccount(), scene.there());
    symlinkSync(outside, scene.there(marks));
    rmSync(join(scene.cwd, '.state'), { recursive: true, force: true });
    expect((await scene.run()).code).toBe(0);
    expect(readTree(outside)).toEqual({});
    rmSync(scene.here('b'));
    expect((await scene.run()).code).toBe(0);
  });

  test('a link that leads to a mark proves nothing', async ({ scene }) => {
    const outside = await temporaryFolder();
    foreign(scene);
    scene.mirrored();
    renameSync(scene.there('.ferryline'), join(outside, 'f'));
    giveTo(serverAccount(), outside);
    symlinkSync(join(outside, 'f'), scene.there('.ferryline'));
    expect((await scene.run()).code).toBe(7);
    rmSync(scene.there('.ferryline'));
    mkdirSync(scene.there('.ferryline'));
    symlinkSync(join(outside, 'f/mirrored'), scene.there(marks));
    expect((await scene.run()).code).toBe(7);
  });
});

test('a steady nightly looks for no mark; one that deletes asks once; only the first writes', async ({
  scene,
}) => {
  scene.writeHere({ a: 'a', b: 'b', c: 'c', d: 'd' });
  const requests = async (...flags: string[]) => {
    const { code, stderr } = await scene.cli(['run', 'job', '-vv', ...flags]);
    expect(code).toBe(0);
    return stderr.split('\n').filter((line) => /command: .*mirrored/.test(line));
  };
  const first = await requests();
  expect(first.some((line) => line.includes('MKDIR'))).toBe(true);
  expect(await requests()).toEqual([]);
  scene.writeHere({ e: 'e' });
  expect(await requests()).toEqual([]);
  rmSync(scene.here('a'));
  const looking = await requests();
  expect(looking.map((line) => /\d+ (\w+)/.exec(line)?.[1])).toEqual(['LSTAT', 'LSTAT']);
  // without a state folder of its own it looks once more, and writes nothing
  rmSync(join(scene.cwd, '.state'), { recursive: true, force: true });
  expect((await requests()).every((line) => line.includes('LSTAT'))).toBe(true);
  expect(await requests()).toEqual([]);
});
