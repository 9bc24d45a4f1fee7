/**
 * Finds out what is at a side's path on a server, also where it lacks STAT or REALPATH, and says which
 * remote and which path it is where that fails.
 */
import { posix } from 'node:path';
import { unlessAborted } from '../core/abort.js';
import type { Kind } from '../core/entry.js';
import { FerryError } from '../core/errors.js';
import type { Location } from '../core/job.js';
import type { Remote } from '../core/remote.js';
import { escapeText } from '../core/text.js';
import type { SftpChannel } from './sftp/client/channel.js';
import type { Session } from './sftp/session.js';

const mayEnter =
  'check there that it exists, and that this user may enter it and each folder above it';

/** The remote's root, or the login folder if it has none, as an absolute path. Errors: `config` if it is missing or can't be found out, `io` if the user may not enter it. */
export async function baseOf(
  session: Session,
  remote: Remote,
  signal: AbortSignal,
): Promise<string> {
  const { root } = remote;
  try {
    return await unlessAborted(session.base, signal);
  } catch (error) {
    if (codeOf(error) !== 'ENOTSUP') throw rootError(remote, error);
    // without REALPATH an absolute root is taken as it is written
    if (root?.startsWith('/')) return posix.resolve(root);
    throw new FerryError(
      'config',
      `the server of remote ${remote.name} does not support REALPATH, so its login folder can't be found`,
      { hint: 'give the remote a `root` that is an absolute path on the server', cause: error },
    );
  }
}

/** Throws unless the remote's root is a folder. */
export async function checkBase(
  remote: Remote,
  kind: Promise<Kind | undefined> | undefined,
): Promise<void> {
  if (kind === undefined) return;
  const found = await kind.catch((error) => {
    throw rootError(remote, error);
  });
  if (found === 'folder') return;
  throw found === undefined
    ? noRoot(remote)
    : new FerryError('config', `${rootOf(remote)} is a file, not a folder`, {
        hint: 'the `root` of a remote is the folder below which its jobs work; name a folder',
      });
}

/** A side's path, and whether REALPATH has followed the links in it. */
interface Resolved {
  readonly path: string;
  readonly isSure: boolean;
}

/** The canonical path of a side; as it is written, where the server has no REALPATH. Errors: `hostile-peer` if it is not absolute. */
export async function resolved(
  wanted: string,
  resolving: Promise<string>,
  { label }: Location,
): Promise<Resolved> {
  const real = await resolving.catch((error) => {
    if (codeOf(error) === 'ENOTSUP') return undefined;
    throw error;
  });
  if (real === undefined) return { path: wanted, isSure: false };
  if (real.startsWith('/')) return { path: real, isSure: true };
  throw new FerryError(
    'hostile-peer',
    `${label}: the server resolved it to "${escapeText(real)}"`,
    { hint: 'REALPATH must answer with an absolute path; check the server' },
  );
}

/**
 * The same for a path at which nothing is yet: the nearest folder above it that exists is resolved, no
 * further up than `base`. It costs one round trip, and none right below `base`.
 */
export async function resolveMissing(
  channel: SftpChannel,
  base: string,
  wanted: string,
  resolving: Promise<string>,
  signal: AbortSignal,
): Promise<Resolved> {
  // a link may lead to where nothing is yet
  const told = await resolving.catch((error) => (codeOf(error) === 'ENOTSUP' ? undefined : ''));
  if (told?.startsWith('/') && !liesIn(base, told)) return { path: told, isSure: true };
  const above: string[] = [];
  for (let at = posix.dirname(wanted); at !== base && at !== '/'; at = posix.dirname(at))
    above.push(at);
  const found = await Promise.all(above.map((at) => resolveFolder(channel, at, signal)));
  const nearest = found.findIndex((one) => one !== undefined);
  const { path, isSure } = found[nearest] ?? { path: base, isSure: told !== undefined };
  return { path: posix.join(path, posix.relative(above[nearest] ?? base, wanted)), isSure };
}

