/**
 * Row 21 of docs/faults.md: source files that are removed after the scan, through the built CLI. The
 * hostile server shows a test when a file is opened, read or renamed, so that it can remove one then.
 */
import { rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { statusCode } from '../../src/test-server/sftp-server.js';
import { hostileTest } from '../kit/base.js';
import type { JsonEvent } from '../kit/daemons/cli.js';
import { readTree, sameTree } from '../kit/files/tree.js';
import { type Scene, turn, ways } from '../kit/scene.js';
import { isRename } from '../kit/servers/hostile-replies.js';
import type { Asked, Behave } from '../kit/servers/hostile-server.js';

/** Larger than what is read in one request. */
const big = Buffer.alloc(3 * 1024 * 1024, 7);
const all = { delete: { max: '100%' } };

/** Whether a file of this name, or its temporary one, is being opened. */
const isOpening = (asked: Asked, name: string) =>
  asked.type === 'OPEN' && new RegExp(`/\\.?${name}[^/]*$`).test(asked.path);

/** Acts once, before the first request that `when` picks. */
function onceBefore(when: (asked: Asked) => boolean, act: () => void): Behave {
  let done = false;
  return (asked) => {
    if (!done && when(asked)) {
      done = true;
      act();
    }
    return 'normal';
  };
}

const vanishedIn = (events: Awaited<ReturnType<Scene['run']>>['events']) =>
  events.flatMap(({ action, path }) => (action === 'vanished' ? [path] : []));

describe('row 21: a file vanishes', () => {
  hostileTest.for(ways)(
    'after the scan, %s: 0, the rest done, deletions too; its copy stays until the next run',
    async (way, { scene, hostile }) => {
      const { source, target, writeSource, writeTarget, jobs } = turn(scene, way);
      writeSource({ 'd/a': 'a', 'd/b': 'b', 'd/c': 'c' });
      writeTarget({ 'd/b': 'old', gone: 'gone' });
      // one after another, in name order
      await jobs(all, { maxFiles: 1 });
      hostile.behave = onceBefore(
        (asked) => isOpening(asked, 'a'),
        () => rmSync(source('d/b')),
      );
      const { code, report, events, stderr } = await scene.run('-v');
      expect(code, stderr).toBe(0);
      expect(report).toMatchObject({ outcome: 'succeeded', failures: [] });
      expect(report.files).toMatchObject({ copied: 2, deleted: 1, vanished: 1, failed: 0 });
      expect(vanishedIn(events)).toEqual(['d/b']);
      expect(stderr).toMatch(/^vanished {2}d\/b$/m);
      expect(readTree(target())).toEqual({ 'd/a': 'a', 'd/b': 'old', 'd/c': 'c' });
      const next = await scene.run();
      expect(next.report).toMatchObject({ exitCode: 0, files: { deleted: 1, vanished: 0 } });
      expect(sameTree(source(), target())).toBe(true);
    },
  );

  hostileTest.for(
    ways.flatMap((way) => [[way, 'folder', 'd'] as const, [way, 'root', ''] as const]),
  )(
    '%s, with its %s: 3 with its path, nothing deleted',
    async ([way, _what, folder], { scene, hostile }) => {
      const { source, target, writeSource, writeTarget, jobs } = turn(scene, way);
      writeSource({ a: 'a', 'd/b': 'b' });
      writeTarget({ 'd/b': 'old', gone: 'gone' });
      await jobs(all, { maxFiles: 1 });
      hostile.behave = onceBefore(
        (asked) => isOpening(asked, 'a'),
        () => rmSync(source(folder), { recursive: true }),
      );
      const { code, report, stderr } = await scene.run();
      expect(code, stderr).toBe(3);
      const { failures, files } = report;
      expect(failures.map(({ kind }: JsonEvent) => kind)).toEqual(failures.map(() => 'io'));
      expect(failures.map(({ path }: JsonEvent) => path)).toContain('d/b');
      expect(JSON.stringify(failures)).toContain('together with its folder');
      expect([files.copied + failures.length, files.deleted, files.vanished]).toEqual([2, 0, 0]);
      expect(readTree(target())).toMatchObject({ 'd/b': 'old', gone: 'gone' });
    },
  );

  hostileTest(
    'and its folder can no longer be asked: 3, nothing deleted',
    async ({ scene, hostile }) => {
      const { source, target, writeSource, writeTarget, jobs } = turn(scene, 'down');
      writeSource({ a: 'a', 'd/b': 'b' });
      writeTarget({ gone: 'gone' });
      await jobs(all, { maxFiles: 1 });
      let removed = false;
      hostile.behave = (asked) => {
        if (isOpening(asked, 'b') && !removed) {
          removed = true;
          rmSync(source('d/b'));
        }
        const isStat = asked.type === 'LSTAT' || asked.type === 'STAT';
        return removed && isStat && asked.path.endsWith('/d')
          ? { refuse: statusCode.PERMISSION_DENIED }
          : 'normal';
      };
      const { code, report, stderr } = await scene.run();
      expect(code, stderr).toBe(3);
      expect(report.files).toMatchObject({ copied: 1, deleted: 0, vanished: 0, failed: 1 });
      expect(readTree(target())).toEqual({ a: 'a', 'd/': null, gone: 'gone' });
    },
  );

  hostileTest.for(ways)('while it is read, %s: 0', async (way, { scene, hostile }) => {
    const { source, target, writeSource, writeTarget, jobs } = turn(scene, way);
    writeSource({ big, small: 'small' });
    writeTarget({ big: 'old', gone: 'gone' });
    await jobs(all);
    let removed = false;
    // this server reads by path: what is removed can be read no more
    hostile.behave = ({ type, at, offset }) => {
      const reads = way === 'down' && (type === 'READ' || type === 'FSTAT') && /\/big$/.test(at);
      if (!removed && (reads ? offset >= 1024 * 1024 : type === 'WRITE' && /big/.test(at))) {
        removed = true;
        rmSync(source('big'));
      }
      return removed && reads ? { refuse: statusCode.NO_SUCH_FILE } : 'normal';
    };
    const { code, report, events, stderr } = await scene.run();
    expect(code, stderr).toBe(0);
    expect(report.files).toMatchObject({ copied: 1, deleted: 1, vanished: 1, failed: 0 });
    expect(vanishedIn(events)).toEqual(['big']);
    expect(readTree(target())).toEqual({ big: 'old', small: 'small' });
  });

  hostileTest.for(ways)(
    'after it changed while it was read, %s: 0',
    async (way, { scene, hostile }) => {
      const { source, target, writeSource, writeTarget, jobs } = turn(scene, way);
      writeSource({ big }, { mtime: 1_500_000_000 });
      writeTarget({ big: 'old', gone: 'gone' });
      await jobs({ ...all, delete: { max: '100%', allowEmptySource: true } });
      let opened = 0;
      let written = false;
      hostile.behave = ({ type, at, path, offset }) => {
        const name = way === 'up' ? /big[^/]*ferrypart$/ : /\/big$/;
        const isReading = type === (way === 'up' ? 'WRITE' : 'READ') && name.test(at);
        if (isReading && !written && offset >= (way === 'up' ? 0 : 1024 * 1024)) {
          written = true;
          writeFileSync(source('big'), Buffer.alloc(big.length, 8));
        }
        if (type === 'OPEN' && name.test(path) && ++opened === 2) rmSync(source('big'));
        return 'normal';
      };
      const { code, report, stderr } = await scene.run();
      expect(code, stderr).toBe(0);
      expect(opened).toBe(2);
      expect(report.files).toMatchObject({ copied: 0, deleted: 1, vanished: 1, failed: 0 });
      expect(readTree(target())).toEqual({ big: 'old' });
    },
  );

  hostileTest('between two folders of servers: 0', async ({ scene, hostile }) => {
    scene.writeThere({ 'out/a': 'a', 'out/b': 'b', 'in/b': 'old', 'in/gone': 'gone' });
    const { place } = scene;
    scene.mirrored({ label: `archive:${place}/in`, folder: scene.there('in') });
    await scene.jobs(
      { from: `archive:${place}/out`, to: `archive:${place}/in`, ...all },
      { maxFiles: 1 },
    );
    hostile.behave = onceBefore(
      (asked) => isOpening(asked, 'a'),
      () => rmSync(scene.there('out/b')),
    );
    const { code, report, stderr } = await scene.run();
    expect(code, stderr).toBe(0);
    expect(report.files).toMatchObject({ copied: 1, deleted: 1, vanished: 1 });
    expect(readTree(scene.there('in'))).toEqual({ a: 'a', b: 'old' });
  });

  hostileTest('before its bytes are compared: 0', async ({ scene, hostile }) => {
    const { source, target, writeSource, writeTarget, jobs } = turn(scene, 'down');
    writeSource({ a: 'a', b: 'b' });
    writeTarget({ a: 'x', b: 'y', gone: 'gone' });
    await jobs({ ...all, compare: 'checksum' });
    hostile.behave = onceBefore(
      (asked) => isOpening(asked, 'b'),
      () => rmSync(source('b')),
    );
    const { code, report, events, stderr } = await scene.run();
    expect(code, stderr).toBe(0);
    expect(vanishedIn(events)).toEqual(['b']);
    expect(report.files).toMatchObject({ copied: 1, deleted: 1, vanished: 1 });
    expect(readTree(target())).toEqual({ a: 'a', b: 'y' });
  });

  hostileTest('before its link is followed: 0', async ({ scene, hostile }) => {
    const { source, target, writeSource, writeTarget, jobs } = turn(scene, 'down');
    writeSource({ a: 'a', link: { link: 'a' } });
    writeTarget({ gone: 'gone' });
    await jobs({ ...all, symlinks: 'follow' });
    hostile.behave = onceBefore(
      ({ type }) => type === 'READLINK',
      () => rmSync(source('link')),
    );
    const { code, report, events, stderr } = await scene.run();
    expect(code, stderr).toBe(0);
    expect(vanishedIn(events)).toEqual(['link']);
    expect(report.files).toMatchObject({ copied: 1, deleted: 1 });
    expect(readTree(target())).toEqual({ a: 'a' });
  });

  hostileTest.for(['delete', { archive: './sent' }])(
    'after its copy, before `after` handles it (%j): 0',
    async (after, { scene, hostile }) => {
      scene.writeHere({ a: 'a', b: 'b' });
      await scene.jobs({ operation: 'push', after });
      hostile.behave = onceBefore(
        (asked) => isRename(asked) && asked.path.includes('/.b.'),
        () => rmSync(scene.here('b')),
      );
      const { code, report, events, stderr } = await scene.run();
      expect(code, stderr).toBe(0);
      expect(report.files).toMatchObject({ copied: 2, vanished: 1, failed: 0 });
      expect(vanishedIn(events)).toEqual(['b']);
      expect(readTree(scene.there())).toEqual({ a: 'a', b: 'b' });
      if (after !== 'delete') expect(readTree(join(scene.cwd, 'sent'))).toEqual({ a: 'a' });
    },
  );

  hostileTest('and another one takes its name: that one is copied', async ({ scene, hostile }) => {
    const { source, target, writeSource, jobs } = turn(scene, 'down');
    writeSource({ a: 'a', b: 'b' });
    await jobs({}, { maxFiles: 1 });
    let opened = 0;
    hostile.behave = (asked) => {
      if (!isOpening(asked, 'b')) return 'normal';
      if (++opened > 1) return 'normal';
      writeFileSync(source('b'), 'another');
      utimesSync(source('b'), 1_600_000_000, 1_600_000_000);
      return { refuse: statusCode.NO_SUCH_FILE };
    };
    const { code, report, stderr } = await scene.run();
    expect(code, stderr).toBe(0);
    expect(report.files).toMatchObject({ copied: 2, vanished: 0 });
    expect(readTree(target())).toEqual({ a: 'a', b: 'another' });
  });
});

describe('row 21: all files vanish, as when a file system is unmounted', () => {
  const prepare = async (scene: Scene, job: object) => {
    scene.writeHere({ a: 'a', b: 'b', c: 'c' });
    scene.writeThere({ b: 'old', gone: 'gone' });
    scene.mirrored();
    await scene.jobs({ delete: { max: '100%' }, ...job }, { maxFiles: 1 });
  };
  const emptied = (scene: Scene, keep: readonly string[] = []) =>
    onceBefore(
      (asked) => isOpening(asked, 'a'),
      () => {
        for (const name of ['a', 'b', 'c'])
          if (!keep.includes(name)) rmSync(scene.here(name), { force: true });
      },
    );

  hostileTest('a mirror ends with 3, and nothing is deleted', async ({ scene, hostile }) => {
    await prepare(scene, {});
    hostile.behave = emptied(scene);
    const { code, report, stderr } = await scene.run();
    expect(code, stderr).toBe(3);
    expect(stderr).toContain('vanished from the source, and now it is empty');
    expect(report.files).toMatchObject({ deleted: 0, failed: 1 });
    expect(readTree(scene.there())).toMatchObject({ b: 'old', gone: 'gone' });
  });

  hostileTest('so does one whose `delete.require` is gone', async ({ scene, hostile }) => {
    await prepare(scene, { delete: { max: '100%', require: 'b' } });
    hostile.behave = emptied(scene, ['c']);
    const { code, report, stderr } = await scene.run();
    expect(code, stderr).toBe(3);
    expect(stderr).toContain('and now b is gone');
    expect(report.files).toMatchObject({ deleted: 0, vanished: 1 });
    expect(readTree(scene.there())).toMatchObject({ b: 'old', gone: 'gone' });
  });

  hostileTest('a push of an emptied drop folder ends with 0', async ({ scene, hostile }) => {
    await prepare(scene, { operation: 'push', delete: undefined });
    hostile.behave = emptied(scene);
    const { code, report, stderr } = await scene.run();
    expect(code, stderr).toBe(0);
    expect(report.files).toMatchObject({ copied: 1, vanished: 2 });
  });
});
