/** Reads private key files and checks their permissions. Which key a server is offered is decided in login-methods.ts. */
import type { Stats } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { ParsedKey } from 'ssh2';
import { FerryError } from '../../core/errors.js';
import { present } from '../../core/present.js';
import { escapeText } from '../../core/text.js';
import { isLockedPkcs8, readPkcs8, unreadFormat } from './key-formats.js';

/** Loaded from ssh2's key parser alone; the rest of ssh2 is loaded while the server answers (log-in.ts). */
const { parseKey } = createRequire(import.meta.url)(
  'ssh2/lib/protocol/keyParser.js',
) as typeof import('ssh2').utils;

export interface PrivateKey {
  readonly path: string;
  readonly key: ParsedKey;
}

export interface KeyRules {
  /** Key files, in the order in which they are tried. */
  readonly keys: readonly string[];
  /** Whether a key that can't be used is skipped with a note instead of an error. */
  readonly keysOptional: boolean;
  readonly passphrase?: string;
}

const lockedCode = 'ELOCKED';
const wrongCode = 'EPASSPHRASE';

/** A larger file is refused unread: no private key is that large. */
const largestKeyBytes = 64 * 1024;

/**
 * Refuses a private key that its group or others can use, with a `config` error (exit 2) that says
 * how to change that. Like OpenSSH's sshkey_perm_ok it checks only files of the user who runs
 * ferryline: a mounted secret of another owner has its own rules.
 */
export function checkKeyFile(
  path: string,
  stat: Pick<Stats, 'mode' | 'uid'>,
  user = process.getuid?.(),
): void {
  if (stat.uid !== user || (stat.mode & 0o077) === 0) return;
  const mode = (stat.mode & 0o777).toString(8).padStart(4, '0');
  throw new FerryError(
    'config',
    `the private key ${escapeText(path)} can be used by others (mode ${mode})`,
    { hint: `chmod 600 ${escapeText(path)}` },
  );
}

/**
 * Reads the keys. A file that is missing, unreadable, open to others or no private key is a `config`
 * error; an encrypted one without its passphrase, or with a wrong one, an `auth` error. With
 * `keysOptional` such keys are skipped, and `note` gets a sentence for each that is not just missing.
 */
export async function readKeys(
  rules: KeyRules,
  note: (sentence: string, error: FerryError, path: string) => void = () => {},
): Promise<PrivateKey[]> {
  const read: PrivateKey[] = [];
  for (const path of rules.keys) {
    try {
      read.push(await readKey(path, rules.passphrase));
    } catch (thrown) {
      if (!(rules.keysOptional && thrown instanceof FerryError)) throw thrown;
      if (thrown.code !== 'ENOENT') note(`${thrown.message}; it is skipped`, thrown, path);
    }
  }
  return read;
}

/** Reads one key; errors as above. */
export async function readKey(path: string, passphrase: string | undefined): Promise<PrivateKey> {
  return { path, key: parse(path, await contents(path), passphrase) };
}

/** Whether an error is that a key needs its passphrase, which was not given. */
export function isLockedKey(thrown: unknown): boolean {
  return thrown instanceof FerryError && thrown.code === lockedCode;
}

/** Whether an error is that the passphrase given for a key is not its own. */
export function isWrongPassphrase(thrown: unknown): boolean {
  return thrown instanceof FerryError && thrown.code === wrongCode;
}

async function contents(path: string): Promise<Buffer> {
  try {
    const file = await open(path, 'r');
    try {
      const stat = await file.stat();
      if (stat.isDirectory())
        throw otherPath(
          path,
          'a folder',
          `name the file in it, such as ${join(path, 'id_ed25519')}`,
        );
      if (!stat.isFile()) throw notAKey(path, 'it is not a plain file');
      if (isPublicName(path))
        throw otherPath(
          path,
          'a public key',
          `name the private half, ${path.slice(0, -'.pub'.length)}`,
        );
      if (stat.size > largestKeyBytes) throw notAKey(path, 'it is too large');
      checkKeyFile(path, stat);
      return await file.readFile();
    } finally {
      await file.close();
    }
  } catch (thrown) {
    if (thrown instanceof FerryError) throw thrown;
    const { code } = thrown as NodeJS.ErrnoException;
    const why =
      code === 'ENOENT' ? 'there is no such file' : code === 'EACCES' ? 'permission denied' : code;
    throw new FerryError('config', `the private key ${escapeText(path)} can't be read: ${why}`, {
      ...present({ code }),
      cause: thrown,
      hint: 'check the path, and that the user who runs ferryline may read it',
    });
  }
}

/** What ssh2's `parseKey` returns; its published type omits the list that some formats return. */
type Parsed = ParsedKey | ParsedKey[] | Error;

