/**
 * Faults of the source: rows 15, 20 and 22 to 24 of docs/faults.md, through the built CLI. The hostile
 * server shows a test when a file is being read, so that the test can interfere at that moment.
 * Row 21 is in vanished.test.ts; more of rows 15, 22, 23 and 24 is in e2e/deletions.test.ts.
 */
import {
  chmodSync,
  mkdirSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { hostileTest, test } from '../kit/base.js';
import { lookOn } from '../kit/files/onlooker.js';
import { readTree, sameTree, writeTree } from '../kit/files/tree.js';
import { type Scene, turn, type Way, ways } from '../kit/scene.js';
import { listingFails } from '../kit/servers/hostile-replies.js';
import type { Asked } from '../kit/servers/hostile-server.js';

describe('row 15: what a user without rights cannot read or write', () => {
  test('a folder and a file it cannot read: 3, siblings done, nothing deleted', async ({
    scene,
  }) => {
    scene.writeThere({ 'locked/a': 'a', 'open/b': 'b', c: 'c', secret: 's' });
    scene.writeHere({ gone: 'gone', 'locked/mine': 'mine', secret: 'old' });
    scene.mirrored({ label: './data', folder: scene.here() });
    await turn(scene, 'down').jobs({ delete: { max: '100%' } });
    chmodSync(scene.there('locked'), 0);
    chmodSync(scene.there('secret'), 0);
    const { code, report, stderr } = await scene.run();
    expect(code).toBe(3);
    expect(report.files).toMatchObject({ copied: 2, deleted: 0, failed: 2 });
    expect(report.failures.map(({ path }: { path: string }) => path).sort()).toEqual([
      'locked',
      'secret',
    ]);
    const denied = `permission denied: archive:${scene.place}/secret can't be read`;
    expect(stderr).toContain(`failed  secret: ${denied}`);
    expect(readTree(scene.here())).toEqual({
      'locked/mine': 'mine',
      'open/b': 'b',
      c: 'c',
      gone: 'gone',
      secret: 'old',
    });
    chmodSync(scene.there('locked'), 0o755);
    chmodSync(scene.there('secret'), 0o644);
    expect((await scene.run()).code).toBe(0);
    expect(sameTree(scene.here(), scene.there())).toBe(true);
  });

  test('a folder that it may read and not enter: 3, not taken for an empty one', async ({
    scene,
  }) => {
    scene.writeThere({ 'locked/a': 'a', c: 'c' });
    scene.writeHere({ 'locked/a': 'old a', 'locked/b': 'b', gone: 'gone' });
    scene.mirrored({ label: './data', folder: scene.here() });
    await turn(scene, 'down').jobs({ delete: { max: '100%' } });
    chmodSync(scene.there('locked'), 0o444);
    const { code, report, stderr } = await scene.run();
    chmodSync(scene.there('locked'), 0o755);
    expect(code).toBe(3);
    expect(stderr).toContain(
      `locked: archive:${scene.place}: the folder can't be listed: permission denied`,
    );
    expect(report.files).toMatchObject({ copied: 1, deleted: 0, failed: 1 });
    expect(readTree(scene.here())).toMatchObject({ 'locked/a': 'old a', 'locked/b': 'b' });
  });

  test.for(['push', 'mirror'])(
    'a root it cannot write to, %s: 3, each path named',
    async (op, { scene }) => {
      scene.writeHere({ a: 'newer', 'sub/b': 'b' });
      scene.writeThere({ a: 'old', gone: 'gone' });
      scene.mirrored();
      await scene.jobs({ operation: op, ...(op === 'mirror' && { delete: { max: '100%' } }) });
      chmodSync(scene.there(), 0o555);
      const { code, report } = await scene.run();
      chmodSync(scene.there(), 0o755);
      expect(code).toBe(3);
      expect(report.files).toMatchObject({ copied: 0, deleted: 0 });
      const paths = report.failures.map(({ path }: { path: string }) => path);
      expect(paths).toEqual(expect.arrayContaining(['a', 'sub/b']));
      const first = report.failures.find(({ path }: { path: string }) => path === 'a');
      expect(first?.message).toContain(
        `permission denied: archive:${scene.place} can't be written to; give the account`,
      );
      expect(new Set(paths).size).toBe(paths.length);
      expect(readTree(scene.there())).toEqual({ a: 'old', gone: 'gone' });
      expect((await scene.run()).code).toBe(0);
    },
  );
});

describe('row 20: the source is changed while it is read', () => {
  const size = 6 * 1024 * 1024;
  const old = Buffer.from('old');
  /** The file's content after `n` changes. Their mtimes are more than a second apart. */
  const version = (kind: string, n: number) =>
    Buffer.alloc(kind === 'rewritten' ? size : size + (kind === 'grown' ? n : -n) * 4096, n + 1);
  const versions = (kind: string) => Array.from({ length: 8 }, (_, n) => version(kind, n));
  const write = (path: string, kind: string, n: number) => {
    if (kind === 'shrunk') truncateSync(path, version(kind, n).length);
    writeFileSync(path, version(kind, n));
    utimesSync(path, 1_500_000_000 + n * 1000, 1_500_000_000 + n * 1000);
  };
  /** In the middle of the file: some of its bytes have been read, others not yet. */
  const isReading = (way: Way, { type, at, offset }: Asked) =>
    way === 'up'
      ? type === 'WRITE' && at.includes('big')
      : type === 'READ' && at.endsWith('/big') && offset >= 1024 * 1024;

  async function prepare(scene: Scene, way: Way, kind: string) {
    const sides = turn(scene, way);
    sides.writeSource({ big: '', small: 'small' });
    write(sides.source('big'), kind, 0);
    sides.writeTarget({ big: old, gone: 'gone' });
    await sides.jobs({ delete: { max: '100%' } });
    return { ...sides, eye: lookOn(sides.target(), { big: [old, ...versions(kind)] }) };
  }

  const cases = ways.flatMap((way) =>
    ['rewritten', 'grown', 'shrunk'].map((kind) => [way, kind] as const),
  );

  hostileTest.for(cases)(
    '%s, %s again and again: `changed`, later whole',
    async ([way, kind], { scene, hostile }) => {
      const { source, target, eye } = await prepare(scene, way, kind);
      let n = 0;
      const seen = new Set<string>();
      hostile.behave = (asked) => {
        // once for each time it is opened
        if (isReading(way, asked) && !seen.has(`${asked.channel} ${asked.handle}`)) {
          seen.add(`${asked.channel} ${asked.handle}`);
          write(source('big'), kind, ++n);
        }
        return 'normal';
      };
      const { code, report, stderr } = await scene.run();
      expect(code, stderr).toBe(3);
      expect(report.failures).toMatchObject([{ path: 'big', kind: 'changed' }]);
      expect(report.files).toMatchObject({ copied: 1, deleted: 0, failed: 1 });
      expect(readTree(target())).toEqual({ big: 'old', gone: 'gone', small: 'small' });
      hostile.behave = () => 'normal';
      expect((await scene.run()).code).toBe(0);
      expect((await eye.stop()).wrong).toEqual([]);
      expect(sameTree(source(), target())).toBe(true);
    },
  );
});

describe('row 22: the source is missing or empty', () => {
  const all = { delete: { max: '100%' } };

  test.for(['missing', 'empty'])(
    'on the server, %s: 7, nothing deleted',
    async (state, { scene }) => {
      scene.writeHere({ a: 'a', 'b/c': 'c' });
      if (state === 'empty') mkdirSync(scene.there());
      await turn(scene, 'down').jobs({ delete: { max: '100%' } });
      const { code, report } = await scene.run();
      expect(code).toBe(7);
      expect(report).toMatchObject({ error: { kind: 'refused' }, files: { deleted: 0 } });
      expect(readTree(scene.here())).toEqual({ a: 'a', 'b/c': 'c' });
    },
  );

  test.for([
    ['push', './data', (scene: Scene) => `archive:${scene.place}/to`],
    ['mirror', './data', (scene: Scene) => `archive:${scene.place}/to`],
    ['pull', 'archive', () => './to'],
    ['mirror', 'archive', () => './to'],
    ['push', 'archive', (scene: Scene) => `archive:${scene.place}/to`],
    ['mirror', 'archive', (scene: Scene) => `archive:${scene.place}/to`],
  ] as const)(
    '%s from %s: missing is 7, a folder where its file system was is empty, and nothing is deleted',
    async ([operation, side, toOf], { scene }) => {
      const isHere = side !== 'archive';
      const to = toOf(scene);
      const target = to === './to' ? join(scene.cwd, 'to') : scene.there('to');
      scene.writeThere({ 'to/kept': 'kept', 'from/a': 'a' });
      scene.writeHere({ a: 'a' });
      if (to === './to') writeTree(target, { kept: 'kept' });
      scene.mirrored({ label: to, folder: target });
      const from = isHere ? side : `archive:${scene.place}/from`;
      await scene.jobs({ operation, from, to, ...(operation === 'mirror' && all) });
      const source = isHere ? scene.here() : scene.there('from');
      renameSync(source, `${source}.mounted`);
      const missing = await scene.run();
      expect([missing.code, missing.report.error.kind], missing.stderr).toEqual([7, 'refused']);
      // the mount point that is left
      mkdirSync(source);
      const empty = await scene.run();
      expect(empty.code, empty.stderr).toBe(operation === 'mirror' ? 7 : 0);
      expect(readTree(target)).toMatchObject({ kept: 'kept' });
      rmSync(source, { recursive: true });
      renameSync(`${source}.mounted`, source);
      const { code, report } = await scene.run();
      expect([code, report.files.copied]).toEqual([0, 1]);
    },
  );

  test('a pull of an empty folder is normal: 0; of a missing one it is not: 7', async ({
    scene,
  }) => {
    scene.writeHere({ a: 'a' });
    await turn(scene, 'down').jobs({ operation: 'pull' });
    expect((await scene.run()).code).toBe(7);
    mkdirSync(scene.there());
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.here())).toEqual({ a: 'a' });
  });
});

