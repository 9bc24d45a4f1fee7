/**
 * Rows 2, 3, 4, 8 and 9 of docs/faults.md, through the built CLI: a server that breaks off, falls
 * silent or breaks the protocol. Rows 7 and 10 are in poor-server.test.ts, row 37 in long-listing.test.ts.
 */
import { describe, expect, onTestFinished } from 'vitest';
import { demoExtensions } from '../../src/test-server/folder.js';
import { hostileTest as test } from '../kit/base.js';
import type { JsonEvent } from '../kit/daemons/cli.js';
import { measured } from '../kit/daemons/usage.js';
import { lookOn } from '../kit/files/onlooker.js';
import { randomBytes, readTree, sameTree } from '../kit/files/tree.js';
import { openScene, type Scene } from '../kit/scene.js';
import {
  brokenReplies,
  emptyData,
  inEvery,
  isRename,
  shortEof,
  tooMuchData,
} from '../kit/servers/hostile-replies.js';
import { type Asked, type Behave, startHostileServer } from '../kit/servers/hostile-server.js';
import { hidesSizes } from '../kit/servers/odd-attributes.js';

const fresh = { a: randomBytes(600_000, 1), 'd/b': 'new b', 'd/e': randomBytes(30_000, 2) };
const old = { a: 'old a', 'd/b': 'old b', gone: 'gone' };
/** What each final name may hold: the old bytes (or nothing, if there were none), then the new ones. */
const whole = {
  a: [fresh.a, old.a],
  'd/b': [fresh['d/b'], old['d/b']],
  'd/e': [fresh['d/e'], undefined],
  gone: [old.gone, undefined],
};
const anyDeletion = { delete: { max: '100%' } };
/** Without atomic replacement there may for a moment be nothing; the old bytes are then beside it. */
const wholeOrNothing = Object.fromEntries(
  Object.entries(whole).map(([path, contents]) => [path, [...contents, undefined]]),
);

/** Prepares a mirror of `fresh` over `old`, up or down; resolves to the destination's folder. */
async function prepare(scene: Scene, way: 'up' | 'down', remote: object = { replyTimeout: '1s' }) {
  if (way === 'up') {
    // An old mtime: a file changed just now may be sent twice.
    scene.writeHere(fresh, { mtime: 1_700_000_000 });
    scene.writeThere(old, { mtime: 1_600_000_000 });
    scene.mirrored();
    await scene.jobs(anyDeletion, remote);
    return scene.there();
  }
  scene.writeThere(fresh);
  scene.writeHere(old, { mtime: 1_600_000_000 });
  scene.mirrored({ label: './data', folder: scene.here() });
  await scene.jobs({ ...anyDeletion, from: `archive:${scene.place}`, to: './data' }, remote);
  return scene.here();
}

const partsIn = (folder: string) =>
  Object.keys(readTree(folder)).filter((path) => /\.ferry(?:part|old)$/.test(path));

/** The tree without temporary files, which a run that was cut leaves for the next one. */
const withoutParts = (folder: string) =>
  Object.fromEntries(
    Object.entries(readTree(folder)).filter(([path]) => !/\.ferry(?:part|old)$/.test(path)),
  );

/** How often each final name was given to a file. */
const published = (requests: readonly Asked[]) =>
  requests.filter((asked) => isRename(asked) && !/\.ferry(?:part|old)$/.test(asked.to)).length;

const greetings = new Set(['INIT', 'REALPATH', 'limits@openssh.com']);

const servers = [
  ['with posix-rename', undefined],
  ['without', {}],
] as const;