function parse(path: string, data: Buffer, passphrase: string | undefined): ParsedKey {
  const pkcs8 = readPkcs8(data, passphrase);
  if (pkcs8 !== undefined && 'trouble' in pkcs8) {
    if (pkcs8.trouble === 'locked') throw needsPassphrase(path);
    if (pkcs8.trouble === 'wrong-passphrase') throw wrongPassphrase(path);
    throw notAKey(path, pkcs8.why ?? '');
  }
  const unread = unreadFormat(data, shellWord(path));
  // of PuTTY's formats ssh2 reads one
  if (unread !== undefined && !data.toString('latin1', 0, 21).startsWith('PuTTY'))
    throw unconverted(path, unread);
  const text = pkcs8 === undefined ? data : Buffer.from(pkcs8.text);
  let parsed = parseWith(text);
  if (parsed instanceof Error && isLocked(parsed)) {
    if (passphrase === undefined || passphrase === '') throw needsPassphrase(path);
    parsed = parseWith(text, passphrase);
    if (parsed instanceof Error) throw wrongPassphrase(path);
  }
  if (parsed instanceof Error)
    throw unread === undefined ? notAKey(path, parsed.message) : unconverted(path, unread);
  const key = Array.isArray(parsed) ? parsed[0] : parsed;
  if (key === undefined) throw notAKey(path, 'it is empty');
  if (!key.isPrivateKey()) throw notAKey(path, 'it holds a public key only');
  return key;
}

/** ssh2 throws for some keys that are cut or have been changed. */
function parseWith(data: Buffer, passphrase?: string): Parsed {
  try {
    return parseKey(data, passphrase) as Parsed;
  } catch (thrown) {
    return thrown instanceof Error ? thrown : new Error('it is damaged');
  }
}

/**
 * The public keys, in SSH's wire format, that key files name: the files themselves, or the `.pub`
 * beside them. Those that can't be read are left out.
 */
export async function publicKeysOf(paths: readonly string[]): Promise<Buffer[]> {
  const found: Buffer[] = [];
  for (const path of paths.flatMap((one) => [`${one}.pub`, one])) {
    const text = await readFile(path).catch(() => undefined);
    if (text === undefined || text.length > largestKeyBytes) continue;
    const parsed = parseWith(text);
    const key = Array.isArray(parsed) ? parsed[0] : parsed;
    if (key !== undefined && !(key instanceof Error)) found.push(key.getPublicSSH());
  }
  return found;
}

function needsPassphrase(path: string): FerryError {
  return new FerryError('auth', `the private key ${escapeText(path)} needs its passphrase`, {
    code: lockedCode,
    hint: 'add it to the agent with ssh-add, or set `passphrase` next to `key` in jobs.yml',
  });
}

function wrongPassphrase(path: string): FerryError {
  return new FerryError(
    'auth',
    `the passphrase given for the private key ${escapeText(path)} does not open it`,
    {
      code: wrongCode,
      hint: `ssh-keygen -y -f ${shellWord(path)} shows whether a passphrase is right`,
    },
  );
}

function unconverted(
  path: string,
  { why, command }: { readonly why: string; readonly command: string },
): FerryError {
  return new FerryError(
    'config',
    `the private key ${escapeText(path)} can't be used as it is: ${escapeText(why)}`,
    {
      hint: `convert it with \`${command}\`${command.startsWith('puttygen') ? ', and name the new file' : ''}`,
    },
  );
}

/** A path as a shell takes it. */
function shellWord(path: string): string {
  const shown = escapeText(path);
  return /^[\w@%+=:,./~-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", "'\\''")}'`;
}

/** Whether `parseKey` failed because a passphrase is missing. ssh2 has no code for it; the message of every key format ends in "no passphrase given". */
function isLocked(error: Error): boolean {
  return error.message.includes('no passphrase given');
}

/** Whether a key file can only be used with its passphrase, or holds the public half alone. */
export function isOnlyForAgent(data: Buffer): boolean {
  if (isLockedPkcs8(data)) return true;
  const parsed = parseWith(data);
  if (parsed instanceof Error) return isLocked(parsed);
  return (Array.isArray(parsed) ? parsed[0] : parsed)?.isPrivateKey() === false;
}

/** Whether a file is by its name the public half of a key. */
function isPublicName(path: string): boolean {
  return path.endsWith('.pub');
}

/** The error for a path that is no private key, but leads to one. */
function otherPath(path: string, what: string, hint: string): FerryError {
  return new FerryError('config', `the private key ${escapeText(path)} is ${what}`, {
    hint: escapeText(hint),
  });
}

function notAKey(path: string, why: string): FerryError {
  return new FerryError(
    'config',
    `${escapeText(path)} is not a usable private key: ${escapeText(why)}`,
    { hint: `ssh-keygen -p -f ${shellWord(path)} rewrites a key in OpenSSH's own format` },
  );
}
