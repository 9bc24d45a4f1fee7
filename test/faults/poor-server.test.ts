/**
 * Rows 7 and 10 of docs/faults.md, through the built CLI: a server that stores other bytes than it
 * was sent, and servers without the requests that writing a file usually needs.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect } from 'vitest';
import { hostileTest as test } from '../kit/base.js';
import { randomBytes, readTree, sameTree } from '../kit/files/tree.js';
import type { Scene } from '../kit/scene.js';
import {
  ignoresAttributes,
  isRename,
  oneOf,
  refusesAttributes,
  storesOtherBytes,
} from '../kit/servers/hostile-replies.js';
import type { Asked, Behave, HostileServer } from '../kit/servers/hostile-server.js';
import { hidesSizes } from '../kit/servers/odd-attributes.js';

const fresh = { a: randomBytes(600_000, 1), 'd/b': 'new b', 'd/e': randomBytes(30_000, 2) };
const old = { a: 'old a', 'd/b': 'old b', gone: 'gone' };
const then = 1_600_000_000;

describe('row 7: the server stores other bytes', () => {
  async function prepare(scene: Scene, hostile: HostileServer, job: object) {
    hostile.behave = storesOtherBytes;
    scene.writeHere(fresh);
    scene.writeThere(old, { mtime: then });
    scene.mirrored();
    await scene.jobs({ delete: { max: '100%' }, ...job });
  }

  test('verify: checksum: 3, nothing published, nothing deleted', async ({ scene, hostile }) => {
    await prepare(scene, hostile, { verify: 'checksum' });
    const { code, report, stderr } = await scene.run();
    expect(code, stderr).toBe(3);
    expect(report.files).toMatchObject({ copied: 0, deleted: 0, failed: 3 });
    expect(report.failures[0]).toMatchObject({
      kind: 'io',
      message: expect.stringContaining('other bytes'),
    });
    expect(hostile.requests.filter(isRename)).toEqual([]);
    expect(readTree(scene.there())).toEqual(old);

    hostile.behave = () => 'normal';
    const second = await scene.run();
    expect([second.code, second.report.verified]).toEqual([0, 'checksum']);
    expect(sameTree(scene.here(), scene.there())).toBe(true);
  });

  test.for([
    ['size', storesOtherBytes],
    ['none', oneOf(storesOtherBytes, hidesSizes)],
  ] as const)(
    'without it the report says what was verified: %s',
    async ([verified, behave], { scene, hostile }) => {
      await prepare(scene, hostile, {});
      hostile.behave = behave;
      const { code, report } = await scene.run();
      expect([code, report.verified]).toEqual([0, verified]);
    },
  );
});

/** Checks each path: its final name has the old or the new bytes, or the old bytes are beside it. */
function lookAfter(folder: string): string[] {
  const wrong: string[] = [];
  for (const [path, before] of Object.entries(old)) {
    const file = join(folder, path);
    const after = (fresh as Record<string, Buffer | string>)[path];
    if (existsSync(file)) {
      const bytes = readFileSync(file);
      if (!bytes.equals(Buffer.from(before)) && !(after && bytes.equals(Buffer.from(after))))
        wrong.push(`${path} holds ${bytes.length} other bytes`);
      continue;
    }
    const aside = readdirSync(dirname(file)).filter(
      (name) => name.startsWith(`.${basename(path)}.`) && name.endsWith('.ferryold'),
    );
    const kept = aside.some((name) => readFileSync(join(dirname(file), name), 'utf8') === before);
    if (!kept && path !== 'gone') wrong.push(`${path} is nowhere`);
  }
  return wrong;
}

const posixRename = { 'posix-rename@openssh.com': '1' };
const fsync = { 'fsync@openssh.com': '1' };
const limits = { 'limits@openssh.com': '1' };

