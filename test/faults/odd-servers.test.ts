/** Row 63 of docs/faults.md, through the built CLI: classes of servers that do otherwise than SFTP says. docs/servers.md lists them. */
import { EventEmitter, once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { demoExtensions } from '../../src/test-server/folder.js';
import { statusReply } from '../../src/test-server/sftp-server.js';
import { started, hostileTest as test } from '../kit/base.js';
import { readTree, sameTree } from '../kit/files/tree.js';
import { type Scene, turn } from '../kit/scene.js';
import { type Asked, type Behave, startHostileServer } from '../kit/servers/hostile-server.js';
import { dropsHandleAtEnd, listsTwice, losesNames, noTypes } from '../kit/servers/odd-listings.js';

const tree = { a: 'a', 'd/b': 'b', 'd/e/c': 'c', 'f/g': 'g', 'h/i': 'i', 'k/l': 'l' };
const pull = (scene: Scene) => scene.jobs({ from: `archive:${scene.place}`, to: './data' });

function quirksIn(scene: Scene): Record<string, { seen: number }> {
  const folder = join(scene.cwd, '.state', 'servers');
  if (!existsSync(folder)) return {};
  const file = readdirSync(folder).find((name) => name.endsWith('.quirks.json'));
  return file === undefined ? {} : JSON.parse(readFileSync(join(folder, file), 'utf8'));
}

describe('row 63: READDIRs asked ahead', () => {
  test.for<[string, (root: string) => Behave, number]>([
    ['list the folder again', listsTwice, 3],
    ['find the handle gone at the end of the listing', dropsHandleAtEnd, 1],
    ['lose names', losesNames, 3],
  ])(
    '%s: 0, and what was seen is remembered',
    async ([_name, behave, seen], { scene, hostile }) => {
      hostile.behave = behave(hostile.folder);
      hostile.concurrent = true;
      scene.writeThere(tree);
      await pull(scene);
      const { code, stderr, report } = await scene.run();
      expect([code, report.files.copied], stderr).toEqual([0, 6]);
      expect(readTree(scene.here())).toEqual(tree);
      // on a short line only the root is asked for more than a handle's end takes
      expect(quirksIn(scene).readdirsAhead?.seen).toBeGreaterThanOrEqual(seen);
      if (seen < 3) return;
      const before = hostile.requests.filter(({ type }) => type === 'OPENDIR').length;
      const second = await scene.cli(['run', 'job', '-v']);
      expect([second.code, second.stderr]).toEqual([
        0,
        expect.stringContaining('folders are read one answer at a time (seen 3 times'),
      ]);
      // no folder was opened a second time
      const opened = hostile.requests.filter(({ type }) => type === 'OPENDIR').length - before;
      expect(opened).toBe(6);
    },
  );
});

describe('row 63: listings without types', () => {
  test('the kinds are asked for many at once', async ({ scene, hostile }) => {
    hostile.behave = noTypes;
    hostile.concurrent = true;
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`d/${i}`, `${i}`]));
    scene.writeThere(many);
    await pull(scene);
    let waiting = 0;
    let most = 0;
    hostile.behave = async (asked) => {
      if (asked.type !== 'LSTAT') return noTypes(asked);
      most = Math.max(most, ++waiting);
      await new Promise((turn) => setImmediate(turn));
      waiting--;
      return 'normal';
    };
    const { code, stderr } = await scene.run();
    expect(code, stderr).toBe(0);
    expect(sameTree(scene.here(), scene.there())).toBe(true);
    expect(most).toBeGreaterThan(20);
  });

  test('a name that is gone when it is asked for is left out; one that is still listed is 3', async ({
    scene,
    hostile,
  }) => {
    scene.writeThere({ a: 'a', ghost: 'g' });
    await pull(scene);
    hostile.behave = (asked) =>
      asked.type === 'LSTAT' && asked.path.endsWith('ghost')
        ? statusReply(asked.id, 2)
        : noTypes(asked);
    const { code, report } = await scene.run();
    expect([code, report.files]).toMatchObject([3, { copied: 1, failed: 1, deleted: 0 }]);
    expect(report.failures[0]).toMatchObject({ path: 'ghost' });
  });
});

