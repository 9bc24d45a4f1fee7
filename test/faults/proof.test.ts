/**
 * Rows 54, 56, 57 and 75 of docs/faults.md, through the built CLI: what is destroyed is looked at again
 * first, and what is called done is proven.
 */
import { existsSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { statusCode, statusReply } from '../../src/test-server/sftp-server.js';
import { hostileTest as test } from '../kit/base.js';
import { readTree } from '../kit/files/tree.js';
import { turn, ways } from '../kit/scene.js';
import { inEvery, isRename, refusesAttributes } from '../kit/servers/hostile-replies.js';
import type { Asked, Behave } from '../kit/servers/hostile-server.js';

const then = 1_600_000_000;
const withoutParts = (folder: string) =>
  Object.fromEntries(Object.entries(readTree(folder)).filter(([path]) => !path.includes('.ferry')));

/** The first rename finds its temporary file gone, and its answer is lost with the connection. */
function takenAndCut(folder: string): Behave {
  let cut = false;
  return (asked) => {
    if (!isRename(asked) || cut) return 'normal';
    cut = true;
    rmSync(`${folder}${asked.path}`);
    return 'cut';
  };
}

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

describe('row 54: the source stays until its bytes are proven', () => {
  test.for(['auto', 'size'])(
    'another file of the same size is there, compare: %s',
    async (compare, { scene, hostile }) => {
      hostile.behave = refusesAttributes;
      scene.writeHere({ first: 'first' }, { mtime: then });
      await scene.jobs({ operation: 'push', after: 'delete', compare });
      expect((await scene.run()).code).toBe(0);
      scene.writeHere({ invoice: 'NEW' }, { mtime: then });
      scene.writeThere({ invoice: 'old' });
      expect((await scene.run()).code).toBe(0);
      expect(readTree(scene.there())).toMatchObject({ first: 'first', invoice: 'NEW' });
      expect(readTree(scene.here())).toEqual({});
    },
  );

  test('rewritten in the second in which it was read: held back, 0; the next run sends it', async ({
    scene,
    hostile,
  }) => {
    scene.writeThere({ a: 'one' });
    const now = Math.floor(Date.now() / 1000);
    utimesSync(scene.there('a'), now, now);
    await scene.jobs({
      operation: 'pull',
      from: `archive:${scene.place}`,
      to: './data',
      after: 'delete',
    });
    hostile.behave = onceBefore(
      ({ type, at }) => type === 'CLOSE' && at.endsWith('/a'),
      () => {
        writeFileSync(scene.there('a'), 'two');
        utimesSync(scene.there('a'), now, now);
      },
    );
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.there())).toEqual({ a: 'two' });
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.here())).toEqual({ a: 'two' });
  });

  test('a rename that is answered OK and not done: 3, the source stays', async ({
    scene,
    hostile,
  }) => {
    scene.writeHere({ a: 'new', b: 'new' }, { mtime: then });
    scene.writeThere({ a: 'old' }, { mtime: 1_500_000_000 });
    await scene.jobs({ operation: 'push', after: 'delete' });
    hostile.behave = (asked) => (isRename(asked) ? statusReply(asked.id, statusCode.OK) : 'normal');
    const { code, report } = await scene.run();
    expect(code).toBe(3);
    expect(report.failures.map(({ path }: { path: string }) => path).sort()).toEqual(['a', 'b']);
    expect(readTree(scene.here())).toEqual({ a: 'new', b: 'new' });
  });

  test('a push without `after`, too: 3 for every file, none counted; remembered', async ({
    scene,
    hostile,
  }) => {
    const many = Array.from({ length: 30 }, (_, n) => `f${n}`);
    const all = (text: string) => Object.fromEntries(many.map((name) => [name, text]));
    for (const lies of ['free', 'taken'] as const) {
      const names = lies === 'free' ? many : many.slice(0, 15);
      scene.writeHere(all('new'), { mtime: then });
      scene.writeThere(lies === 'free' ? {} : { ...all('old'), f0: 'old' }, {
        mtime: 1_500_000_000,
      });
      if (lies === 'taken') for (const name of many.slice(15)) rmSync(scene.there(name));
      await scene.jobs({ operation: 'push' });
      hostile.behave = (asked) =>
        isRename(asked) && existsSync(`${hostile.folder}${asked.to}`) === (lies === 'taken')
          ? statusReply(asked.id, statusCode.OK)
          : 'normal';
      const { code, report } = await scene.run();
      const { copied, failed } = report.files;
      expect([code, copied, failed]).toEqual([3, many.length - names.length, names.length]);
      hostile.behave = () => 'normal';
      expect((await scene.run()).report.files).toMatchObject({ copied: names.length, failed: 0 });
    }
    expect((await scene.run('-v')).stderr).toContain('says OK to renames and does nothing');
  });

  test('a REMOVE that is answered OK and not done: 3', async ({ scene, hostile }) => {
    scene.writeThere({ a: 'a' }, { mtime: then });
    await scene.jobs({
      operation: 'pull',
      from: `archive:${scene.place}`,
      to: './data',
      after: 'delete',
    });
    hostile.behave = inEvery('REMOVE', (asked) => statusReply(asked.id, statusCode.OK));
    const { code, report } = await scene.run();
    expect(code).toBe(3);
    expect(report.failures[0].message).toContain('still there');
  });

  test('in a mirror, too: every file of many, and a folder: 3, none counted; remembered', async ({
    scene,
    hostile,
  }) => {
    const many = Array.from({ length: 40 }, (_, n) => [`d${n % 2}/f${n}`, 'x']);
    scene.writeHere({ 'd0/a': 'a', 'd1/a': 'a' }, { mtime: then });
    scene.writeThere({ ...Object.fromEntries(many), 'empty/': null }, { mtime: then });
    scene.mirrored();
    await scene.jobs({ delete: { max: '100%' }, trash: false });
    hostile.behave = ({ id, type }) =>
      type === 'REMOVE' || type === 'RMDIR' ? statusReply(id, statusCode.OK) : 'normal';
    const { code, report } = await scene.run();
    expect([code, report.files.deleted, report.files.failed]).toEqual([3, 0, 41]);
    for (const { message } of report.failures) expect(message).toContain('still there');
    expect((await scene.run('-v')).stderr).toContain('says OK to removals and removes nothing');
    hostile.behave = () => 'normal';
    expect((await scene.run()).report.files).toMatchObject({ deleted: 40, failed: 0 });
    expect(readTree(scene.there())).toEqual(readTree(scene.here()));
  });
});

