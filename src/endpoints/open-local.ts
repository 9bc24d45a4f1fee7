/** Opens a side of a job on this machine. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { FerryError } from '../core/errors.js';
import type { Location } from '../core/job.js';
import { present } from '../core/present.js';
import { escapeText } from '../core/text.js';
import type { Endpoint } from './endpoint.js';
import { FolderHandles, fdPaths, openFolder } from './local/folder-handles.js';
import { type LocalSide, openLocal } from './local/local.js';
import { localError } from './local/local-error.js';
import { folderLabel, notAFolder, type Side, type SideRole } from './side.js';

export async function openLocalSide(
  location: Location,
  role: SideRole,
  ahead: boolean,
): Promise<Side> {
  const { label } = location;
  const found = await findRoot(location);
  if (found === 'missing') {
    if (role === 'from') return missingSource(location);
    const parent = await folderAbove(location);
    return role === 'to' ? missingFolder(location, parent) : missingFile(location, parent);
  }
  const { only, ...root } = found;
  if (only !== undefined && role === 'to') {
    root.folders.close();
    throw notAFolder(location);
  }
  const isNewName = only !== undefined && role === 'file';
  const local = openLocal(root, isNewName ? folderLabel(location, only) : label);
  if (ahead && only === undefined) local.listAhead();
  return sideOf(local, root, only);
}

/** The root's folder, opened once: what is at its path later counts for nothing. */
async function findRoot(location: Location) {
  try {
    return await openRoot(location.path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return 'missing';
    if (code === 'ENOTDIR') return findFile(location);
    throw unreadable(location, error);
  }
}

/** The folder of a root that is one file. */
async function findFile(location: Location) {
  try {
    const real = await fs.realpath(location.path);
    return { ...(await openRoot(path.dirname(real))), only: path.basename(real) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'missing';
    throw unreadable(location, error);
  }
}

/** A folder as a root, links followed, and its real path. */
async function openRoot(at: string) {
  if (fdPaths === undefined) {
    const real = await fs.realpath(at);
    if (!(await fs.stat(real)).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' });
    return { path: real, folders: new FolderHandles(real, real), only: undefined };
  }
  const fd = await openFolder(at);
  const real = await fs.readlink(`${fdPaths}/${fd}`);
  return { path: real, folders: new FolderHandles(at, real, fd), only: undefined };
}

function unreadable(location: Location, error: unknown): FerryError {
  const { code } = error as NodeJS.ErrnoException;
  const { message } = localError(error, '');
  return new FerryError('io', `${escapeText(location.label)} can't be read: ${message}`, {
    ...present({ code }),
    hint: 'check on this machine that this user may enter it and each folder above it',
    cause: error,
  });
}

function missingSource({ path: at, label }: Location): Side {
  const root = { path: at, folders: new FolderHandles(at, at) };
  const local = openLocal(root, label);
  return sideOf(local, root, undefined);
}

/** The folder in which a missing destination would be created. */
async function folderAbove(location: Location) {
  const above = path.dirname(location.path);
  return openRoot(above).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw unreadable(location, error);
    throw new FerryError(
      'config',
      `the folder ${escapeText(above)}, where ${escapeText(location.label)} would be created, does not exist`,
      { hint: 'create it, or mount what should be there' },
    );
  });
}

/** A file that a run would create. */
function missingFile(location: Location, parent: Root): Side {
  const only = path.basename(location.path);
  return sideOf(openLocal(parent, folderLabel(location, only)), parent, only);
}

/** A folder that a run would create. */
function missingFolder(location: Location, parent: Root): Side {
  const name = path.basename(location.path);
  // the parent stays in hand, and the root is opened through it
  const at = parent.folders.rootPath().replace(/\.$/, name);
  const real = path.join(parent.path, name);
  const root = { path: real, folders: new FolderHandles(at, real) };
  return sideOf(openLocal(root, location.label), root, undefined, {
    makeRoot: async () => {
      await fs.mkdir(at).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw notMade(location, error);
      });
    },
    close: async () => parent.folders.close(),
  });
}

function notMade({ label }: Location, error: NodeJS.ErrnoException): FerryError {
  const { message, code } = localError(error, '');
  return new FerryError('io', `${escapeText(label)} can't be created: ${message}`, {
    ...present({ code }),
    hint: 'check that the folder above it exists on this machine, and that this user may write to it',
    cause: error,
  });
}

/** What has become of a root. */
async function lost(at: string, folders: FolderHandles): Promise<string | undefined> {
  const now = await fs.stat(at).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw localError(error, '');
  });
  if (now === undefined) return 'is gone';
  if (!now.isDirectory()) return 'is no folder any more';
  // not through the folder, which need not be enterable
  const { dev, ino } = await fs.stat(folders.rootPath().replace(/\/\.$/, ''));
  return now.dev === dev && now.ino === ino ? undefined : 'is another folder now';
}

interface Root {
  readonly path: string;
  readonly folders: FolderHandles;
}

interface OwnSteps {
  readonly makeRoot: () => Promise<void>;
  /** Called when the side's endpoint is closed. */
  readonly close: () => Promise<void>;
}

const noSteps: OwnSteps = { makeRoot: async () => {}, close: async () => {} };

function sideOf(
  local: LocalSide,
  { path: at, folders }: Root,
  only: string | undefined,
  steps = noSteps,
): Side {
  const { reach, moveTo } = local;
  const others: Endpoint[] = [];
  const close = async () => {
    for (const { close } of [local.endpoint, ...others]) await close();
    await steps.close();
  };
  return {
    endpoint: { ...local.endpoint, close },
    only,
    isConfined: fdPaths !== undefined,
    isMissing: false, // a look costs nothing here
    makeRoot: steps.makeRoot,
    lost: () => lost(at, folders),
    reach,
    elsewhere(root, label) {
      const { endpoint } = openLocal({ path: root, folders: new FolderHandles(root, root) }, label);
      others.push(endpoint);
      return endpoint;
    },
    moveTo: async (other, from, to, signal) => {
      if (other.reach !== undefined) await moveTo(other.reach, from, to, signal);
    },
  };
}