describe('row 63: what is offered and refused', () => {
  const isPosixRename = ({ extension }: Asked) => extension === 'posix-rename@openssh.com';
  const creates = ({ type, flags }: Asked) => type === 'OPEN' && (flags & 32) !== 0;
  const sets = ({ type, attributes }: Asked) =>
    (type === 'SETSTAT' || type === 'FSETSTAT') && attributes.mtime !== undefined;

  test.for<[string, string, (scene: Scene) => Behave, number]>([
    ['posix-rename, always', 'posixRename', () => refuses(isPosixRename, 8), 3],
    ['posix-rename, with a bare failure', 'posixRename', () => refuses(isPosixRename, 4), 3],
    [
      'posix-rename, where the name exists',
      'posixRename',
      (scene) =>
        refuses((asked) => isPosixRename(asked) && existsSync(inPlace(scene, asked.to)), 3),
      3,
    ],
    ['exclusive creation', 'exclusive', () => refuses(creates, 8), 3],
    ['exclusive creation, with a bare failure', 'exclusive', () => refuses(creates, 4), 3],
    ['SETSTAT, with "no such file"', '', () => refuses(sets, 2), 0],
  ])(
    '%s: 0, old files replaced, remembered',
    async ([_name, quirk, make, seen], { scene, hostile }) => {
      hostile.behave = make(scene);
      scene.writeThere(Object.fromEntries(Object.keys(tree).map((path) => [path, 'an old one'])), {
        mtime: 1_600_000_000,
      });
      scene.writeHere(tree);
      scene.mirrored();
      const { code, stderr, report } = await scene.run();
      expect([code, report.files.copied], stderr).toEqual([0, 6]);
      expect(sameTree(scene.here(), scene.there())).toBe(true);
      if (seen > 0) expect(quirksIn(scene)[quirk]).toMatchObject({ seen });
      expect((await scene.run()).report.files).toMatchObject({ copied: 0, unchanged: 6 });
      if (seen === 0) return;
      // what is expected by now is not tried again
      if (quirk === 'exclusive') hostile.behave = (asked) => (creates(asked) ? 'cut' : 'normal');
      else hostile.behave = (asked) => (isPosixRename(asked) ? 'cut' : 'normal');
      scene.writeHere({ a: 'another' });
      expect((await scene.run()).report.files).toMatchObject({ copied: 1, failed: 0 });
    },
  );

  test('posix-rename, where a link is to replace another one: 0, remembered', async ({
    scene,
    hostile,
  }) => {
    scene.writeHere({});
    symlinkSync('new', scene.here('link'));
    scene.writeThere({});
    symlinkSync('old', scene.there('link'));
    await scene.jobs({ operation: 'push', symlinks: 'preserve' });
    hostile.behave = refuses(isPosixRename, 4);
    const { code, stderr } = await scene.run();
    expect(code, stderr).toBe(0);
    expect(readlinkSync(scene.there('link'))).toBe('new');
    expect(quirksIn(scene)).toMatchObject({ posixRename: { seen: 1 } });
  });

  test('a folder that really can not be written: 3, and nothing is learnt of posix-rename', async ({
    scene,
    hostile,
  }) => {
    scene.writeThere({ a: 'old' }, { mtime: 1_600_000_000 });
    scene.writeHere({ a: 'new' });
    hostile.behave = refuses((asked) => isPosixRename(asked) || asked.type === 'RENAME', 3);
    const { code } = await scene.run();
    expect(code).toBe(3);
    expect(readTree(scene.there())).toEqual({ a: 'old' });
    expect(quirksIn(scene)).toEqual({});
  });
});