describe('row 56: the reply to a removal is lost with the connection', () => {
  /** Cuts the connection once the first request that `when` picks is done; `act` comes before the next login. */
  function lost(when: (asked: Asked) => boolean, act: () => void): Behave {
    let left = 2;
    return (asked) => {
      if (left === 2 && when(asked)) {
        left = 1;
        return 'cut-after-doing';
      }
      if (left === 1 && asked.type === 'INIT') {
        left = 0;
        act();
      }
      return 'normal';
    };
  }
  const isRemoval = (asked: Asked) =>
    asked.type === 'REMOVE' || (isRename(asked) && /\.ferryline\/trash|\/sent\//.test(asked.to));

  const mirror = { operation: 'mirror', delete: { max: '100%' } };
  // where the old file is known to be kept, its removal is proven
  test.for<[string, object, 0 | 3]>([
    ['a mirror', { ...mirror, trash: false }, 3],
    ['a mirror with trash', { ...mirror, trash: true }, 0],
    ['after: delete', { operation: 'pull', after: 'delete' }, 3],
    ['after: archive', { operation: 'pull', after: { archive: 'archive:sent' } }, 0],
  ])(
    '%s: 0; what has come to the name by then stays',
    async ([_, keys, proven], { scene, hostile }) => {
      const isMirror = 'delete' in keys;
      const run = async (act: () => void) => {
        scene.writeThere({ gone: 'gone' }, { mtime: then });
        if (isMirror) scene.writeHere({ a: 'a' }, { mtime: then });
        const sides = isMirror ? {} : { from: `archive:${scene.place}`, to: './data' };
        await scene.jobs({ ...sides, ...keys });
        hostile.behave = lost(isRemoval, act);
        return scene.run();
      };
      scene.mirrored();
      const plain = await run(() => {});
      expect([plain.code, plain.report.files.failed], plain.stderr).toEqual([0, 0]);
      expect(readTree(scene.there())).not.toHaveProperty('gone');
      const { code } = await run(() => writeFileSync(scene.there('gone'), 'another one'));
      expect(code).toBe(proven);
      expect(readTree(scene.there())).toMatchObject({ gone: 'another one' });
      const kept = Object.values(readTree(hostile.folder, { ours: true }));
      expect(kept.filter((text) => text === 'gone')).toHaveLength(proven === 0 ? 2 : 0);
    },
  );
});

describe('row 56: the connection is cut at the rename, and the temporary file is gone', () => {
  test.for([
    ['another mtime', 1_500_000_000],
    ['the same size and mtime', then],
  ] as const)(
    'the old file has %s: 3, not sent again, the source stays',
    async ([_, mtime], { scene, hostile }) => {
      scene.writeHere({ a: 'NEW' }, { mtime: then });
      scene.writeThere({ a: 'old' }, { mtime });
      await scene.jobs({ operation: 'push', compare: 'checksum', after: 'delete' });
      hostile.behave = takenAndCut(hostile.folder);
      const { code, report } = await scene.run();
      expect(code).toBe(3);
      expect(report.files).toMatchObject({ copied: 0, failed: 1 });
      expect(readTree(scene.there())).toEqual({ a: 'old' });
      expect(readTree(scene.here())).toEqual({ a: 'NEW' });
      expect(hostile.requests.filter(({ type }) => type === 'WRITE')).toHaveLength(1);
      expect((await scene.run()).code).toBe(0);
      expect(readTree(scene.there())).toEqual({ a: 'NEW' });
    },
  );

  test('taken after its CLOSE: 3, not sent again in this run', async ({ scene, hostile }) => {
    scene.writeHere({ a: 'NEW' }, { mtime: then });
    await scene.jobs({ operation: 'push' });
    hostile.behave = onceBefore(isRename, () => {
      for (const path of Object.keys(readTree(scene.there()))) rmSync(scene.there(path));
    });
    expect((await scene.run()).code).toBe(3);
    expect(hostile.requests.filter(({ type }) => type === 'WRITE')).toHaveLength(1);
  });

  test('existing: skip, while it is found out whether RENAME replaces: 3, nothing published', async ({
    scene,
    hostile,
  }) => {
    hostile.extensions = {};
    scene.writeHere({ a: 'NEW' }, { mtime: then });
    scene.writeThere({ b: 'b' });
    await scene.jobs({ operation: 'push', existing: 'skip' });
    hostile.behave = takenAndCut(hostile.folder);
    expect((await scene.run()).code).toBe(3);
    expect(readTree(scene.there())).toEqual({ b: 'b' });
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.there())).toEqual({ a: 'NEW', b: 'b' });
  });
});