/** Where a folder really is; undefined if nothing is there. */
async function resolveFolder(
  channel: SftpChannel,
  at: string,
  signal: AbortSignal,
): Promise<Resolved | undefined> {
  const resolving = channel.realpath(at, signal);
  resolving.catch(() => {});
  try {
    if ((await kindOf(channel, at, signal)) === undefined) return undefined;
    return { path: await resolving, isSure: true };
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    return { path: at, isSure: false };
  }
}

/** Whether a canonical path is `base` or below it. */
export function liesIn(base: string, path: string): boolean {
  return path === base || path.startsWith(base.endsWith('/') ? base : `${base}/`);
}

/** The error for a side that a link leads out of its remote's root. */
export function leadsOut({ label }: Location, { name, host }: Remote, real: string): FerryError {
  return new FerryError(
    'refused',
    `${escapeText(label)} leads out of the root of remote ${name}: on ${escapeText(host)} a link in it leads to ${escapeText(real)}`,
    {
      hint: 'nothing was read or changed; check who made that link, or set `root` to a folder that holds both',
    },
  );
}

/** The kind of what a path leads to, links followed; a folder if the server sends no type, undefined if nothing is there. */
export async function kindOf(
  channel: SftpChannel,
  at: string,
  signal: AbortSignal,
): Promise<Kind | undefined> {
  try {
    return (await channel.stat(at, signal)).kind ?? 'folder';
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    if (codeOf(error) === 'ENOTSUP') return kindByOpening(channel, at, signal);
    throw error;
  }
}

/** The same on a server without STAT: what opens as a folder is one; of anything else LSTAT says what it is. */
async function kindByOpening(
  channel: SftpChannel,
  at: string,
  signal: AbortSignal,
): Promise<Kind | undefined> {
  try {
    await channel.closeHandle(await channel.opendir(at, signal));
    return 'folder';
  } catch (refusal) {
    if (codeOf(refusal) === undefined) throw refusal;
    try {
      const { kind } = await channel.lstat(at, signal);
      if (kind !== undefined && kind !== 'link') return kind;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
    }
    throw refusal;
  }
}

/** The error for a side that can't be looked at. */
export function unreachable({ label }: Location, { host }: Remote, error: unknown): unknown {
  const what = `${escapeText(label)} can't be looked at on ${escapeText(host)}`;
  return because(what, error, mayEnter);
}

/** The error for a side whose folder can't be made. */
export function notMade({ label }: Location, { host }: Remote, error: unknown): unknown {
  const what = `${escapeText(label)} can't be created on ${escapeText(host)}`;
  return because(
    what,
    error,
    'check there that what is above it are folders that this user may write to',
  );
}

/** The error for a root that can't be looked at. */
function rootError(remote: Remote, error: unknown): unknown {
  const code = codeOf(error);
  if (code === undefined) return error;
  if (code === 'ENOENT' || code === 'ENOTDIR') return noRoot(remote);
  const refused = code === 'EACCES' ? 'entered' : 'looked at';
  return because(`${rootOf(remote)} can't be ${refused}`, error, mayEnter);
}

/** A refusal as an error that says what it concerns; any other error as it is. */
function because(what: string, error: unknown, hint: string): unknown {
  const code = codeOf(error);
  if (code === undefined) return error;
  const { message, hint: own = hint } = error as FerryError;
  return new FerryError('io', `${what}: ${message}`, { hint: own, code, cause: error });
}

function noRoot(remote: Remote): FerryError {
  return new FerryError('config', `${rootOf(remote)} does not exist`, {
    hint: 'create it there, or mount what should be there; ferryline never creates a root',
  });
}

/** The server's refusal as a code; undefined for any other error. */
function codeOf(error: unknown): string | undefined {
  return error instanceof FerryError && error.kind === 'io' ? error.code : undefined;
}

function rootOf({ name, host, root }: Remote): string {
  const what = root === undefined ? 'the login folder' : `the root ${escapeText(root)}`;
  return `${what} of remote ${name} on ${escapeText(host)}`;
}
