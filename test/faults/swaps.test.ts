/**
 * Rows 33, 34 and 58: a process exchanges a folder of the local root for a link that leads out of it,
 * thousands of times during a run. Nothing outside is changed, and no byte of it arrives anywhere.
 * FERRYLINE_SWAPS is the number of swaps for each mode; a run is repeated until they are made.
 */
import { hash } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { test } from '../kit/base.js';
import { swap } from '../kit/files/swapper.js';
import { temporaryFolder } from '../kit/files/temporary.js';
import { type Tree, writeTree } from '../kit/files/tree.js';
import type { Scene } from '../kit/scene.js';

const swapsWanted = Number(process.env.FERRYLINE_SWAPS ?? 1000);
const then = 1_600_000_000;
const files = 120;

/** Files of one folder, each with its own words. */
function folderOf(folder: string, words: string): Tree {
  return Object.fromEntries(
    Array.from({ length: files }, (_, i) => [`${folder}/f${i}`, `${words} ${i} `.repeat(20)]),
  );
}

interface Mode {
  readonly job: object;
  /** The folder that is swapped, in the working folder. */
  readonly folder: string;
  /** What the sides hold before each run; `k` counts the runs. */
  readonly local?: (k: number) => Tree;
  readonly remote?: (k: number) => Tree;
  /** Flags of `run`. */
  readonly flags?: readonly string[];
  /** The command, if it is not `run`. */
  readonly command?: readonly string[];
}

const source: Pick<Mode, 'folder' | 'local'> = {
  folder: 'data/d',
  local: (k) => folderOf('d', `good ${k}`),
};
const target: Pick<Mode, 'folder' | 'local' | 'remote'> = {
  folder: 'data/d',
  local: (k) => ({ ...folderOf('d', `old ${k}`), ...folderOf('d/extra', 'x') }),
  remote: (k) => folderOf('d', `good ${k}`),
};
const down = (scene: Scene) => ({ from: `archive:${scene.place}`, to: './data' });

const modes: Readonly<Record<string, (scene: Scene) => Mode>> = {
  push: () => ({ ...source, job: { operation: 'push' } }),
  'push, links followed': () => ({
    ...source,
    local: (k) => ({ ...folderOf('d', `good ${k}`), l: { link: 'd' }, m: { link: 'd/f1' } }),
    job: { operation: 'push', symlinks: 'follow' },
  }),
  'push, links preserved': () => ({
    ...source,
    local: (k) => ({ ...folderOf('d', `good ${k}`), 'd/l': { link: '../d/f1' } }),
    job: { operation: 'push', symlinks: 'preserve' },
  }),
  'push, after delete': () => ({ ...source, job: { operation: 'push', after: 'delete' } }),
  'push, after archive': () => ({
    ...source,
    job: { operation: 'push', after: { archive: './sent' } },
  }),
  'push, the archive swapped': () => ({
    ...source,
    folder: 'sent/d',
    job: { operation: 'push', after: { archive: './sent' } },
  }),
  mirror: () => ({ ...source, job: { operation: 'mirror', modes: 'source' } }),
  pull: (scene) => ({ ...target, job: { operation: 'pull', ...down(scene) } }),
  'mirror down': (scene) => ({
    ...target,
    flags: ['--delete-max', '100%'],
    job: { operation: 'mirror', ...down(scene) },
  }),
  'mirror down, the trash swapped': (scene) => ({
    ...target,
    folder: 'data/.ferryline',
    flags: ['--delete-max', '100%'],
    job: { operation: 'mirror', ...down(scene), trash: true },
  }),
  restore: (scene) => ({
    ...target,
    local: (k) => ({
      ...folderOf('d', `old ${k}`),
      ...folderOf('.ferryline/trash/20260101T000000Z-00abcd/d', `trashed ${k}`),
    }),
    job: { operation: 'pull', ...down(scene), trash: true },
    command: ['restore', 'job', '/', '--force', '--json'],
  }),
};

describe('rows 33, 34, 58: a local folder is swapped for a link out of the root', () => {
  for (const [name, modeOf] of Object.entries(modes))
    test(
      name,
      async ({ scene }) => {
        const mode = modeOf(scene);
        const outside = await temporaryFolder();
        writeTree(
          outside,
          { ...folderOf('.', 'CANARY'), ...folderOf('extra', 'CANARY') },
          { mtime: then + 7 },
        );
        mkdirSync(join(outside, 'mirrored'));
        mkdirSync(join(outside, 'trash'));
        const before = snapshot(outside);
        await scene.jobs(mode.job);
        let swaps = 0;
        for (let k = 0; swaps < swapsWanted; k++) {
          const swapped = join(scene.cwd, mode.folder);
          for (const path of ['data', 'sent'])
            rmSync(join(scene.cwd, path), { recursive: true, force: true });
          rmSync(scene.there(), { recursive: true, force: true });
          scene.writeThere(mode.remote?.(k) ?? {}, { mtime: then + k });
          scene.writeHere(mode.local?.(k) ?? {}, { mtime: then });
          mkdirSync(swapped, { recursive: true });
          const place = await temporaryFolder();
          const swapper = await swap(swapped, place, outside);
          const { code, stdout, stderr } = await scene.cli(
            mode.command ?? ['run', 'job', '--json', ...(mode.flags ?? [])],
          );
          swaps += await swapper.stop();
          expect([0, 3], stdout + stderr).toContain(code);
          expect(changed(outside, before)).toEqual([]);
          expect([...leaked(scene.cwd), ...leaked(scene.there())]).toEqual([]);
          rmSync(place, { recursive: true });
        }
      },
      Math.max(60_000, 5 * swapsWanted),
    );
});

/** Each path of a tree with what is there: mode, size, time, and a digest of the bytes. */
function snapshot(folder: string): ReadonlyMap<string, string> {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return new Map(
    paths.map((path) => {
      const at = join(folder, path);
      const stat = lstatSync(at);
      const bytes = stat.isFile() ? hash('sha256', readFileSync(at)) : '';
      return [path, [stat.mode, stat.size, stat.mtimeMs, stat.nlink, bytes].join(' ')];
    }),
  );
}

function changed(folder: string, before: ReadonlyMap<string, string>): string[] {
  const now = snapshot(folder);
  return [...new Set([...before.keys(), ...now.keys()])].filter(
    (path) => before.get(path) !== now.get(path),
  );
}

/** The files of a tree that hold words from outside. */
function leaked(folder: string): string[] {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return paths.filter((path) => {
    const at = join(folder, path);
    return lstatSync(at).isFile() && readFileSync(at).includes('CANARY');
  });
}