describe('row 57: something arrives or changes at the destination after the scan', () => {
  const theirs = 'THEIRS, the only copy';
  const isWriting = ({ type }: Asked) => type === 'WRITE';

  test.for([
    ['RENAME refuses an existing name', undefined, false],
    ['RENAME replaces, with hard links', undefined, true],
    ['RENAME replaces, without hard links', { 'posix-rename@openssh.com': '1' }, true],
  ] as const)(
    'existing: skip, %s: `changed`, 3',
    async ([_, extensions, replaces], { scene, hostile }) => {
      if (extensions !== undefined) hostile.extensions = extensions;
      scene.writeHere({ a: 'ours' }, { mtime: then });
      scene.writeThere({});
      await scene.jobs({ operation: 'push', existing: 'skip' });
      const arrives = onceBefore(isWriting, () => writeFileSync(scene.there('a'), theirs));
      hostile.behave = async (asked) => {
        await arrives(asked);
        if (replaces && asked.type === 'RENAME')
          rmSync(`${hostile.folder}${asked.to}`, { force: true });
        return 'normal' as const;
      };
      const { code, report } = await scene.run();
      expect(code).toBe(3);
      expect(report.failures).toMatchObject([{ path: 'a', kind: 'changed' }]);
      expect(readTree(scene.there())).toEqual({ a: theirs });
      scene.writeHere({ b: 'b' }, { mtime: then });
      const next = await scene.run();
      expect(next.code).toBe(0);
      expect(next.report.notGuaranteed).toEqual(extensions === undefined ? undefined : ['skip']);
      expect(readTree(scene.there())).toEqual({ a: theirs, b: 'b' });
    },
  );

  test.for(['arrives', 'changes'])(
    'existing: newer, it %s: `changed`, 3',
    async (how, { scene, hostile }) => {
      scene.writeHere({ a: 'ours' }, { mtime: then });
      scene.writeThere(how === 'changes' ? { a: 'old' } : {}, { mtime: 1_500_000_000 });
      await scene.jobs({ operation: 'push', existing: 'newer' });
      hostile.behave = onceBefore(isWriting, () => writeFileSync(scene.there('a'), theirs));
      const { code, report } = await scene.run();
      expect(code).toBe(3);
      expect(report.failures).toMatchObject([{ path: 'a', kind: 'changed' }]);
      expect(readTree(scene.there())).toEqual({ a: theirs });
    },
  );

  test.for(ways.flatMap((way) => [false, true].map((trash) => [way, trash] as const)))(
    'a mirror deletes, %s, trash: %s: what changed stays, 3',
    async ([way, trash], { scene, hostile }) => {
      const { target, writeSource, writeTarget, jobs } = turn(scene, way);
      writeSource({ a: 'new' });
      writeTarget({ gone: 'gone', also: 'also' }, { mtime: then });
      await jobs({ delete: { max: '100%' }, trash });
      hostile.behave = onceBefore(
        ({ type, at }) => (type === 'WRITE' || type === 'READ') && /\/\.?a/.test(at),
        () => writeFileSync(target('gone'), theirs),
      );
      const { code, report } = await scene.run();
      expect(code).toBe(3);
      expect(report.failures).toMatchObject([{ path: 'gone', kind: 'changed' }]);
      expect(report.files.deleted).toBe(1);
      expect(withoutParts(target())).toEqual({ a: 'new', gone: theirs });
    },
  );
});

describe('row 75: a pull, rewritten while it is read, its mtime put back', () => {
  test('verify: checksum: read again, never a mixture', async ({ scene, hostile }) => {
    const size = 3 * 1024 * 1024;
    scene.writeThere({ big: Buffer.alloc(size, 1) }, { mtime: then });
    await scene.jobs({
      ...{ operation: 'pull', from: `archive:${scene.place}`, to: './data' },
      verify: 'checksum',
    });
    hostile.behave = onceBefore(
      ({ type, offset }) => type === 'READ' && offset >= 1024 * 1024,
      () => {
        writeFileSync(scene.there('big'), Buffer.alloc(size, 2));
        utimesSync(scene.there('big'), then, then);
      },
    );
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.here())).toEqual(readTree(scene.there()));
  });
});
