/** Opens a side of a job on a remote, in as few round trips as the server allows. */
import { posix } from 'node:path';
import { unlessAborted } from '../core/abort.js';
import { type Kind, parentOf } from '../core/entry.js';
import { FerryError } from '../core/errors.js';
import type { Location } from '../core/job.js';
import type { Remote } from '../core/remote.js';
import { escapeText } from '../core/text.js';
import type { Endpoint } from './endpoint.js';
import {
  baseOf,
  checkBase,
  kindOf,
  leadsOut,
  liesIn,
  notMade,
  resolved,
  resolveMissing,
  unreachable,
} from './remote-root.js';
import type { RawEntry } from './sftp/client/wire.js';
import { readdirsAhead, readFolder } from './sftp/list-folder.js';
import type { SessionPool } from './sftp/pool.js';
import { isLost } from './sftp/repeat.js';
import type { Session } from './sftp/session.js';
import { openSftp } from './sftp/sftp.js';
import { folderLabel, notAFolder, type Side, type SideRole } from './side.js';

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
  const { root } = opening.remote;
  for (let attempt = 0; ; attempt++) {
    let asked: Asked | undefined;
    const askEarly = (early: Session) => {
      asked = ask(opening, early, posix.resolve(root ?? ''), signal);
    };
    const early = root?.startsWith('/') && attempt === 0 ? askEarly : undefined;
    const session = await opening.pool.session(opening.remote, signal, early);
    try {
      return await resolveSide(opening, session, asked, signal);
    } catch (error) {
      if (!isLost(error) || attempt >= mostNewSessions || signal.aborted) throw error;
    }
  }
}

/** What is asked of a side's path together, before anything is known of it. */
interface Asked {
  readonly baseKind: Promise<Kind | undefined> | undefined;
  readonly kind: Promise<Kind | undefined>;
  /** Whether nothing is at the path, not even a link. */
  readonly isMissing: Promise<boolean>;
  readonly resolving: Promise<string>;
  readonly listing: Promise<RawEntry[]> | undefined;
}

/** Sends these requests together; answers that turn out not to be needed are ignored. `base` may have links in it. */
function ask(
  { location, remote, pool, ahead }: RemoteOpening,
  session: Session,
  base: string,
  signal: AbortSignal,
): Asked {
  const channel = session.channel();
  const wanted = posix.resolve(base, location.path);
  const folder = { channel, handles: session.handles, quirks: pool.quirks(remote), signal };
  const asked: Asked = {
    baseKind: remote.root === undefined ? undefined : kindOf(channel, base, signal),
    kind: kindOf(channel, wanted, signal),
    isMissing: channel.lstat(wanted, signal).then(
      () => false,
      (error) => error instanceof FerryError && error.code === 'ENOENT',
    ),
    resolving: channel.realpath(wanted, signal),
    listing: ahead ? readFolder(folder, wanted, readdirsAhead) : undefined,
  };
  for (const answer of Object.values(asked)) answer?.catch(() => {});
  return asked;
}

async function resolveSide(
  opening: RemoteOpening,
  session: Session,
  early: Asked | undefined,
  signal: AbortSignal,
): Promise<Side> {
  const { location, remote, role, pool } = opening;
  const channel = session.channel();
  const base = await baseOf(session, remote, signal);
  const wanted = posix.resolve(base, location.path);
  const asked = early ?? ask(opening, session, base, signal);
  const { resolving, listing } = asked;
  await checkBase(remote, asked.baseKind);
  const kind = await asked.kind.catch((error) => {
    throw unreachable(location, remote, error);
  });
  const found =
    kind === undefined
      ? await resolveMissing(channel, base, wanted, resolving, signal)
      : await resolved(wanted, resolving, location);
  const real = found.path;
  if (remote.root !== undefined && !liesIn(base, real)) throw leadsOut(location, remote, real);
  const isFile = kind === undefined ? role === 'file' : kind !== 'folder';
  if (isFile && role === 'to') throw notAFolder(location);
  const root = isFile ? posix.dirname(real) : real;
  const only = isFile ? posix.basename(real) : undefined;
  const label =
    only !== undefined && role === 'file' ? folderLabel(location, only) : location.label;
  const features = await unlessAborted(session.features, signal);
  const isMissing = kind === undefined && only === undefined && (await asked.isMissing);
  const open = (at: string, label: string, listed?: Promise<RawEntry[]>) =>
    openSftp({ pool, remote, features, root: at, label, listed });
  return {
    endpoint: open(root, label, isFile || isMissing ? undefined : listing),
    only,
    isConfined: found.isSure,
    isMissing,
    elsewhere: (at, label) => open(at, label),
    reach: undefined,
    lost: async (abort) => {
      const now = await open('/', location.label).stat(root.slice(1), abort);
      if (now === undefined) return 'is gone';
      return now.kind === 'folder' ? undefined : 'is no folder any more';
    },
    moveTo: ({ endpoint }, from, to, ...rest) =>
      open('/', location.label).rename(below(root, from), below(endpoint.root, to), false, ...rest),
    makeRoot: async (abort) => {
      if (kind !== undefined) return;
      const whole = open('/', location.label);
      if (only !== undefined && (await isFolder(whole, root, location, abort))) return;
      await makeFolders(whole, root.slice(1), base.slice(1), abort).catch((error) => {
        throw notMade(location, remote, error);
      });
    },
  };
}

/** Whether the folder of a file that will be made exists. Errors: `config` for a file in its place. */
async function isFolder(
  whole: Endpoint,
  root: string,
  { label }: Location,
  signal: AbortSignal,
): Promise<boolean> {
  const there = await whole.stat(root.slice(1), signal);
  if (there === undefined) return false;
  if (there.kind === 'folder' || there.kind === 'link') return true;
  throw new FerryError(
    'config',
    `${escapeText(label)} can't be created: ${escapeText(root)} on the server is a file, not a folder`,
    { hint: 'name a place in a folder, or a folder that ends in a slash' },
  );
}

/** The path below `/` of what is below a root. */
function below(root: string, path: string): string {
  return posix.join(root, path).slice(1);
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