describe.each([
  ['row 2: cut just before a rename', 'cut'],
  ['row 3: a rename is done and its reply lost', 'cut-after-doing'],
] as const)('%s', (row, how) => {
  const isDone = how === 'cut-after-doing';

  describe.each(servers)('%s', (_name, extensions) => {
    test.beforeEach(({ hostile }) => {
      if (extensions !== undefined) hostile.extensions = extensions;
    });
    const may = extensions === undefined ? whole : wholeOrNothing;

    test('again and again: the run itself settles it, 0', async ({ scene, hostile }) => {
      const target = await prepare(scene, 'up');
      let cuts = 0;
      hostile.behave = (asked) => (isRename(asked) && cuts++ < 3 ? how : 'normal');
      const eye = lookOn(target, may);
      const { code, report, stderr } = await scene.run();
      expect(code, stderr).toBe(0);
      expect(report.files).toMatchObject({ copied: 3, deleted: 1 });
      expect((await eye.stop()).wrong).toEqual([]);
      expect(cuts).toBeGreaterThanOrEqual(3);
      expect(sameTree(scene.here(), target)).toBe(true);
    });

    // without posix-rename, replacing takes two renames: the old file aside, the new one in
    test.for([0, 1])(
      'at rename %d, and the server is gone: 4; the next run finishes it',
      async (n, { scene, hostile }) => {
        const target = await prepare(scene, 'up', { replyTimeout: '1s', maxFiles: 1 });
        let gone = false;
        hostile.behave = (asked) => {
          // logins still work, nothing else does
          if (gone) return greetings.has(asked.extension || asked.type) ? 'normal' : 'cut';
          if (!isRename(asked) || asked.nth < n) return 'normal';
          gone = true;
          return how;
        };
        const first = await scene.run();
        expect(first.code, `${row}: ${first.stderr}`).toBe(4);
        expect(first.report.files.deleted).toBe(0);
        expect(readTree(target)).toHaveProperty(['gone'], 'gone');
        const before = hostile.requests.length;
        const sentAtFirst = published(hostile.requests);

        hostile.behave = () => 'normal';
        const second = await scene.run();
        expect(second.code, second.stderr).toBe(0);
        expect(sameTree(scene.here(), target)).toBe(true);
        expect(partsIn(target)).toEqual([]);
        if (isDone && extensions === undefined) {
          // what had arrived is not sent again
          expect(second.report.files.copied).toBe(3 - sentAtFirst);
          expect(published(hostile.requests.slice(before))).toBe(3 - sentAtFirst);
        }
        expect((await scene.run()).report.files).toMatchObject({ copied: 0, deleted: 0 });
      },
    );
  });
});

describe('row 4: the server falls silent', () => {
  test.for([
    ['READDIR', 'up'],
    ['READDIR', 'down'],
    ['OPEN', 'up'],
    ['OPEN', 'down'],
    ['WRITE', 'up'],
    ['READ', 'down'],
  ] as const)(
    'in %s, %s: 4 by the deadline, without spinning',
    async ([type, way], { scene, hostile }) => {
      const target = await prepare(scene, way, { replyTimeout: '500ms' });
      hostile.behave = inEvery(type, 'silent');
      const { env, usage } = await measured();
      const { code, events, stderr } = await scene.cli(['run', 'job', '--json'], { env });
      expect(code, stderr).toBe(4);
      const { error, files } = events.at(-1) as JsonEvent;
      expect(error).toMatchObject({
        kind: 'network',
        message: expect.stringContaining(`did not answer ${type} within 0.5 s`),
        hint: expect.stringContaining('replyTimeout'),
      });
      expect(files.deleted).toBe(0);
      expect(withoutParts(target)).toEqual(old);
      // it waited without using the CPU
      expect(usage().cpu).toBeLessThan(usage().elapsed / 2);
      expect(hostile.connections()).toBeLessThan(20);

      hostile.behave = () => 'normal';
      expect((await scene.run()).code).toBe(0);
      expect(sameTree(scene.here(), scene.there())).toBe(true);
      expect(partsIn(target)).toEqual([]);
    },
  );
});

describe('row 8: READ is answered with too little or too much', () => {
  test.for([
    ['the end of the file comes early', 3, shortEof(40_000)],
    ['DATA of no bytes', 9, emptyData],
    ['more DATA than asked', 9, tooMuchData],
  ] as const)('%s: %i', async ([_name, expected, behave], { scene, hostile }) => {
    const target = await prepare(scene, 'down');
    hostile.behave = behave;
    const eye = lookOn(target, whole);
    const { code, report, stderr } = await scene.run();
    expect(code, stderr).toBe(expected);
    expect(report.files.deleted).toBe(0);
    expect((await eye.stop()).wrong).toEqual([]);
    expect(readTree(target)).toMatchObject({ a: 'old a', gone: 'gone' });
    expect(partsIn(target)).toEqual([]);

    hostile.behave = () => 'normal';
    expect((await scene.run()).code).toBe(0);
    expect(sameTree(scene.here(), scene.there())).toBe(true);
  });

  test('no sizes are reported, up: 0, and the report says that nothing was verified', async ({
    scene,
    hostile,
  }) => {
    const target = await prepare(scene, 'up');
    hostile.behave = hidesSizes;
    const eye = lookOn(target, whole);
    const { code, report, stderr } = await scene.run();
    expect(code, stderr).toBe(0);
    expect(report.verified).toBe('none');
    expect((await eye.stop()).wrong).toEqual([]);
    expect(sameTree(scene.here(), target)).toBe(true);
  });

  test('no sizes are reported, down: 3, nothing published', async ({ scene, hostile }) => {
    const target = await prepare(scene, 'down');
    hostile.behave = hidesSizes;
    const eye = lookOn(target, whole);
    const { code, report, stderr } = await scene.run();
    expect(code, stderr).toBe(3);
    expect(report.failures.map(({ path }: { path: string }) => path).sort()).toEqual(
      Object.keys(fresh).sort(),
    );
    expect(report.failures[0].message).toContain('does not report its size');
    expect((await eye.stop()).wrong).toEqual([]);
    expect(readTree(target)).toEqual(old);
    hostile.behave = () => 'normal';
    expect((await scene.run()).code).toBe(0);
    expect(sameTree(scene.here(), scene.there())).toBe(true);
  });

  test('sizes are reported for open files only: 0', async ({ scene, hostile }) => {
    const target = await prepare(scene, 'down');
    hostile.behave = (asked) => (asked.type === 'FSTAT' ? 'normal' : hidesSizes(asked));
    expect((await scene.run()).code).toBe(0);
    expect(sameTree(scene.there(), target)).toBe(true);
  });
});

