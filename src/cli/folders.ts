/** Where configuration and state are looked for. Pure but for `findConfig`'s looks at the disk and the making of the state folder. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { FerryError } from '../core/errors.js';

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly cwd: string;
}

/** An environment variable; one that is empty counts as unset. */
function variable({ env }: Surroundings, name: string): string | undefined {
  const value = env[name];
  return value === undefined || value === '' ? undefined : value;
}

/** The XDG base directory spec has relative values ignored. */
function xdg(around: Surroundings, name: string, fallback: string): string {
  const value = variable(around, name);
  return value?.startsWith('/') ? value : join(around.home, fallback);
}

/** Files that may be the configuration, the first that exists is; a named one is the only candidate. */
export function configCandidates(around: Surroundings, named?: string): string[] {
  const one = named ?? variable(around, 'FERRYLINE_CONFIG');
  if (one !== undefined) return [resolve(around.cwd, one)];
  return [
    join(around.cwd, 'jobs.yml'),
    join(xdg(around, 'XDG_CONFIG_HOME', '.config'), 'ferryline/jobs.yml'),
    '/etc/ferryline/jobs.yml',
  ];
}

/** The configuration's absolute path; undefined when there is none and none was named. */
export function findConfig(around: Surroundings, named?: string): string | undefined {
  const candidates = configCandidates(around, named);
  const found = candidates.find((file) => existsSync(file));
  // One that was named is there or its reading is an error.
  return found ?? (candidates.length === 1 ? candidates[0] : undefined);
}

/** The state folder's absolute path. systemd gives several in STATE_DIRECTORY, split by colons: the first counts. */
export function stateFolder(around: Surroundings): string {
  const own = variable(around, 'FERRYLINE_STATE_DIR');
  if (own !== undefined) return resolve(around.cwd, own);
  const service = variable(around, 'STATE_DIRECTORY')?.split(':')[0];
  if (service !== undefined && service !== '') return resolve(around.cwd, service);
  return join(xdg(around, 'XDG_STATE_HOME', '.local/state'), 'ferryline');
}

/** Makes the state folder, for its owner only, where it is missing, and resolves to its path. */
export async function makeStateFolder(around: Surroundings): Promise<string> {
  const folder = stateFolder(around);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (thrown) {
    throw new FerryError(
      'config',
      `the state folder ${folder} can't be made: ${(thrown as Error).message}`,
      { cause: thrown, hint: 'name a folder that can be written to in FERRYLINE_STATE_DIR' },
    );
  }
  return folder;
}