describe('row 10: the server lacks something', () => {
  test.for<[string, Record<string, string>, Behave]>([
    ['all extensions', {}, () => 'normal'],
    ['posix-rename', { ...fsync, ...limits }, () => 'normal'],
    ['fsync', { ...posixRename, ...limits }, () => 'normal'],
    ['limits', { ...posixRename, ...fsync }, () => 'normal'],
    ['setstat', { ...posixRename, ...fsync, ...limits }, refusesAttributes],
    ['setstat, though it says OK', { ...posixRename, ...fsync, ...limits }, ignoresAttributes],
    ['everything', {}, refusesAttributes],
  ] as const)(
    '%s: 0; the old bytes exist throughout; the next run has nothing to do',
    async ([_name, extensions, lacks], { scene, hostile }) => {
      hostile.extensions = extensions;
      scene.writeHere(fresh, { mtime: then + 100 });
      scene.writeThere(old, { mtime: then });
      scene.mirrored();
      await scene.jobs({ delete: { max: '100%' }, fsync: true });
      const wrong: string[] = [];
      let longestWrite = 0;
      hostile.behave = (asked) => {
        longestWrite = Math.max(longestWrite, asked.data.length);
        wrong.push(
          ...lookAfter(scene.there()).map((what) => `at ${describeAsked(asked)}: ${what}`),
        );
        return lacks(asked);
      };
      const { code, report, stderr } = await scene.run();
      expect(code, stderr).toBe(0);
      expect(report.files).toMatchObject({ copied: 3, deleted: 1 });
      expect(wrong).toEqual([]);
      expect(sameTree(scene.here(), scene.there())).toBe(true);
      expect(hostile.requests.filter(({ extension }) => extension in { ...fsync }).length).toBe(
        'fsync@openssh.com' in extensions ? 3 : 0,
      );
      // a WRITE larger than what the draft requires of servers is sent only if `limits` allows it
      const most = 'limits@openssh.com' in extensions ? 255 * 1024 : 32 * 1024;
      expect(longestWrite).toBeLessThanOrEqual(most);

      const second = await scene.run();
      expect(second.code, second.stderr).toBe(0);
      expect(second.report.files).toMatchObject({ copied: 0, attrs: 0, deleted: 0, unchanged: 3 });
    },
  );

  test('setstat: a file rewritten in the second in which it arrived is still noticed', async ({
    scene,
    hostile,
  }) => {
    hostile.behave = refusesAttributes;
    scene.writeHere({ a: 'one', b: 'other' }, { mtime: then + 0.25 });
    scene.writeThere({});
    await scene.jobs();
    expect((await scene.run()).report.files).toMatchObject({ copied: 2 });
    const arrived = Math.floor(statSync(scene.there('a')).mtimeMs / 1000);
    scene.writeHere({ a: 'two' }, { mtime: arrived + 0.75 });
    expect((await scene.run()).report.files).toMatchObject({ copied: 1, unchanged: 1 });
    expect(readTree(scene.there())).toEqual({ a: 'two', b: 'other' });
  });

  test.for([1, 2])(
    'posix-rename, and it refuses rename %d: the old bytes are put back',
    async (n, { scene, hostile }) => {
      hostile.extensions = {};
      scene.writeHere({ a: fresh.a }, { mtime: then + 100 });
      scene.writeThere({ a: old.a }, { mtime: then });
      await scene.jobs();
      hostile.behave = (asked) =>
        isRename(asked) && asked.nth + 1 === n
          ? { refuse: 3, message: 'permission denied' }
          : 'normal';
      const { code } = await scene.run();
      expect(code).toBe(3);
      expect(readTree(scene.there())).toEqual({ a: old.a });
      hostile.behave = () => 'normal';
      expect((await scene.run()).code).toBe(0);
      expect(sameTree(scene.here(), scene.there())).toBe(true);
    },
  );
});

function describeAsked({ type, extension, at }: Asked): string {
  return `${type} ${extension} ${at}`;
}
