/** State folders of other users: who owns them, and the command that works instead. */
import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { FerryError } from '../core/errors.js';
import { escapeText } from '../core/text.js';
import { recordFile } from '../state/layout.js';
import type { Environment } from './folders.js';

interface Account {
  readonly name: string;
  readonly uid: number;
  readonly home: string;
}

/** The accounts of a text in the form of /etc/passwd. Pure. */
function accountsIn(passwd: string): Account[] {
  return passwd.split('\n').flatMap((line) => {
    const [name = '', , uid = '', , , home = ''] = line.split(':');
    return /^\d+$/.test(uid) ? [{ name, uid: Number(uid), home }] : [];
  });
}

/** The account with that id on this machine; undefined if /etc/passwd does not list it. */
export function accountOf(uid: number): Account | undefined {
  try {
    return accountsIn(readFileSync('/etc/passwd', 'utf8')).find((one) => one.uid === uid);
  } catch {
    return undefined;
  }
}

/**
 * The user id that a state folder belongs to: its record's owner, else its own. A folder of root
 * without a record belongs to whoever may write it, as a volume that was mounted for a container
 * does: then undefined, as for a folder that does not exist.
 */
export async function ownerOf(state: string): Promise<number | undefined> {
  try {
    return (await stat(recordFile(state))).uid;
  } catch {
    // There is no record, or the folder may not be entered.
  }
  try {
    const { uid, mode } = await stat(state);
    return uid === 0 && (mode & 0o022) !== 0 ? undefined : uid;
  } catch {
    return undefined;
  }
}

/** The error for a folder of another user. `config` is the jobs.yml that the command uses, if any. */
export function belongsToOther(
  state: string,
  owner: number,
  environment: Environment,
  config: string | undefined,
): FerryError {
  const user = accountOf(owner)?.name ?? `#${owner}`;
  const own = accountOf(environment.uid)?.name ?? `#${environment.uid}`;
  const line = commandAs(user, state, environment.args, config);
  return new FerryError(
    'config',
    `the state folder ${escapeText(state)} belongs to user ${escapeText(user)}; that user could not use what ${escapeText(own)} writes there`,
    { code: 'OTHER_USER', hint: `run it as that user: ${line}` },
  );
}

/** The command line that runs a command as another user, with the same jobs.yml and state folder. Pure. */
function commandAs(
  user: string,
  state: string,
  args: readonly string[],
  config: string | undefined,
): string {
  const named = args.some((arg) => /^(?:-c|--config)(?:=|$)/.test(arg));
  const file = config === undefined || named ? [] : ['-c', config];
  const words = ['sudo', '-u', user, '-H', 'env', `FERRYLINE_STATE_DIR=${state}`, 'ferryline'];
  return [...words, ...file, ...args].map(quoted).join(' ');
}

/** A word for a shell. */
export function quoted(word: string): string {
  return /^[\w./~+:=@%,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