describe('row 63: a server without some requests of SFTP version 3', () => {
  const lacks = (...types: string[]) => refuses(({ type }) => types.includes(type), 8);

  test.for([['REALPATH'], ['STAT'], ['REALPATH', 'STAT', 'EXTENDED']])(
    'without %s, %s: a tree, one file and back: 0',
    async (types, { scene, hostile }) => {
      hostile.behave = lacks(...types.filter((type) => type !== undefined));
      if (!types.includes('EXTENDED')) hostile.extensions = {};
      scene.writeHere(tree);
      await scene.jobs({ operation: 'push' });
      const first = await scene.run();
      expect(first).toMatchObject({ code: 0, report: { files: { copied: 6 } } });
      const unsure = types.includes('REALPATH') ? ['confinement'] : undefined;
      expect(first.report.notGuaranteed).toEqual(unsure);
      expect(readTree(scene.there())).toEqual(tree);
      const one = { operation: 'push', from: './data/a', to: `archive:${scene.place}/new/one` };
      await scene.jobs(one);
      expect(await scene.run()).toMatchObject({ code: 0, report: { files: { copied: 1 } } });
      await scene.jobs({ operation: 'pull', from: `archive:${scene.place}/new`, to: './back' });
      expect(await scene.run()).toMatchObject({ code: 0, report: { files: { copied: 1 } } });
      expect(readTree(join(scene.cwd, 'back'))).toEqual({ 'one/a': 'a' });
      await scene.jobs({}, { root: '/none' });
      const missing = await scene.run();
      expect([missing.code, missing.report.error.message]).toEqual([
        2,
        expect.stringContaining('the root /none of remote archive on 127.0.0.1 does not exist'),
      ]);
    },
  );

  test.for<[string[], object, number]>([
    [['LSTAT'], {}, 3],
    [['RENAME', 'EXTENDED'], {}, 3],
    [['MKDIR'], {}, 3],
    [['OPENDIR', 'STAT', 'LSTAT', 'REALPATH'], {}, 3],
    [['REALPATH'], { root: false }, 2],
  ])('without %j, with %j: %i, and the request is named', async (row, { scene, hostile }) => {
    const [types, remote, expected] = row;
    hostile.behave = lacks(...types);
    scene.writeHere(tree);
    await scene.jobs({ operation: 'push' }, remote);
    const { code, stderr } = await scene.run();
    expect([code, stderr]).toEqual([
      expected,
      expect.stringMatching(new RegExp(`does not support ${types[0]}\\b`)),
    ]);
  });
});

describe('row 63: requests that overtake each other', () => {
  // its name and extensions make it count as OpenSSH, whose small files are finished by requests sent together
  const likeOpenssh = test.extend(
    'hostile',
    started(() =>
      startHostileServer({
        ident: 'OpenSSH_9.2p1',
        extensions: { ...demoExtensions, 'fstatvfs@openssh.com': '2' },
      }),
    ),
  );

  likeOpenssh.for([
    ['push', 'FSTAT', ['WRITE']],
    ['push', 'CLOSE', ['WRITE', 'FSETSTAT', 'FSTAT']],
    ['push', 'CLOSE', ['EXTENDED']],
    ['pull', 'CLOSE', ['READ', 'FSTAT']],
  ] as const)(
    '%s, %s comes first: 0, sent again, and no more files at risk',
    async ([operation, first, others], { scene, hostile }) => {
      hostile.behave = overtakes(first, others);
      hostile.concurrent = true;
      const sides = turn(scene, operation === 'push' ? 'up' : 'down');
      sides.writeSource(tree, { mtime: 1_600_000_000 });
      await sides.jobs({ fsync: others[0] === 'EXTENDED' });
      const { code, stderr, report } = await scene.run();
      expect([code, report.files.copied], stderr).toEqual([0, 6]);
      expect(sameTree(scene.here(), scene.there())).toBe(true);
      expect(quirksIn(scene)).toMatchObject({ disorder: { seen: 1 } });
      // from now on each request waits for the answer to the one before
      const before = hostile.requests.length;
      sides.writeSource({ a: 'another' }, { mtime: 1_600_000_100 });
      expect((await scene.run()).report.files).toMatchObject({ copied: 1, failed: 0 });
      const opened = hostile.requests.slice(before).filter(({ type }) => type === 'OPEN');
      expect(opened).toHaveLength(1);
    },
  );
});

/** Carries out `first` before any of `others` that came with it on the same handle. */
function overtakes(first: string, others: readonly string[]): Behave {
  const done = new EventEmitter().setMaxListeners(0);
  return async (asked) => {
    const key = `${asked.channel} ${asked.handle}`;
    if (asked.type === first)
      return {
        alter: (reply) => {
          done.emit(key);
          return reply;
        },
      };
    // what was sent together is here within a few turns
    if (others.includes(asked.type)) await Promise.race([once(done, key), turns(50)]);
    return 'normal';
  };
}

async function turns(n: number): Promise<void> {
  for (let turn = 0; turn < n; turn++) await new Promise((next) => setImmediate(next));
}

function refuses(what: (asked: Asked) => boolean, status: number): Behave {
  return (asked) => (what(asked) ? { refuse: status } : 'normal');
}

/** The file behind a path that the server was given, as this machine names it. */
function inPlace(scene: Scene, path: string): string {
  return scene.there(path.slice(`/${scene.place}/`.length));
}
