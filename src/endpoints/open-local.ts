/** Opens a side of a job on this machine. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { FerryError } from '../core/errors.js';
import type { Location } from '../core/job.js';
import { escapeText } from '../core/text.js';
import { openLocal } from './local/local.js';
import { notAFolder, type Side, type SideRole } from './side.js';

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
  const { endpoint, listAhead } = openLocal(root, location.label);
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
