/**
 * Row 86 of docs/faults.md, through the built CLI: what a copy replaces is in the trash before the new
 * file gets its name, whatever the server does; otherwise nothing is overwritten.
 */
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { statusCode, statusReply } from '../../src/test-server/sftp-server.js';
import { hostileTest, test } from '../kit/base.js';
import { randomBytes, readTree, sameTree } from '../kit/files/tree.js';
import type { Scene } from '../kit/scene.js';
import { isRename } from '../kit/servers/hostile-replies.js';
import type { Asked, Behave, HostileServer } from '../kit/servers/hostile-server.js';

const then = 1_600_000_000;
const bin = '.ferryline/trash';
const isLink = ({ extension }: Asked) => extension === 'hardlink@openssh.com';
const old = { a: 'old a', 'd/b': 'old b' };
const fresh = { a: 'new a!', 'd/b': randomBytes(700_000, 3) };

async function prepare(scene: Scene, job: object = {}, remote: object = {}) {
  scene.writeThere(old, { mtime: then });
  scene.writeHere(fresh, { mtime: then + 100 });
  await scene.jobs({ operation: 'push', trash: true, ...job }, remote);
}

/** What the trash has of each path, over all its folders. */
function inTrash(scene: Scene): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const folder of readdirSync(scene.there(bin)))
    for (const [path, content] of Object.entries(readTree(scene.there(`${bin}/${folder}`))))
      if (content !== null) found[path] = [...(found[path] ?? []), String(content)];
  return found;
}

/** At each rename onto a final name, its old bytes have to be somewhere else, whole. */
function keepsBefore(scene: Scene, wrong: string[], inner: Behave = () => 'normal'): Behave {
  return (asked) => {
    const path = Object.keys(old).find((at) => isRename(asked) && asked.to.endsWith(`/${at}`));
    if (path !== undefined && !asked.to.includes(bin)) {
      const wanted = old[path as keyof typeof old];
      const kept = inTrash(scene)[path]?.includes(wanted);
      if (kept !== true) wrong.push(`${path} gets new bytes, and the trash lacks the old ones`);
    }
    return inner(asked);
  };
}

