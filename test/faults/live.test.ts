/**
 * `live`: files that grow while they are read, through the built CLI. The hostile server shows a test
 * when a file is being read, so that it can append to it at that moment.
 */
import { appendFileSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { hostileTest, test } from '../kit/base.js';
import { mtimeOf, readTree } from '../kit/files/tree.js';
import { type Scene, turn, type Way, ways } from '../kit/scene.js';
import { isRename } from '../kit/servers/hostile-replies.js';
import type { Asked } from '../kit/servers/hostile-server.js';
import { hidesSizes } from '../kit/servers/odd-attributes.js';

const size = 3 * 1024 * 1024;
const old = 1_500_000_000;
const content = Buffer.alloc(size, 'line\n');
const live = ['*.log'];
const all = { delete: { max: '100%' } };

/** In the middle of the file: some of its bytes have been read, others not yet. */
const isReading = (way: Way, { type, at, offset }: Asked) =>
  way === 'up'
    ? type === 'WRITE' && at.includes('big.log')
    : type === 'READ' && at.endsWith('/big.log') && offset >= 1024 * 1024;

const grow = (path: string) => appendFileSync(path, 'more\n');

async function prepare(scene: Scene, way: Way, job: object = {}) {
  const sides = turn(scene, way);
  sides.writeSource({ 'big.log': content, small: 'small' }, { mtime: old });
  sides.writeTarget({ 'big.log': 'old', gone: 'gone' });
  await sides.jobs({ ...all, live, ...job });
  return sides;
}

describe('a file that matches `live`', () => {
  const cases = ways.flatMap((way) => ['size', 'checksum'].map((verify) => [way, verify] as const));

  hostileTest.for(cases)(
    'and grows all the while, %s, verify: %s: as of its opening, 0, deletions carried out',
    async ([way, verify], { scene, hostile }) => {
      const { source, target } = await prepare(scene, way, { verify });
      hostile.behave = (asked) => {
        if (isReading(way, asked)) grow(source('big.log'));
        return 'normal';
      };
      const { code, report, events, stderr } = await scene.run();
      expect(code, stderr).toBe(0);
      expect(report).toMatchObject({ outcome: 'succeeded', notGuaranteed: ['live'] });
      expect(report.files).toMatchObject({ copied: 2, deleted: 1, vanished: 0, failed: 0 });
      expect(report).toMatchObject({ bytes: size + 5, verified: verify });
      const copied = events.find(({ path }) => path === 'big.log');
      expect(copied).toMatchObject({ action: 'copy', bytes: size });
      expect(copied?.message).toContain('grew');
      expect(statSync(source('big.log')).size).toBeGreaterThan(size);
      expect(statSync(target('big.log')).size).toBe(size);
      expect(mtimeOf(target(), 'big.log')).toBe(old);
      hostile.behave = () => 'normal';
      const next = await scene.run();
      expect(next.report).toMatchObject({ exitCode: 0, files: { copied: 1 } });
      expect(next.report.notGuaranteed).toBeUndefined();
      expect(readTree(target())).toEqual(readTree(source()));
    },
  );

  hostileTest.for(ways)(
    'and has grown since the scan, %s: what it holds when it is opened',
    async (way, { scene, hostile }) => {
      const { source, target, writeSource, jobs } = turn(scene, way);
      writeSource({ a: 'a', 'big.log': content, 'small.log': 'one\n' }, { mtime: old });
      await jobs({ live }, { maxFiles: 1 });
      let grown = false;
      hostile.behave = ({ type, path }) => {
        if (!grown && type === 'OPEN' && /\/\.?a[^/]*$/.test(path)) {
          grown = true;
          for (const name of ['big.log', 'small.log']) grow(source(name));
        }
        return 'normal';
      };
      const { code, report, stderr } = await scene.run();
      expect(code, stderr).toBe(0);
      expect(report).toMatchObject({ files: { copied: 3 }, bytes: size + 1 + 4 + 10 });
      expect(report.notGuaranteed).toBeUndefined();
      expect(readTree(target())).toEqual(readTree(source()));
    },
  );

  hostileTest.for(
    ways.flatMap((way) => ['rewritten', 'shrunk', 'older'].map((kind) => [way, kind] as const)),
  )(
    'and is changed in another way, %s, %s: 3, nothing deleted',
    async ([way, kind], { scene, hostile }) => {
      const { source, target } = await prepare(scene, way);
      let n = 0;
      const seen = new Set<string>();
      hostile.behave = (asked) => {
        const opening = `${asked.channel} ${asked.handle}`;
        if (!isReading(way, asked) || seen.has(opening)) return 'normal';
        seen.add(opening);
        n++;
        const path = source('big.log');
        if (kind === 'rewritten') writeFileSync(path, Buffer.alloc(size, n));
        if (kind === 'shrunk') truncateSync(path, size - n * 4096);
        if (kind === 'older') grow(path);
        const mtime = kind === 'older' ? old - n * 1000 : old + n * 1000;
        utimesSync(path, mtime, mtime);
        return 'normal';
      };
      const { code, report, stderr } = await scene.run();
      expect(code, stderr).toBe(3);
      expect(report.failures).toMatchObject([{ path: 'big.log', kind: 'changed' }]);
      expect(report.files).toMatchObject({ copied: 1, deleted: 0, failed: 1 });
      expect(report.notGuaranteed).toBeUndefined();
      expect(readTree(target())).toEqual({ 'big.log': 'old', small: 'small', gone: 'gone' });
    },
  );

  hostileTest(
    'and grows after its copy stays, whatever `after` says: 0',
    async ({ scene, hostile }) => {
      scene.writeHere({ 'a.log': 'a\n', b: 'b' });
      await scene.jobs({ operation: 'push', after: 'delete', live });
      hostile.behave = (asked) => {
        if (isRename(asked) && asked.path.includes('/.a.log.')) grow(scene.here('a.log'));
        return 'normal';
      };
      const { code, report, stderr } = await scene.run();
      expect(code, stderr).toBe(0);
      expect(report).toMatchObject({ files: { copied: 2, failed: 0 }, notGuaranteed: ['live'] });
      expect(readTree(scene.there())).toEqual({ 'a.log': 'a\n', b: 'b' });
      expect(readTree(scene.here())).toEqual({ 'a.log': 'a\nmore\n' });
      hostile.behave = () => 'normal';
      expect((await scene.run()).code).toBe(0);
      expect(readTree(scene.there())).toEqual({ 'a.log': 'a\nmore\n', b: 'b' });
      expect(readTree(scene.here())).toEqual({});
    },
  );

  hostileTest(
    'and grows while it is copied stays, whatever `after` says: 0',
    async ({ scene, hostile }) => {
      scene.writeHere({ 'big.log': content }, { mtime: old });
      await scene.jobs({ operation: 'push', after: { archive: './sent' }, live });
      hostile.behave = (asked) => {
        if (isReading('up', asked)) grow(scene.here('big.log'));
        return 'normal';
      };
      const { code, report, stderr } = await scene.run();
      expect(code, stderr).toBe(0);
      expect(report).toMatchObject({ files: { copied: 1 }, notGuaranteed: ['live'] });
      expect(statSync(scene.here('big.log')).size).toBeGreaterThan(size);
    },
  );
});

hostileTest(
  '`live` needs sizes: without them 2, in words, and nothing is changed',
  async ({ scene, hostile }) => {
    const { target } = await prepare(scene, 'down');
    hostile.behave = hidesSizes;
    const { code, report, stderr } = await scene.run();
    expect(code).toBe(2);
    expect(report.error).toMatchObject({ kind: 'config', path: 'big.log' });
    expect(stderr).toMatch(/does not report sizes, so files that match `live`/);
    expect(readTree(target())).toEqual({ 'big.log': 'old', gone: 'gone' });
  },
);

test('on OpenSSH: a log that a program appends to is pushed and pulled, 0', async ({ scene }) => {
  for (const way of ways) {
    const { source, target, writeSource, jobs } = turn(scene, way);
    writeSource({ 'app.log': content });
    await jobs({ operation: way === 'up' ? 'push' : 'pull' });
    const writer = setInterval(() => grow(source('app.log')), 1);
    const { code, report, stderr } = await scene
      .run('--live', '*.log')
      .finally(() => clearInterval(writer));
    expect(code, stderr).toBe(0);
    expect(report.files).toMatchObject({ copied: 1, failed: 0 });
    const copied = statSync(target('app.log')).size;
    expect(copied).toBeGreaterThanOrEqual(size);
    expect(copied).toBeLessThanOrEqual(statSync(source('app.log')).size);
  }
});
