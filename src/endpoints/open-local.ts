/** Opens a side of a job on this machine. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { FerryError } from '../core/errors.js';
import type { Location } from '../core/job.js';
import { escapeText } from '../core/text.js';
import { openLocal } from './local/local.js';
import { notAFolder, type Side, type SideRole, swapCase } from './side.js';

export async function openLocalSide(
  location: Location,
  role: SideRole,
  ahead: boolean,
): Promise<Side> {
  const there = await fs.stat(location.path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw new FerryError('io', `${location.label} can't be read (${error.code})`, {
      hint: 'check the permissions of the folders above it',
      cause: error,
    });
  });
  if (there === undefined)
    return role === 'from' ? missingSource(location) : missingDestination(location);
  const real = await fs.realpath(location.path);
  const isFolder = there.isDirectory();
  if (!isFolder && role === 'to') throw notAFolder(location);
  const root = isFolder ? real : path.dirname(real);
  const { endpoint, listAhead } = openLocal(root, location.label, await isCaseSensitive(root));
  if (ahead && isFolder) listAhead();
  return {
    endpoint,
    only: isFolder ? undefined : path.basename(real),
    makeRoot: async () => {},
    elsewhere,
  };
}

function missingSource({ path: root, label }: Location): Side {
  const { endpoint } = openLocal(root, label);
  return { endpoint, only: undefined, makeRoot: async () => {}, elsewhere };
}

async function missingDestination(location: Location): Promise<Side> {
  const above = path.dirname(location.path);
  const parent = await fs.realpath(above).catch(() => {
    throw new FerryError(
      'config',
      `the folder ${escapeText(above)}, where ${escapeText(location.label)} would be created, does not exist`,
      { hint: 'create it, or mount what should be there' },
    );
  });
  const root = path.join(parent, path.basename(location.path));
  const { endpoint } = openLocal(root, location.label);
  return {
    endpoint,
    only: undefined,
    makeRoot: async () => {
      await fs.mkdir(root, { recursive: true });
    },
    elsewhere,
  };
}

function elsewhere(root: string, label: string) {
  return openLocal(root, label).endpoint;
}

/** Whether the root's file system distinguishes upper from lower case; false if the root's name can't show it, since then names that fold are never taken for two files. */
async function isCaseSensitive(root: string): Promise<boolean> {
  const other = swapCase(path.basename(root));
  if (other === undefined) return false;
  const [own, same] = await Promise.all([
    fs.stat(root),
    fs.stat(path.join(path.dirname(root), other)).catch(() => undefined),
  ]);
  return same === undefined || same.ino !== own.ino || same.dev !== own.dev;
}