test('a server that works in order and answers a READ with less than is there: the rest is read too, 0', async () => {
  // this makes the server count as OpenSSH, whose small files are read by three requests in one write
  const extensions = { ...demoExtensions, 'fstatvfs@openssh.com': '2' };
  const hostile = await startHostileServer({ ident: 'OpenSSH_9.2p1', extensions });
  onTestFinished(() => hostile.stop());
  const scene = await openScene(hostile);
  const target = await prepare(scene, 'down');
  const short = (asked: Asked) => ({ instead: { ...asked, length: Math.min(asked.length, 9999) } });
  hostile.behave = inEvery('READ', short);
  const { code, stderr } = await scene.run();
  expect(code, stderr).toBe(0);
  expect(sameTree(scene.there(), target)).toBe(true);
  // first by all three at once, then again step by step
  const path = `${scene.place}/d/e`;
  const asked = hostile.requests.filter(({ at }) => at.endsWith(path)).map(({ type }) => type);
  expect(asked.slice(asked.indexOf('OPEN'))).toEqual([
    ...['OPEN', 'READ', 'FSTAT', 'CLOSE'],
    ...['OPEN', 'READ', 'READ', 'READ', 'READ', 'READ', 'FSTAT', 'CLOSE'],
  ]);
});

describe('row 9: packets that break the protocol', () => {
  /** The request to which each reply is wrong; READ where none is named. */
  const asks: Readonly<Record<string, 'OPEN' | 'READDIR' | 'FSTAT'>> = {
    'an empty handle': 'OPEN',
    'a handle of 1,000 bytes': 'OPEN',
    'four billion names': 'READDIR',
    'four billion extended attributes': 'FSTAT',
  };

  test.for(Object.entries(brokenReplies))(
    '%s: 9, nothing changed',
    async ([name, broken], { scene, hostile }) => {
      const target = await prepare(scene, 'down');
      hostile.behave = inEvery(asks[name] ?? 'READ', broken);
      const { code, report, stderr } = await scene.run();
      expect(code, stderr).toBe(9);
      expect(report.error).toMatchObject({ kind: 'hostile-peer', hint: expect.any(String) });
      expect(report.files.deleted).toBe(0);
      expect(withoutParts(target)).toEqual(old);
      // no second login
      expect(hostile.connections()).toBe(1);
    },
  );

  test('128 MiB where a few bytes belong: 9, and they are not kept in memory', async ({
    scene,
    hostile,
  }) => {
    await prepare(scene, 'down');
    const giant = Buffer.alloc(128 << 20, 0x41);
    giant.writeUInt32BE(giant.length - 4);
    giant[4] = 103;
    const flood: Behave = (asked) => {
      if (asked.type !== 'READ') return 'normal';
      giant.writeUInt32BE(asked.id, 5);
      giant.writeUInt32BE(giant.length - 13, 9);
      return giant;
    };
    hostile.behave = flood;
    const { env, usage } = await measured();
    const { code, stderr } = await scene.cli(['run', 'job', '--json'], { env });
    expect(code, stderr).toBe(9);
    hostile.behave = () => 'normal';
    const plain = await measured();
    expect((await scene.cli(['run', 'job'], { env: plain.env })).code).toBe(0);
    expect(usage().memory - plain.usage().memory).toBeLessThan(64);
  });
});
