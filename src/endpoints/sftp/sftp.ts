/**
 * An Endpoint on a remote: turns relative paths into the server's, sends requests over the channel
 * with the least to do, and repeats what can safely be repeated once a lost session is back.
 */
import { FerryError } from '../../core/errors.js';
import type { Remote } from '../../core/remote.js';
import { confine } from '../confine.js';
import type { Endpoint } from '../endpoint.js';
import { createBareFailure } from './bare-failure.js';
import { capabilitiesOf } from './capabilities.js';
import { isTyped, type RawEntry } from './client/wire.js';
import { hardLink, noHardLinks } from './hard-link.js';
import { checkDepth, firstReaddirs, readFolder, withKinds } from './list-folder.js';
import { createFiles, reopen } from './open-file.js';
import type { SessionPool } from './pool.js';
import { createRepeat, ignoreIfGone, isLost, withPath } from './repeat.js';
import type { Features } from './session.js';
import { statEntry } from './stat.js';

export interface SftpRoot {
  /** Has had a session of this remote already. */
  readonly pool: SessionPool;
  readonly remote: Remote;
  readonly features: Features;
  /** Absolute on the server. */
  readonly root: string;
  readonly label: string;
  /** The root's first listing, if it has begun already. */
  readonly listed?: Promise<RawEntry[]> | undefined;
}

export function openSftp(place: SftpRoot): Endpoint {
  const { pool, remote, features, root, label } = place;
  const can = capabilitiesOf(pool, remote, features);
  const full = (path: string) => confine(root, path);
  const quirks = pool.quirks(remote);
  const repeat = createRepeat(pool, remote);
  const takeListed = takenOnce(place.listed);
  const failure = createBareFailure(root, features);
  const files = createFiles({
    root,
    ordered: features.ordered,
    failure,
    rules: {
      can,
      quirks,
      full,
      whyFailed: async (channel, signal) =>
        (await failure.isFull(channel, signal)) ? 'ENOSPC' : undefined,
      others: (channel) => {
        const others = pool.live(remote)?.others(channel) ?? [];
        return can.offsetWrites ? others : [];
      },
      reopen,
    },
  });

  return {
    label,
    root,
    can,

    list: async (folder, signal) => {
      checkDepth(folder);
      const already = folder === '' ? await takeListed() : undefined;
      return repeat(folder, signal, async (channel, handles) => {
        const at = full(folder);
        const listing = { channel, handles, quirks, signal };
        const listed = already ?? (await readFolder(listing, at, firstReaddirs(can.roundTrip)));
        return listed.every(isTyped) ? listed : withKinds(listing, at, listed);
      });
    },

    stat: (path, signal) =>
      repeat(path, signal, (channel, handles) => statEntry(channel, handles, full(path), signal)),

    // creating is not repeated: copying then begins the whole file again, under a new name
    open: (path, mode, permissions, signal, beside) =>
      repeat(
        path,
        signal,
        (channel, handles) => files.open(channel, handles, path, mode, permissions, signal, beside),
        mode === 'create' ? 0 : undefined,
      ),

    readWhole: (path, target, signal) =>
      repeat(path, signal, (channel, handles) =>
        files.readWhole(channel, handles, path, target, signal),
      ),

    mkdir: (path, permissions, signal) =>
      repeat(path, signal, async (channel, handles, attempt) => {
        const at = full(path);
        try {
          await channel.mkdir(at, { mode: permissions }, signal);
        } catch (error) {
          if (attempt > 0 && (await statEntry(channel, handles, at, signal))?.kind === 'folder')
            return;
          throw await failure.explain(error, channel, handles, path, signal);
        }
      }),

    rename: (from, to, replace, signal, isOurs) =>
      repeat(to, signal, (channel, handles, attempt) => {
        const source = full(from);
        const target = full(to);
        const give = () =>
          replace && can.atomicReplace
            ? channel.posixRename(source, target, signal).catch(async (error) => {
                if (!mayBeRefused(error)) throw error;
                // a server that only refuses the extension renames all the same where nothing is in the way
                const plain = await channel
                  .rename(source, target, signal)
                  .catch((e: unknown) => ({ e }));
                if (plain !== undefined)
                  throw isLost(plain.e) || isLacking(error) ? plain.e : error;
                quirks.saw('posixRename');
              })
            : channel.rename(source, target, signal).catch(async (error) => {
                throw await failure.explain(error, channel, handles, to, signal);
              });
        if (attempt === 0) return give();
        // after a lost reply the two names show whether the rename was done
        const isDone = async () => {
          const left = await statEntry(channel, handles, source, signal);
          const isLeft = left !== undefined && (isOurs === undefined || (await isOurs(left)));
          const there = isLeft ? undefined : await statEntry(channel, handles, target, signal);
          if (there !== undefined && (isOurs === undefined || (await isOurs(there)))) return true;
          if (there !== undefined && left === undefined) throw unsettled(to);
          return false;
        };
        return isDone().then((done) => (done ? undefined : give()));
      }),

    link: (from, to, signal) =>
      repeat(to, signal, async (channel, handles) => {
        const link = { from, to, full, failure };
        if (features.hardLinks) return hardLink(link, channel, handles, signal);
        full(from);
        full(to);
        throw noHardLinks(to);
      }),

    setStat: (path, attributes, signal) =>
      repeat(path, signal, (channel) => channel.setstat(full(path), attributes, signal)),

    remove: (path, signal, isIt) =>
      repeat(path, signal, async (channel, handles, attempt) => {
        const at = full(path);
        // after a lost reply another file may have the name
        if (attempt > 0 && isIt !== undefined) {
          const there = await statEntry(channel, handles, at, signal);
          if (there === undefined) return;
          if (!isIt(there)) throw replaced(path);
        }
        await channel.remove(at, signal).catch(ignoreIfGone(attempt));
      }),

    rmdir: (path, signal) =>
      repeat(path, signal, (channel, _handles, attempt) =>
        channel.rmdir(full(path), signal).catch(ignoreIfGone(attempt)),
      ),

    readlink: (path, signal) =>
      repeat(path, signal, (channel) => channel.readlink(full(path), signal)),

    symlink: (target, path, signal) =>
      repeat(path, signal, async (channel, handles, attempt) => {
        const at = full(path);
        try {
          await channel.symlink(target, at, signal);
        } catch (error) {
          if (attempt > 0 && (await statEntry(channel, handles, at, signal))?.kind === 'link')
            return;
          throw await failure.explain(error, channel, handles, path, signal);
        }
      }),

    // the session belongs to the pool, which keeps it open
    close: async () => {},
  };
}

