/** Opens one side of a job: finds its root, resolves it once, and says what stands there. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { parentOf } from '../core/entry.js';
import { FerryError } from '../core/errors.js';
import type { Remote } from '../core/remote.js';
import { escapeText } from '../core/text.js';
import type { Endpoint } from './endpoint.js';
import { openLocal } from './local/local.js';
import type { SessionPool } from './sftp/pool.js';
import type { Session } from './sftp/session.js';
import { openSftp, readFolder } from './sftp/sftp.js';

/** Where a side is, as a job names it. */
export interface Place {
  readonly remote: Remote | undefined;
  /** Local: absolute. Remote: relative to the remote's root or the login folder, or absolute. */
  readonly path: string;
  readonly label: string;
}

export interface Side {
  readonly endpoint: Endpoint;
  /** With a source that is one file: its name; the endpoint's root is then its folder. */
  readonly only: string | undefined;
  /** Makes the missing folders of a destination's root, but no remote's `root` and no local parent. */
  makeRoot(signal: AbortSignal): Promise<void>;
  /** The same side with another absolute root. */
  elsewhere(root: string, label: string): Endpoint;
}

const config = (message: string, hint: string) => new FerryError('config', message, { hint });

/**
 * Opens the source (`from`) or destination (`to`) of a job. A root that isn't there is no error here:
 * the guard and the plan know what it means. With `ahead` it begins to be listed at once: all of a
 * local side, a remote one's root. A folder's first `list` may then be as old as this call.
 */
export function openSide(
  place: Place,
  role: 'from' | 'to',
  pool: SessionPool,
  signal: AbortSignal,
  ahead = false,
): Promise<Side> {
  return place.remote === undefined
    ? openLocalSide(place, role, ahead)
    : openRemoteSide(place, place.remote, role, pool, signal, ahead);
}

async function openLocalSide(place: Place, role: 'from' | 'to', ahead: boolean): Promise<Side> {
  const elsewhere = (root: string, label: string) => openLocal(root, label).endpoint;
  const there = await fs.stat(place.path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw new FerryError('io', `${place.label} can't be looked at (${error.code})`, {
      hint: 'check the permissions of the folders above it',
      cause: error,
    });
  });
  if (there === undefined) {
    if (role === 'from')
      return {
        endpoint: openLocal(place.path, place.label).endpoint,
        only: undefined,
        makeRoot: async () => {},
        elsewhere,
      };
    const parent = await fs.realpath(path.dirname(place.path)).catch(() => {
      throw config(
        `the folder ${escapeText(path.dirname(place.path))}, where ${escapeText(place.label)} would be made, does not exist`,
        'make it, or mount what should be there',
      );
    });
    const root = path.join(parent, path.basename(place.path));
    return {
      endpoint: openLocal(root, place.label).endpoint,
      only: undefined,
      makeRoot: async () => {
        await fs.mkdir(root, { recursive: true });
      },
      elsewhere,
    };
  }
  const real = await fs.realpath(place.path);
  if (!there.isDirectory() && role === 'to') throw noFolder(place);
  const root = there.isDirectory() ? real : path.dirname(real);
  const caseSensitive = await localCaseSensitive(root);
  const { endpoint, listAhead } = openLocal(root, place.label, caseSensitive);
  if (ahead && there.isDirectory()) listAhead();
  return {
    endpoint,
    only: there.isDirectory() ? undefined : path.basename(real),
    makeRoot: async () => {},
    elsewhere,
  };
}

/** A name with the case of its letters turned; undefined where it has none. */
function turned(name: string): string | undefined {
  const upper = name.toUpperCase();
  const other = upper === name ? name.toLowerCase() : upper;
  return other === name ? undefined : other;
}

async function localCaseSensitive(root: string): Promise<boolean> {
  const other = turned(path.basename(root));
  if (other === undefined) return true;
  const [own, same] = await Promise.all([
    fs.stat(root),
    fs.stat(path.join(path.dirname(root), other)).catch(() => undefined),
  ]);
  return same === undefined || same.ino !== own.ino || same.dev !== own.dev;
}

async function openRemoteSide(
  place: Place,
  remote: Remote,
  role: 'from' | 'to',
  pool: SessionPool,
  signal: AbortSignal,
  ahead: boolean,
): Promise<Side> {
  for (let attempt = 0; ; attempt++) {
    const session = await pool.session(remote, signal);
    try {
      return await resolveRemote(place, remote, role, pool, session, signal, ahead);
    } catch (error) {
      const lost = error instanceof FerryError && error.kind === 'network';
      if (!lost || attempt >= 2 || signal.aborted) throw error;
    }
  }
}