describe('row 86: what is replaced is in the trash first', () => {
  const posixRename = { 'posix-rename@openssh.com': '1' };
  hostileTest.for([
    ['a hard link', { ...posixRename, 'hardlink@openssh.com': '1' }],
    ['a copy made by the server', { ...posixRename, 'copy-data': '1' }],
    ['a copy through us', posixRename],
    ['a hard link, without posix-rename', { 'hardlink@openssh.com': '1' }],
  ] as const)('by %s', async ([_way, extensions], { scene, hostile }) => {
    hostile.extensions = extensions;
    await prepare(scene);
    const wrong: string[] = [];
    hostile.behave = keepsBefore(scene, wrong);
    const { code, stderr } = await scene.run();
    expect(code, stderr).toBe(0);
    expect(wrong).toEqual([]);
    expect(inTrash(scene)).toEqual({ a: [old.a], 'd/b': [old['d/b']] });
    expect(sameTree(scene.here(), scene.there())).toBe(true);
  });

  hostileTest.for<[string, (asked: Asked) => boolean, 'cut' | 'cut-after-doing']>([
    ['before the hard link', isLink, 'cut'],
    ['after the hard link', isLink, 'cut-after-doing'],
    ['before the rename', isRename, 'cut'],
    ['after the rename', isRename, 'cut-after-doing'],
  ])(
    'cut %s, again and again: 0, and the old bytes are kept',
    async ([_when, where, how], { scene, hostile }) => {
      await prepare(scene);
      const wrong: string[] = [];
      let cuts = 0;
      hostile.behave = keepsBefore(scene, wrong, (asked) =>
        where(asked) && cuts++ < 3 ? how : 'normal',
      );
      const { code, stderr } = await scene.run();
      expect(code, stderr).toBe(0);
      expect(cuts).toBeGreaterThanOrEqual(2);
      expect(wrong).toEqual([]);
      const kept = inTrash(scene);
      expect(kept.a).toContain(old.a);
      expect(kept['d/b']).toContain(old['d/b']);
      expect(sameTree(scene.here(), scene.there())).toBe(true);
    },
  );

  hostileTest(
    'neither linked nor moved nor put back at first: another try takes it from where it was set aside',
    async ({ scene, hostile }) => {
      hostile.extensions = {};
      await prepare(scene);
      let cuts = 0;
      let refused = 0;
      hostile.behave = (asked) => {
        if (!isRename(asked) || !asked.path.endsWith('.ferryold')) return 'normal';
        if (asked.to.includes(bin)) return cuts++ < 4 ? 'cut' : 'normal';
        refused++;
        return { refuse: statusCode.FAILURE, message: 'not now' };
      };
      const { code, stderr } = await scene.run();
      expect(code, stderr).toBe(0);
      expect(refused).toBeGreaterThan(0);
      expect(inTrash(scene)).toEqual({ a: [old.a], 'd/b': [old['d/b']] });
      expect(sameTree(scene.here(), scene.there())).toBe(true);
    },
  );

  hostileTest(
    'the server is gone between link and rename: 4, old bytes at both names; the next run goes on',
    async ({ scene, hostile }) => {
      await prepare(scene, {}, { replyTimeout: '1s' });
      let gone = false;
      hostile.behave = (asked) => {
        if (gone && asked.type !== 'INIT') return 'cut';
        if (!isRename(asked)) return 'normal';
        gone = true;
        return 'cut';
      };
      expect((await scene.run()).code).toBe(4);
      expect(readTree(scene.there())).toMatchObject(old);
      expect(inTrash(scene).a ?? [old.a]).toEqual([old.a]);
      hostile.behave = () => 'normal';
      expect((await scene.run()).code).toBe(0);
      expect(sameTree(scene.here(), scene.there())).toBe(true);
      expect(new Set(inTrash(scene).a)).toEqual(new Set([old.a]));
    },
  );
});

describe('row 86: hard links that are none', () => {
  const lies: Behave = (asked) => (isLink(asked) ? statusReply(asked.id, statusCode.OK) : 'normal');
  const links = (hostile: HostileServer) => hostile.requests.filter(isLink).length;

  hostileTest(
    'OK, and nothing is there: copied instead; believed for later runs once three files agree',
    async ({ scene, hostile }) => {
      const many = Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`f${i}`, `old ${i}`]));
      scene.writeThere(many, { mtime: then });
      scene.writeHere(Object.fromEntries(Object.keys(many).map((path) => [path, 'new bytes'])));
      await scene.jobs({ operation: 'push', trash: true }, { maxFiles: 1 });
      hostile.behave = lies;
      expect((await scene.run()).code).toBe(0);
      expect(inTrash(scene)).toEqual(
        Object.fromEntries(Object.entries(many).map(([path, text]) => [path, [text]])),
      );
      expect(links(hostile)).toBe(3);
      scene.writeHere({ f0: 'newer bytes' });
      expect((await scene.run()).code).toBe(0);
      expect(links(hostile)).toBe(3);
      expect(inTrash(scene).f0).toEqual(['old 0', 'new bytes']);
    },
  );

  hostileTest(
    'OK, and another file is there: the old one is copied beside it',
    async ({ scene, hostile }) => {
      await prepare(scene, {}, { maxFiles: 1 });
      hostile.behave = (asked) => {
        if (!isLink(asked)) return 'normal';
        writeFileSync(scene.there(asked.to.slice(`/${scene.place}/`.length)), 'something else');
        return statusReply(asked.id, statusCode.OK);
      };
      expect((await scene.run()).code).toBe(0);
      const kept = inTrash(scene);
      expect(kept.a).toContain(old.a);
      expect(kept['d/b']).toContain(old['d/b']);
      expect(sameTree(scene.here(), scene.there())).toBe(true);
    },
  );

  hostileTest(
    'a refused link of one file is copied, and the next one is tried',
    async ({ scene, hostile }) => {
      await prepare(scene, {}, { maxFiles: 1 });
      hostile.behave = (asked) =>
        isLink(asked) && asked.path.endsWith('/a') ? { refuse: 4 } : 'normal';
      expect((await scene.run()).code).toBe(0);
      expect(inTrash(scene)).toEqual({ a: [old.a], 'd/b': [old['d/b']] });
      expect(links(hostile)).toBe(2);
    },
  );
});

