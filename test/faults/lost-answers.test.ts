/**
 * Rows 2 and 3 of docs/faults.md for everything that a run changes: the connection is cut before, or
 * after, each request of a job that makes folders and links, replaces, renames and removes. The
 * run goes on over new connections; it ends as if nothing had happened, and counts nothing twice.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { hostileTest as test } from '../kit/base.js';
import { readTree, type Tree, writeTree } from '../kit/files/tree.js';
import { runsHere } from '../kit/run-here.js';
import type { Scene } from '../kit/scene.js';
import { isRename } from '../kit/servers/hostile-replies.js';
import type { Asked } from '../kit/servers/hostile-server.js';

const then = 1_600_000_000;
const source: Tree = {
  'd/deep/new': 'new',
  'd/replaced': 'NEW',
  becomesFolder: { link: 'd' },
  'becomesFile/in': 'in',
  link: { link: 'd/replaced' },
  same: 'same',
};
const target: Tree = {
  'd/replaced': 'old, and longer',
  becomesFile: 'a file',
  link: { link: 'same' },
  same: 'same',
  'gone/a': 'gone',
  'gone/b/c': 'gone, too',
};
const mirror = { operation: 'mirror', symlinks: 'preserve', delete: { max: '100%' } };

/** A request that changes something, but for the data of files. */
const changes = (asked: Asked) =>
  ['MKDIR', 'RMDIR', 'REMOVE', 'SYMLINK', 'SETSTAT'].includes(asked.type) ||
  isRename(asked) ||
  (asked.type === 'OPEN' && asked.flags !== 1) ||
  asked.extension === 'hardlink@openssh.com';

interface Setting {
  readonly job: object;
  readonly extensions?: Readonly<Record<string, string>>;
  /** Fills the sides anew; returns the source's and the target's folder. */
  readonly sides: (scene: Scene) => readonly [string, string];
}

function fill(from: string, to: string): readonly [string, string] {
  for (const folder of [from, to]) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
  }
  writeTree(from, source, { mtime: then + 1000 });
  writeTree(to, target, { mtime: then });
  for (const folder of [from, to]) writeTree(folder, { same: 'same' }, { mtime: then });
  return [from, to];
}

const up = (scene: Scene) => fill(scene.here(), scene.there());
const down = (scene: Scene) => fill(scene.there(), scene.here());
const between = (scene: Scene) => fill(scene.there('out'), scene.there('in'));

const settings: Readonly<Record<string, (scene: Scene) => Setting>> = {
  'a mirror': () => ({ job: { ...mirror, trash: false }, sides: up }),
  'a mirror, without posix-rename': () => ({
    job: { ...mirror, trash: false },
    extensions: {},
    sides: up,
  }),
  'a mirror with trash': () => ({ job: { ...mirror, trash: true }, sides: up }),
  'a mirror with trash, without posix-rename and hard links': () => ({
    job: { ...mirror, trash: true },
    extensions: {},
    sides: up,
  }),
  'a mirror between two folders of a server': ({ place }) => ({
    job: { ...mirror, trash: false, from: `archive:${place}/out`, to: `archive:${place}/in` },
    sides: between,
  }),
  'a mirror between two folders, through us': ({ place }) => ({
    job: { ...mirror, trash: false, from: `archive:${place}/out`, to: `archive:${place}/in` },
    extensions: { 'posix-rename@openssh.com': '1' },
    sides: between,
  }),
  'a push, existing: skip': () => ({
    job: { operation: 'push', existing: 'skip', symlinks: 'preserve', exclude: ['becomes*'] },
    sides: up,
  }),
  'a pull, after: delete': ({ place }) => ({
    job: {
      operation: 'pull',
      from: `archive:${place}`,
      to: './data',
      after: 'delete',
      exclude: ['becomes*'],
    },
    sides: down,
  }),
  'a pull, after: archive': ({ place }) => ({
    job: {
      ...{ operation: 'pull', from: `archive:${place}`, to: './data', exclude: ['becomes*'] },
      after: { archive: 'archive:sent' },
    },
    sides: down,
  }),
};

/** What a run leaves, without the run's own name. */
const left = (folder: string) =>
  Object.fromEntries(
    Object.entries(readTree(folder, { ours: true }))
      .filter(([path]) => !path.includes('.ferryline/mirrored'))
      .map(([path, content]) => [path.replace(/run-\d+/, 'RUN'), content]),
  );

describe.each([
  ['row 2: cut just before a request', 'cut'],
  ['row 3: a request is done and its reply lost', 'cut-after-doing'],
] as const)('%s', (_row, how) => {
  test.for(Object.entries(settings))('%s', async ([_name, settingOf], { scene, hostile }) => {
    const { job, extensions, sides } = settingOf(scene);
    if (extensions !== undefined) hostile.extensions = extensions;
    const run = await runsHere(scene, job, { maxFiles: 1, replyTimeout: '5s' });
    const all = async (cuts: boolean) => {
      rmSync(`${hostile.folder}/sent`, { recursive: true, force: true });
      const [from, to] = sides(scene);
      const seen = new Set<string>();
      hostile.behave = (asked) => {
        if (!cuts || !changes(asked)) return 'normal';
        const what = `${asked.extension || asked.type} ${asked.path} ${asked.to}`;
        // each temporary name is another one
        return seen.size === seen.add(what.replaceAll(/-[0-9a-z]{8}\.ferrypart/g, '')).size
          ? 'normal'
          : how;
      };
      const { exitCode, files, failures, error } = await run();
      const trees = [from, to, `${hostile.folder}/sent`].map((folder) => {
        mkdirSync(folder, { recursive: true });
        return left(folder);
      });
      return { cuts: seen.size, end: { exitCode, files, failures, error, trees } };
    };
    const plain = await all(false);
    expect(plain.end).toMatchObject({ exitCode: 0 });
    const { cuts, end } = await all(true);
    expect(end).toEqual(plain.end);
    expect(cuts).toBeGreaterThan(2);
  });
});