async function resolveRemote(
  place: Place,
  remote: Remote,
  role: 'from' | 'to',
  pool: SessionPool,
  session: Session,
  signal: AbortSignal,
  ahead: boolean,
): Promise<Side> {
  const channel = session.channel();
  const kindOf = async (at: string) => {
    try {
      return (await channel.stat(at, signal)).kind ?? 'folder';
    } catch (error) {
      if (error instanceof FerryError && error.code === 'ENOENT') return undefined;
      throw error;
    }
  };
  /** What stands beside a path under its name with the case turned, if it has such a name. */
  const twinOf = async (at: string) => {
    const other = turned(path.posix.basename(at));
    return other && kindOf(path.posix.join(path.posix.dirname(at), other)).catch(() => undefined);
  };
  const base = await orAborted(session.base, signal).catch((error) => {
    throw error instanceof FerryError && error.kind === 'io' ? noRoot(remote) : error;
  });
  const wanted = path.posix.resolve(base, place.path);
  // all of these go out together; what turns out not to be needed is not looked at
  const rootKind = remote.root === undefined ? 'folder' : kindOf(base);
  const standing = kindOf(wanted);
  const resolving = channel.realpath(wanted, signal);
  const looking = role === 'from' ? undefined : twinOf(wanted);
  const listing = ahead ? readFolder(channel, session.handles, wanted, 4, signal) : undefined;
  for (const answer of [standing, resolving, looking, listing]) answer?.catch(() => {});
  if ((await rootKind) !== 'folder') throw noRoot(remote);
  const kind = await standing;
  const real = kind === undefined ? wanted : await resolving;
  if (!real.startsWith('/'))
    throw new FerryError(
      'hostile-peer',
      `${place.label}: REALPATH answered "${escapeText(real)}"`,
      { hint: 'an absolute path was expected; check the server' },
    );
  const isFile = kind !== undefined && kind !== 'folder';
  if (isFile && role === 'to') throw noFolder(place);
  const root = isFile ? path.posix.dirname(real) : real;
  const features = await orAborted(session.features, signal);
  const open = (at: string, label: string, sensitive: boolean, listed?: typeof listing) =>
    openSftp(pool, remote, features, at, label, sensitive, listed);

  /** A twin of the root's name in the other case that its folder doesn't list is the root itself. */
  const isSensitive = async (): Promise<boolean> => {
    const twin = await (root === wanted ? looking : twinOf(root));
    if (twin === undefined) return true;
    const names = await open(path.posix.dirname(root), place.label, true)
      .list('', signal)
      .catch(() => []);
    const other = turned(path.posix.basename(root));
    return names.some(({ name }) => name === other);
  };
  const sensitive = role === 'from' || kind === undefined || (await isSensitive());
  const elsewhere = (at: string, label: string) => open(at, label, sensitive);

  return {
    endpoint: open(root, place.label, sensitive, isFile ? undefined : listing),
    only: isFile ? path.posix.basename(real) : undefined,
    elsewhere,
    makeRoot: async (abort) => {
      if (kind === 'folder') return;
      const whole = elsewhere('/', place.label);
      /** From below, since mostly one is missing; parents may be there without being visible. */
      const make = async (at: string, again = true): Promise<void> => {
        if (at === base.slice(1)) return;
        try {
          await whole.mkdir(at, 0o777, abort);
        } catch (error) {
          const code = error instanceof FerryError ? error.code : undefined;
          if (code === 'EEXIST') return;
          const above = parentOf(at);
          if (!again || above === '' || above === base.slice(1)) throw error;
          // one that is there by now was made by another run in this moment
          if ((await whole.stat(above, abort)) === undefined) await make(above);
          else if (code !== 'ENOENT') throw error;
          await make(at, false);
        }
      };
      await make(root.slice(1));
    },
  };
}

/** What a session learns for all who share it; whoever gives up waiting leaves it to the others. */
function orAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
    if (signal.aborted) abort();
  });
}

function noFolder(place: Place): FerryError {
  return config(
    `${escapeText(place.label)} is a file, not a folder`,
    'FROM goes into the folder TO; name a folder',
  );
}

function noRoot(remote: Remote): FerryError {
  return config(
    `the root ${escapeText(remote.root ?? '')} of remote ${remote.name} does not exist on ${escapeText(remote.host)}`,
    'make it there, or mount what should be there; ferryline never makes a root',
  );
}
