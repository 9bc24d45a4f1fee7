/** Row 61 of docs/faults.md, through the built CLI: temporary files that earlier runs and other writers left. */
import { execFileSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { hostileTest as test } from '../kit/base.js';
import { killedRun } from '../kit/daemons/killed-run.js';
import { aDayLater } from '../kit/files/seen-leftovers.js';
import { randomBytes, readTree, sameTree } from '../kit/files/tree.js';
import { isRename } from '../kit/servers/hostile-replies.js';
import type { HostileServer } from '../kit/servers/hostile-server.js';

const MiB = 1024 * 1024;
const then = 1_600_000_000;

const parts = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.ferrypart'),
  );

/** The path of a temporary file that a run wrote, below the scene's folder. */
function temporaryOf(hostile: HostileServer, place: string): string {
  const made = hostile.requests.filter(
    ({ type, path }) => type === 'OPEN' && /ferrypart$/.test(path),
  );
  return made.at(-1)?.path.split(`/${place}/`)[1] ?? 'no temporary file was opened';
}

describe('row 61: temporary files of this job', () => {
  test('killed runs leave some of any size; the next complete run removes them', async ({
    scene,
    hostile,
  }) => {
    const kept = { a: 'a', b: 'b' };
    scene.mirrored();
    await scene.jobs({ delete: { max: '100%' } });
    for (const [i, size] of [10, 9 * MiB].entries()) {
      scene.writeHere({ ...kept, 'gone/x': randomBytes(size, i), y: randomBytes(size, i) });
      let renames = 0;
      await killedRun(scene, hostile, (asked) => isRename(asked) && ++renames > 0);
    }
    expect(parts(scene.there()).length).toBeGreaterThan(3);
    rmSync(scene.here('gone'), { recursive: true });
    scene.writeHere({ y: 'now small' });
    const { code, stderr } = await scene.run('-v');
    expect(code, stderr).toBe(0);
    expect(Object.keys(readTree(scene.there()))).toEqual(Object.keys(readTree(scene.here())));
    expect(stderr).toMatch(/removed \d+ temporary files that earlier runs left/);
  });

  test('a run that is not complete keeps only what it may go on with', async ({
    scene,
    hostile,
  }) => {
    scene.writeHere({ y: 'one' });
    await scene.jobs();
    expect((await scene.run()).code).toBe(0);
    const found = temporaryOf(hostile, scene.place);
    const large = found.replace(/\w(-\w+\.ferrypart)$/, '0$1');
    scene.writeThere({ [found]: 'small' });
    execFileSync('truncate', ['--size=40M', scene.there(large)]);
    scene.writeHere({ y: 'two', z: 'z' });
    hostile.behave = (asked) =>
      asked.type === 'OPEN' && asked.path.includes('.z.') ? { refuse: 3 } : 'normal';
    expect((await scene.run()).code).toBe(3);
    expect(parts(scene.there())).toEqual([large]);
    hostile.behave = () => 'normal';
    expect((await scene.run()).code).toBe(0);
    expect(parts(scene.there())).toEqual([]);
  });

  test('a copy of the state folder is another installation, which leaves them alone', async ({
    scene,
    hostile,
  }) => {
    scene.writeHere({ y: 'y' });
    await scene.jobs();
    expect((await scene.run()).code).toBe(0);
    const found = temporaryOf(hostile, scene.place);
    scene.writeThere({ [found]: 'left' });
    cpSync(join(scene.cwd, '.state'), join(scene.cwd, '.copy'), {
      recursive: true,
      filter: (path) => !path.includes('locks'),
    });
    const env = { FERRYLINE_STATE_DIR: join(scene.cwd, '.copy') };
    expect((await scene.cli(['run', 'job'], { env })).code).toBe(0);
    expect(parts(scene.there())).toEqual([found]);
    expect((await scene.run()).code).toBe(0);
    expect(parts(scene.there())).toEqual([]);
  });

  test('on one Redis all state folders are one installation', async ({ scene, hostile, redis }) => {
    scene.writeHere({ y: 'y' });
    await scene.jobs();
    const queue = { FERRYLINE_QUEUE: redis.database() };
    expect((await scene.cli(['run', 'job'], { env: queue })).code).toBe(0);
    const found = temporaryOf(hostile, scene.place);
    scene.writeThere({ [found]: 'left' });
    const elsewhere = { FERRYLINE_STATE_DIR: join(scene.cwd, '.other') };
    expect((await scene.cli(['run', 'job'], { env: elsewhere })).code).toBe(0);
    expect(parts(scene.there())).toEqual([found]);
    expect((await scene.cli(['run', 'job'], { env: { ...queue, ...elsewhere } })).code).toBe(0);
    expect(parts(scene.there())).toEqual([]);
  });
});

describe('row 61: temporary files of others', () => {
  const since = (hours: number) =>
    Math.floor(Date.now() / 1000 - hours * 3600)
      .toString(36)
      .padStart(6, '0');
  const theirs = (name: string, hours: number) =>
    `.${name}.aaaaaaaaaaaa0123456789ab.${since(hours)}-abcdefgh.ferrypart`;

  test('one that grows in a run of 30 h stays; one without change for a day is removed', async ({
    scene,
  }) => {
    scene.writeHere({ 'd/b': 'b' });
    const [alive, dead] = [theirs('x', 30), `d/${theirs('y', 30)}`];
    scene.writeThere({ [alive]: 'one', [dead]: 'one' });
    await scene.jobs();
    for (let day = 0; day < 2; day++) {
      expect((await scene.run()).code).toBe(0);
      expect(parts(scene.there()).sort()).toEqual([alive, dead]);
    }
    aDayLater(scene);
    scene.writeThere({ [alive]: 'longer' });
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.there())).toEqual({ 'd/b': 'b', [alive]: 'longer' });
  });

  test('of an older version: by the start in the name', async ({ scene }) => {
    const name = (hours: number) => `.x.0123456789abcdef.${since(hours)}-abcdefgh.ferrypart`;
    const young = name(23);
    scene.writeHere({ b: 'b' });
    scene.writeThere({ [name(25)]: 'left', [young]: 'perhaps alive' });
    await scene.jobs();
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.there())).toEqual({ b: 'b', [young]: 'perhaps alive' });
  });
});

describe('row 61: a leftover that somebody changed is never published', () => {
  test('a link on a server: it goes, and what it leads to is not touched', async ({
    scene,
    hostile,
  }) => {
    scene.writeHere({ big: randomBytes(9 * MiB) }, { mtime: then });
    await scene.jobs();
    expect((await scene.run()).code).toBe(0);
    const flushes = hostile.requests.filter(({ extension }) => extension === 'fsync@openssh.com');
    expect(flushes).toHaveLength(1);
    const found = temporaryOf(hostile, scene.place);
    const outside = join(scene.cwd, 'outside');
    writeFileSync(outside, randomBytes(40 * MiB));
    rmSync(scene.there('big'));
    symlinkSync(outside, scene.there(found));
    expect((await scene.run()).code).toBe(0);
    expect(sameTree(scene.here(), scene.there())).toBe(true);
    expect(readFileSync(outside).equals(randomBytes(40 * MiB))).toBe(true);
  });
});
