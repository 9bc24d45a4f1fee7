/** Where the configuration and the state folder are. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { FerryError } from '../core/errors.js';

/** What a command sees of the process it runs in. */
export interface Environment {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly cwd: string;
}

/** An environment variable; an empty one counts as unset. */
function variable({ env }: Environment, name: string): string | undefined {
  const value = env[name];
  return value === undefined || value === '' ? undefined : value;
}

/** The XDG base directory specification says to ignore relative values. */
function xdg(environment: Environment, name: string, fallback: string): string {
  const value = variable(environment, name);
  return value?.startsWith('/') ? value : join(environment.home, fallback);
}

/** The files to look for, in order; only the named one if there is one (`named`, or FERRYLINE_CONFIG). */
export function configCandidates(environment: Environment, named?: string): string[] {
  const one = named ?? variable(environment, 'FERRYLINE_CONFIG');
  if (one !== undefined) return [resolve(environment.cwd, one)];
  return [
    join(environment.cwd, 'jobs.yml'),
    join(xdg(environment, 'XDG_CONFIG_HOME', '.config'), 'ferryline/jobs.yml'),
    '/etc/ferryline/jobs.yml',
  ];
}

/** The absolute path of the configuration; undefined if none was named and none exists. */
export function findConfig(environment: Environment, named?: string): string | undefined {
  const candidates = configCandidates(environment, named);
  const found = candidates.find((file) => existsSync(file));
  // A named file that does not exist fails when it is read.
  return found ?? (candidates.length === 1 ? candidates[0] : undefined);
}

/** The absolute path of the state folder. systemd may set several in STATE_DIRECTORY, separated by colons: the first is used. */
export function stateFolder(environment: Environment): string {
  const own = variable(environment, 'FERRYLINE_STATE_DIR');
  if (own !== undefined) return resolve(environment.cwd, own);
  const service = variable(environment, 'STATE_DIRECTORY')?.split(':')[0];
  if (service !== undefined && service !== '') return resolve(environment.cwd, service);
  return join(xdg(environment, 'XDG_STATE_HOME', '.local/state'), 'ferryline');
}

/** Makes the state folder if it is missing, for its owner only, and resolves to its path. Errors: `config`. */
export async function makeStateFolder(environment: Environment): Promise<string> {
  const folder = stateFolder(environment);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (thrown) {
    throw new FerryError(
      'config',
      `the state folder ${folder} cannot be created: ${(thrown as Error).message}`,
      { cause: thrown, hint: 'set FERRYLINE_STATE_DIR to a folder that is writable' },
    );
  }
  return folder;
}
