/**
 * Rows 50 and 55 of docs/faults.md, through the built CLI: a listing that says "no such file" of a folder
 * that exists, and ignore files that are links or can't be read.
 */
import { symlinkSync, utimesSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { statusCode } from '../../src/test-server/sftp-server.js';
import { hostileTest, test } from '../kit/base.js';
import { readTree, sameTree } from '../kit/files/tree.js';
import { turn } from '../kit/scene.js';
import { inEvery } from '../kit/servers/hostile-replies.js';

const types = ['OPENDIR', 'READDIR'] as const;

describe('row 50: "no such file" to the listing of a folder that exists', () => {
  /** Answers so for the scene's root. */
  const denied = (type: (typeof types)[number], place: string) =>
    inEvery(type, { refuse: statusCode.NO_SUCH_FILE }, ({ at }) => at === `/${place}`);

  hostileTest.for(
    types.flatMap((type) =>
      (['skip', 'newer', 'overwrite'] as const).map((e) => [type, e] as const),
    ),
  )(
    '%s at the destination, existing: %s: 3, nothing overwritten',
    async ([type, existing], { scene, hostile }) => {
      scene.writeHere({ a: 'ours', 'sub/b': 'b' });
      scene.writeThere({ a: 'theirs, to be kept' }, { mtime: 1_900_000_000 });
      await scene.jobs({ operation: 'push', existing });
      hostile.behave = denied(type, scene.place);
      const { code, report } = await scene.run();
      expect(code).toBe(3);
      expect(report.files).toMatchObject({ copied: 0 });
      expect(report.failures[0].message).toContain("can't be listed");
      expect(readTree(scene.there())).toEqual({ a: 'theirs, to be kept' });
    },
  );

  hostileTest.for(types)(
    '%s at a mirror’s source: 3, nothing deleted',
    async (type, { scene, hostile }) => {
      const { source, target, writeSource, writeTarget, jobs } = turn(scene, 'down');
      writeSource({ a: 'a' });
      writeTarget({ a: 'old', gone: 'gone' });
      await jobs({ delete: { max: '100%', allowEmptySource: true } });
      hostile.behave = denied(type, scene.place);
      const { code, report } = await scene.run();
      expect(code).toBe(3);
      expect(report.files).toMatchObject({ copied: 0, deleted: 0 });
      expect(readTree(target())).toEqual({ a: 'old', gone: 'gone' });
      hostile.behave = () => 'normal';
      expect((await scene.run()).code).toBe(0);
      expect(sameTree(source(), target())).toBe(true);
    },
  );
});

describe('row 55: an ignore file', () => {
  const tree = { 'd/public': 'p', 'd/secret': 's', 'shared/rules': 'secret\n' };

  test('that is a link inside the source is followed: 0', async ({ scene }) => {
    scene.writeHere(tree);
    symlinkSync('../shared/rules', scene.here('d/.ferryignore'));
    scene.writeThere({ 'd/secret': 'theirs', 'shared/rules': 'secret\n' });
    scene.mirrored();
    await scene.jobs({ ignoreFile: '.ferryignore' });
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.there())).toMatchObject({ 'd/public': 'p', 'd/secret': 'theirs' });
    const { stdout } = await scene.cli(['explain', 'job', 'd/secret']);
    expect(stdout).toContain('out of scope');
  });

  test.for(['/etc/hostname', '../../outside', 'nowhere', '../shared'])(
    'that is a link to %s: 3, nothing of its folder published, nothing deleted',
    async (target, { scene }) => {
      scene.writeHere({ ...tree, other: 'new' });
      symlinkSync(target, scene.here('d/.ferryignore'));
      scene.writeThere({ 'd/gone': 'theirs', gone: 'gone' });
      scene.mirrored();
      await scene.jobs({ ignoreFile: '.ferryignore', delete: { max: '100%' } });
      const { code, report } = await scene.run();
      expect(code).toBe(3);
      expect(report.failures).toMatchObject([{ path: 'd' }]);
      expect(report.failures[0].message).toContain('ignore file');
      expect(readTree(scene.there())).toEqual({
        'd/gone': 'theirs',
        gone: 'gone',
        other: 'new',
        'shared/rules': 'secret\n',
      });
    },
  );

  hostileTest('that the server does not let us read: 3', async ({ scene, hostile }) => {
    scene.writeThere({ 'd/.ferryignore': 'secret\n', 'd/secret': 's', e: 'e' });
    utimesSync(scene.there('e'), 1_600_000_000, 1_600_000_000);
    await scene.jobs({
      operation: 'pull',
      from: `archive:${scene.place}`,
      to: './data',
      ignoreFile: '.ferryignore',
    });
    hostile.behave = inEvery('OPEN', { refuse: statusCode.PERMISSION_DENIED }, ({ path }) =>
      path.endsWith('.ferryignore'),
    );
    expect((await scene.run()).code).toBe(3);
    expect(readTree(scene.here())).toEqual({ e: 'e' });
  });
});
