/** Row 59: what leads out of a root through a link that is there before the run. */
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { test } from '../kit/base.js';
import { readTree, writeTree } from '../kit/files/tree.js';
import type { Scene } from '../kit/scene.js';

/** A remote whose root is a folder of the test's own, beside one that is out of it. */
function openRoot(scene: Scene, root: string) {
  scene.writeThere({ 'in/real/deep/a': 'a', 'out/deep/a': 'canary', 'out/b': 'canary' });
  const there = (path: string) => scene.there(path);
  return {
    there,
    outside: () => readTree(there('out')),
    job: (job: object) => scene.jobs(job, { root: `${root}/${scene.place}/in` }),
  };
}

describe('row 59: a link on the server leads out of the root of the remote', () => {
  const targets = [
    ['is the link', 'l', '../out'],
    ['leads through it', 'l/deep', '../out'],
    ['leads through it and does not exist yet', 'l/new/er', '../out'],
    ['is a link to what does not exist yet', 'l', '../out/new'],
  ] as const;
  for (const [what, path, leadsTo] of targets)
    test(`\`to\` ${what}: refused (7), by a dry run as well`, async ({ scene, sshd }) => {
      const { there, outside, job } = openRoot(scene, sshd.root);
      symlinkSync(leadsTo, there('in/l'));
      scene.writeHere({ a: 'new!', c: 'c' });
      await job({ operation: 'push', to: `archive:${path}` });
      const before = outside();
      for (const flags of [['--dry-run'], []]) {
        const { code, report } = await scene.run(...flags);
        expect([code, report.outcome]).toEqual([7, 'refused']);
        expect(report.error.message).toContain('leads out of the root of remote archive');
      }
      expect(outside()).toEqual(before);
    });

  test('`from` is a link, or one file behind it: refused (7), and nothing of it is read', async ({
    scene,
    sshd,
  }) => {
    const { there, job } = openRoot(scene, sshd.root);
    symlinkSync('../out', there('in/l'));
    for (const from of ['archive:l', 'archive:l/deep/a']) {
      await job({ operation: 'pull', from, to: './data' });
      expect((await scene.run()).code).toBe(7);
    }
    mkdirSync(scene.here(), { recursive: true });
    expect(readTree(scene.here())).toEqual({});
  });

  test('the archive of a pull leads through it: refused (7), and the source stays', async ({
    scene,
    sshd,
  }) => {
    const { there, outside, job } = openRoot(scene, sshd.root);
    symlinkSync('../out', there('in/l'));
    const before = [readTree(there('in')), outside()];
    await job({
      ...{ operation: 'pull', from: 'archive:real', to: './data' },
      after: { archive: 'archive:l/sent' },
    });
    expect((await scene.run()).code).toBe(7);
    expect([readTree(there('in')), outside()]).toEqual(before);
  });

  test('one that stays inside is followed, also to where nothing is yet', async ({
    scene,
    sshd,
  }) => {
    const { there, job } = openRoot(scene, sshd.root);
    symlinkSync('real', there('in/l'));
    scene.writeHere({ a: 'new!' });
    for (const path of ['l', 'l/deep/new/er', '']) {
      await job({ operation: 'push', to: `archive:${path}` });
      const { code, stderr, report } = await scene.run();
      expect(code, stderr).toBe(0);
      expect(report.notGuaranteed).toBeUndefined();
    }
    expect(readTree(there('in'))).toEqual({
      ...{ a: 'new!', 'real/a': 'new!', 'real/deep/a': 'a', 'real/deep/new/er/a': 'new!' },
      l: { link: 'real' },
    });
  });
});

describe('row 59: the archive is a link', () => {
  for (const [where, made] of [
    ['this machine', (scene: Scene) => ({ from: './data', archive: './sent', at: scene.cwd })],
    [
      'the server',
      (scene: Scene) => ({ from: 'archive:data', archive: 'archive:sent', at: scene.there() }),
    ],
  ] as const)
    test(`on ${where}, into the source: 2, and nothing is moved`, async ({ scene, sshd }) => {
      const { from, archive, at } = made(scene);
      mkdirSync(at, { recursive: true });
      writeTree(join(at, 'data'), { a: 'a', 'd/b': 'b' });
      symlinkSync('data/d', join(at, 'sent'));
      const isLocal = from === './data';
      await scene.jobs(
        {
          ...{ operation: isLocal ? 'push' : 'pull', from, to: isLocal ? 'archive:to' : './to' },
          after: { archive },
        },
        { root: `${sshd.root}/${scene.place}` },
      );
      mkdirSync(scene.there(), { recursive: true });
      const { code, report } = await scene.run();
      expect([code, report.error.message]).toEqual([
        2,
        `${from} and ${archive} overlap: one contains the other`,
      ]);
      expect(readTree(join(at, 'data'))).toEqual({ a: 'a', 'd/b': 'b' });
    });

  test('elsewhere on this machine, as the source may be: followed', async ({ scene }) => {
    scene.writeHere({ a: 'a' });
    mkdirSync(join(scene.cwd, 'kept'));
    symlinkSync('kept', join(scene.cwd, 'sent'));
    symlinkSync('data', join(scene.cwd, 'in'));
    await scene.jobs({ operation: 'push', from: './in', after: { archive: './sent' } });
    expect((await scene.run()).code).toBe(0);
    expect(readTree(join(scene.cwd, 'kept'))).toEqual({ a: 'a' });
  });

  test('below it, a link is in the way of the file alone: 3', async ({ scene }) => {
    const outside = join(scene.cwd, 'outside');
    writeTree(outside, { canary: 'canary' });
    scene.writeHere({ a: 'a', 'd/b': 'b' });
    writeTree(join(scene.cwd, 'sent'), { d: { link: '../outside' } });
    await scene.jobs({ operation: 'push', after: { archive: './sent' } });
    expect((await scene.run()).code).toBe(3);
    expect(readTree(outside)).toEqual({ canary: 'canary' });
    expect(readTree(scene.here())).toEqual({ 'd/b': 'b' });
  });
});
