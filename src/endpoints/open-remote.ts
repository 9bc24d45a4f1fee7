/** Opens a side of a job on a remote, in as few round trips as the server allows. */
import { posix } from 'node:path';
import { unlessAborted } from '../core/abort.js';
import { type Kind, parentOf } from '../core/entry.js';
import { FerryError } from '../core/errors.js';
import type { Location } from '../core/job.js';
import type { Remote } from '../core/remote.js';
import { escapeText } from '../core/text.js';
import type { Endpoint } from './endpoint.js';
import type { SftpChannel } from './sftp/client/channel.js';
import type { RawEntry } from './sftp/client/wire.js';
import { readdirsAhead, readFolder } from './sftp/list-folder.js';
import type { SessionPool } from './sftp/pool.js';
import { isLost } from './sftp/repeat.js';
import type { Session } from './sftp/session.js';
import { openSftp } from './sftp/sftp.js';
import { notAFolder, type Side, type SideRole } from './side.js';

/** After this many new sessions, the loss of another one is the caller's error. */
const mostNewSessions = 2;

export interface RemoteOpening {
  readonly location: Location;
  readonly remote: Remote;
  readonly role: SideRole;
  readonly pool: SessionPool;
  /** Whether to begin to list the root. */
  readonly ahead: boolean;
}

export async function openRemoteSide(opening: RemoteOpening, signal: AbortSignal): Promise<Side> {
  for (let attempt = 0; ; attempt++) {
    const session = await opening.pool.session(opening.remote, signal);
    try {
      return await resolveSide(opening, session, signal);
    } catch (error) {
      if (!isLost(error) || attempt >= mostNewSessions || signal.aborted) throw error;
    }
  }
}

async function resolveSide(
  { location, remote, role, pool, ahead }: RemoteOpening,
  session: Session,
  signal: AbortSignal,
): Promise<Side> {
  const channel = session.channel();
  const base = await unlessAborted(session.base, signal).catch((error) => {
    throw error instanceof FerryError && error.kind === 'io' ? noRoot(remote) : error;
  });
  const wanted = posix.resolve(base, location.path);
  // these requests are sent together; answers that turn out not to be needed are ignored
  const baseKind = remote.root === undefined ? 'folder' : kindOf(channel, base, signal);
  const wantedKind = kindOf(channel, wanted, signal);
  const resolving = channel.realpath(wanted, signal);
  const listing = ahead
    ? readFolder(
        { channel, handles: session.handles, quirks: pool.quirks(remote), signal },
        wanted,
        readdirsAhead,
      )
    : undefined;
  for (const answer of [wantedKind, resolving, listing]) answer?.catch(() => {});
  if ((await baseKind) !== 'folder') throw noRoot(remote);
  const kind = await wantedKind;
  const real = kind === undefined ? wanted : await resolving;
  if (!real.startsWith('/'))
    throw new FerryError(
      'hostile-peer',
      `${location.label}: the server resolved it to "${escapeText(real)}"`,
      { hint: 'REALPATH must answer with an absolute path; check the server' },
    );
  const isFile = kind !== undefined && kind !== 'folder';
  if (isFile && role === 'to') throw notAFolder(location);
  const root = isFile ? posix.dirname(real) : real;
  const features = await unlessAborted(session.features, signal);
  const open = (at: string, label: string, listed?: Promise<RawEntry[]>) =>
    openSftp({ pool, remote, features, root: at, label, listed });
  return {
    endpoint: open(root, location.label, isFile ? undefined : listing),
    only: isFile ? posix.basename(real) : undefined,
    elsewhere: (at, label) => open(at, label),
    makeRoot: async (abort) => {
      if (kind === 'folder') return;
      await makeFolders(open('/', location.label), root.slice(1), base.slice(1), abort);
    },
  };
}

/** The kind of what a path leads to, links followed; a folder if the server sends no type, undefined if nothing is there. */
async function kindOf(
  channel: SftpChannel,
  at: string,
  signal: AbortSignal,
): Promise<Kind | undefined> {
  try {
    return (await channel.stat(at, signal)).kind ?? 'folder';
  } catch (error) {
    if (error instanceof FerryError && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Creates a folder and its missing parents below `base`. It begins at the folder itself, since usually
 * only that one is missing, and a parent may exist without being visible.
 */
async function makeFolders(
  whole: Endpoint,
  folder: string,
  base: string,
  signal: AbortSignal,
): Promise<void> {
  const make = async (at: string, again = true): Promise<void> => {
    if (at === base) return;
    try {
      await whole.mkdir(at, 0o777, signal);
    } catch (error) {
      const code = error instanceof FerryError ? error.code : undefined;
      if (code === 'EEXIST') return;
      const above = parentOf(at);
      if (!again || above === '' || above === base) throw error;
      // a parent that exists by now was created by another run at the same time
      if ((await whole.stat(above, signal)) === undefined) await make(above);
      else if (code !== 'ENOENT') throw error;
      await make(at, false);
    }
  };
  await make(folder);
}

function noRoot(remote: Remote): FerryError {
  return new FerryError(
    'config',
    `the root ${escapeText(remote.root ?? '')} of remote ${remote.name} does not exist on ${escapeText(remote.host)}`,
    { hint: 'create it there, or mount what should be there; ferryline never creates a root' },
  );
}