describe('row 23: a listing fails midway', () => {
  hostileTest.for([
    ['the source', 'down'],
    ['the destination', 'up'],
  ] as const)(
    'of %s: 3, nothing deleted in the whole run',
    async ([_, way], { scene, hostile }) => {
      const { source, target, writeSource, writeTarget, jobs } = turn(scene, way);
      writeSource({ 'd/a': 'a', 'd/b': 'b', 'e/f': 'f' });
      writeTarget({ 'd/mine': 'mine', 'e/gone': 'gone', gone: 'gone' });
      await jobs({ delete: { max: '100%' } });
      hostile.behave = listingFails(`/${scene.place}/d`);
      const { code, report, stderr } = await scene.run();
      expect(code).toBe(3);
      expect(report.failures).toMatchObject([{ path: 'd', kind: 'io' }]);
      expect(report.files).toMatchObject({ copied: 1, deleted: 0 });
      expect(stderr).toContain('nothing was deleted');
      expect(readTree(target())).toEqual({
        'd/mine': 'mine',
        'e/f': 'f',
        'e/gone': 'gone',
        gone: 'gone',
      });
      hostile.behave = () => 'normal';
      expect((await scene.run()).code).toBe(0);
      expect(sameTree(source(), target())).toBe(true);
    },
  );
});