describe('row 86: the trash can not take it', () => {
  for (const [name, job] of [
    ['push', {}],
    ['mirror', { operation: 'mirror' }],
  ] as const)
    test(`${name}: a trash that is not writable: 3, nothing overwritten`, async ({ scene }) => {
      await prepare(scene, job);
      scene.writeThere({ [`${bin}/`]: null });
      scene.writeHere({ more: 'more' });
      chmodSync(scene.there(bin), 0o555);
      const { code, report } = await scene.run();
      expect(code).toBe(3);
      expect(report.files).toMatchObject({ copied: 1, failed: 2 });
      expect(report.failures[0]).toMatchObject({
        kind: 'io',
        message: expect.stringMatching(/kept in the trash.*nothing was overwritten/s),
      });
      expect(readTree(scene.there())).toEqual({ ...old, more: 'more' });
      chmodSync(scene.there(bin), 0o755);
      expect((await scene.run()).code).toBe(0);
      expect(inTrash(scene)).toEqual({ a: [old.a], 'd/b': [old['d/b']] });
    });

  // without hard links and posix-rename the old file goes to the trash last
  hostileTest.for([
    ['no space', { refuse: 14 }],
    ['permission denied', { refuse: 3 }],
  ] as const)(
    '%s when the file set aside is moved there: 3, the old file is back',
    async ([_why, refusal], { scene, hostile }) => {
      hostile.extensions = {};
      await prepare(scene);
      hostile.behave = (asked) => (isRename(asked) && asked.to.includes(bin) ? refusal : 'normal');
      const { code, report } = await scene.run();
      expect(code).toBe(3);
      expect(report.failures).toHaveLength(2);
      expect(readTree(scene.there())).toEqual(old);
      hostile.behave = () => 'normal';
      expect((await scene.run()).code).toBe(0);
      expect(inTrash(scene)).toEqual({ a: [old.a], 'd/b': [old['d/b']] });
    },
  );

  hostileTest(
    'a file left aside by a run that was cut goes to the trash of the next one',
    async ({ scene, hostile }) => {
      hostile.extensions = {};
      await prepare(scene, {}, { replyTimeout: '1s', maxFiles: 1 });
      let gone = false;
      hostile.behave = (asked) => {
        gone ||= isRename(asked) && asked.to.includes(bin);
        return gone && asked.type !== 'INIT' ? 'cut' : 'normal';
      };
      expect((await scene.run()).code).toBe(4);
      hostile.behave = () => 'normal';
      expect((await scene.run()).code).toBe(0);
      expect(inTrash(scene)).toEqual({ a: [old.a], 'd/b': [old['d/b']] });
      expect(readFileSync(scene.there('a'), 'utf8')).toBe(fresh.a);
    },
  );

  hostileTest(
    'a copy by the server that stays short: 3, nothing overwritten',
    async ({ scene, hostile }) => {
      hostile.extensions = { 'posix-rename@openssh.com': '1', 'copy-data': '1' };
      await prepare(scene);
      hostile.behave = (asked) =>
        asked.extension === 'copy-data' ? statusReply(asked.id, statusCode.OK) : 'normal';
      const { code } = await scene.run();
      expect(code).toBe(3);
      expect(readTree(scene.there())).toEqual(old);
    },
  );
});