/** The error for a rename whose reply was lost, after which neither name has the file. */
function unsettled(path: string): FerryError {
  return new FerryError(
    'io',
    'the connection was lost at the rename; now the file is gone, and its final name has another one',
    { path, hint: 'it may have been taken from there; the next run compares both sides again' },
  );
}

/** The error for a removal whose reply was lost, after which another file has the name. */
function replaced(path: string): FerryError {
  return new FerryError(
    'changed',
    'the connection was lost at the removal, and now another file has the name; it was left as it is',
    { path, code: 'EEXIST', hint: 'the next run looks at both sides again' },
  );
}

/** Returns the listing on the first call only; undefined if its session was lost before it was complete. */
function takenOnce(listed: Promise<RawEntry[]> | undefined): () => Promise<RawEntry[] | undefined> {
  let left = listed;
  return async () => {
    const listing = left;
    left = undefined;
    return listing?.catch((error) => {
      if (isLost(error)) return undefined;
      throw withPath(error, '');
    });
  };
}

/** Codes of refusals that say nothing of the extension itself. */
const ownReasons: ReadonlySet<string | undefined> = new Set([
  ...['ENOENT', 'ENOTDIR', 'EISDIR', 'ENOSPC', 'EDQUOT', 'EROFS'],
]);

/** Whether the server says that it does not know a request. */
function isLacking(error: FerryError): boolean {
  return error.code === 'ENOTSUP';
}

/** Whether the server may have refused posix-rename as such, or because the name exists. */
function mayBeRefused(error: unknown): error is FerryError {
  return error instanceof FerryError && error.kind === 'io' && !ownReasons.has(error.code);
}