describe('row 24: too many deletions', () => {
  test.for(ways)(
    '60 % of the files, %s: 7, exactly none deleted, the plan printed',
    async (way, { scene }) => {
      const { source, target, writeSource, writeTarget, jobs } = turn(scene, way);
      const all = Object.fromEntries(
        Array.from({ length: 10 }, (_, i) => [`d${i % 2}/f${i}`, 'x']),
      );
      writeSource(Object.fromEntries(Object.entries(all).slice(0, 4)));
      writeTarget(all);
      await jobs();
      const { code, report, events } = await scene.run();
      expect(code).toBe(7);
      expect(report).toMatchObject({ outcome: 'refused', files: { copied: 0, deleted: 0 } });
      expect(events.find(({ event }) => event === 'plan')).toMatchObject({ deletes: 6 });
      const shown = await scene.cli(['plan', 'job']);
      expect(shown.code).toBe(7);
      for (const i of [4, 5, 6, 7, 8, 9]) expect(shown.stdout + shown.stderr).toContain(`f${i}`);
      expect(readTree(target())).toEqual(all);
      expect((await scene.run('--max-delete', '60%')).report.files.deleted).toBe(6);
      expect(sameTree(source(), target())).toBe(true);
    },
  );
});

test('a file that holds more than its reported size is 3, and no copy of it appears', async ({
  scene,
}) => {
  await scene.jobs({ from: '/proc/sys/kernel/ostype' });
  const { code, report, stderr } = await scene.run();
  expect(code).toBe(3);
  expect(report.files).toMatchObject({ copied: 0, failed: 1 });
  expect(stderr).toMatch(/ostype: .*more or less than its reported size/);
  expect(readTree(scene.there())).toEqual({});
});
