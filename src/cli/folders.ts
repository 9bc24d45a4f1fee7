/** Where the configuration and the state folders are, by names and paths alone; state.ts uses the folders. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { adHocFolder } from '../state/layout.js';

/** What a command sees of the process it runs in. */
export interface Environment {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly cwd: string;
  /** The command line, without the program. */
  readonly args: readonly string[];
  /** The effective user id. */
  readonly uid: number;
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

/** The files to look for, in order; only the named one if there is one (`named`, or FERRYLINE_CONFIG), and none for `--no-config`. */
export function configCandidates(environment: Environment, named?: string | false): string[] {
  if (named === false) return [];
  const one = named ?? variable(environment, 'FERRYLINE_CONFIG');
  if (one !== undefined) return [resolve(environment.cwd, one)];
  return [
    join(environment.cwd, 'jobs.yml'),
    join(xdg(environment, 'XDG_CONFIG_HOME', '.config'), 'ferryline/jobs.yml'),
    '/etc/ferryline/jobs.yml',
  ];
}

/** The absolute path of the configuration; undefined if none was named and none exists. */
export function findConfig(environment: Environment, named?: string | false): string | undefined {
  const candidates = configCandidates(environment, named);
  const found = candidates.find((file) => existsSync(file));
  // A named file that does not exist fails when it is read.
  return found ?? (candidates.length === 1 ? candidates[0] : undefined);
}

/**
 * The state folder that the environment names. systemd may set several in STATE_DIRECTORY, separated
 * by colons: the first is used.
 */
export function environmentStateFolder(environment: Environment): string | undefined {
  const own = variable(environment, 'FERRYLINE_STATE_DIR');
  if (own !== undefined) return resolve(environment.cwd, own);
  const service = variable(environment, 'STATE_DIRECTORY')?.split(':')[0];
  return service === undefined || service === '' ? undefined : resolve(environment.cwd, service);
}

/** The folder above the state folders of all jobs.yml; earlier versions kept their state directly in it. */
export function sharedStateFolder(environment: Environment): string {
  return join(xdg(environment, 'XDG_STATE_HOME', '.local/state'), 'ferryline');
}

/** Characters of a folder's name that a state folder's name repeats, so that it fits a file system's names. */
const nameChars = 60;

/** The state folder of a jobs.yml that names none: its path decides, as given, with links unresolved. */
export function defaultStateFolder(shared: string, config: string): string {
  const name = basename(dirname(config)).slice(0, nameChars);
  const hash = createHash('sha256').update(config).digest('hex').slice(0, 8);
  return join(shared, `${name === '' ? 'root' : name}-${hash}`);
}

/** The state folder of runs without jobs.yml. */
export function adHocStateFolder(environment: Environment): string {
  return adHocFolder(environmentStateFolder(environment) ?? sharedStateFolder(environment));
}
