/**
 * Handles a source file once its copy is proven equal: keeps it, deletes it, or moves it to an
 * archive. Failures of other files do not matter; a file that has changed since is left alone.
 */
import { join, nameOf, parentOf, type Stat } from '../../../core/entry.js';
import { asFerryError, FerryError } from '../../../core/errors.js';
import type { Job } from '../../../core/job.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import type { Side } from '../../../endpoints/side.js';
import { doubtOf } from '../../../jobs/plan/doubt.js';
import type { CopyContext } from '../copy/copy-context.js';
import { copyFile } from '../copy/copy-file.js';
import { onlyGrew } from '../copy/unchanged.js';
import { makeFolders } from '../trash/own-folders.js';
import { isStillThere } from './still-there.js';

type Seen = Pick<Stat, 'size' | 'mtime' | 'identity'>;

/** A file dated further ahead was not dated by a clock, so that no writer's next change has the same mtime by chance. */
const datedAheadMs = 24 * 3600 * 1000;

/**
 * Handles one file, whose reading began at `readAt` (ms since the epoch). `grown`: it may grow (`live`), has
 * grown since it was copied, and stays. `held`: it stays, since a change in the second of its mtime might
 * not show; a later run compares the bytes. Rejects with ENOENT if it is gone.
 */
export type AfterAction = (
  path: string,
  from: string,
  seen: Seen,
  readAt: number,
) => Promise<'handled' | 'held' | 'grown'>;

/** Names tried if the name is taken in the archive (`.1`, `.2` …) before the file fails. */
const namesTried = 1000;

/** Returns undefined if the job keeps its source files. `archive` is the opened side of the job's archive, if it has one. */
export function createAfter(
  job: Job,
  source: Side,
  context: CopyContext,
  archive?: Side,
): AfterAction | undefined {
  const { after } = job;
  if (after.kind === 'keep') return undefined;
  const { signal } = context;
  const side = source.endpoint;
  const made = new Map<string, Promise<void>>();

  /** Throws unless the file is as it was seen, or has only grown, if it may. */
  const check = async (path: string, from: string, seen: Seen): Promise<'same' | 'grown'> => {
    const now = await side.stat(from, signal);
    if (now === undefined) throw goneFrom(from);
    const isSame = now.size === seen.size && now.mtime === seen.mtime && sameIdentity(now, seen);
    if (now.kind === 'file' && isSame) return 'same';
    if (now.kind === 'file' && onlyGrew(seen, now) && context.isLive?.(path)) return 'grown';
    throw new FerryError('changed', 'it changed after it was copied, so it stays in the source', {
      path: from,
      hint: 'the next run copies it again',
    });
  };

  return async (path, from, seen, readAt) => {
    if (isDoubtful(from, seen, readAt, side.can.mtimePrecision)) return 'held';
    if ((await check(path, from, seen)) === 'grown') return 'grown';
    if (after.kind === 'delete') await remove(from, seen);
    else if (archive !== undefined) return move(from, path, seen);
    return 'handled';
  };

  /** Removes a file, and looks: a server may say OK and remove nothing. */
  async function remove(from: string, seen: Seen): Promise<void> {
    const isIt = (there: Stat) =>
      there.kind === 'file' && there.size === seen.size && there.mtime === seen.mtime;
    await side.remove(from, signal, isIt);
    if (side.can.roundTrip === 0) return;
    const left = await side.stat(from, signal);
    if (left === undefined || !isIt(left)) return;
    side.can.removalLied?.();
    throw isStillThere(from, 'its copy is complete; check the server, or set `after: keep`');
  }

  /** Looks where a moved file should be. */
  async function lookAt(to: Endpoint, name: string, from: string, seen: Seen): Promise<void> {
    if (to.can.roundTrip === 0) return;
    const there = await to.stat(name, signal);
    if (there?.kind === 'file' && there.size === seen.size && there.mtime === seen.mtime) return;
    throw new FerryError(
      'io',
      'the server says that it moved the file to the archive, but it is not there',
      { path: from, hint: 'its copy is complete; check the server' },
    );
  }

  async function move(from: string, path: string, seen: Seen): Promise<'handled' | 'grown'> {
    const { endpoint: to } = archive as Side;
    await makeFolders(to, parentOf(path), 0o777, made, signal);
    const sameSide = job.from.remote?.name === (job.after as { to: Job['to'] }).to.remote?.name;
    for (let n = 0; n < namesTried; n++) {
      const name = n === 0 ? path : join(parentOf(path), `${nameOf(path)}.${n}`);
      if ((await to.stat(name, signal)) !== undefined) continue;
      if (sameSide) {
        try {
          const isIt = (there: Stat) => there.size === seen.size && there.mtime === seen.mtime;
          await source.moveTo(archive as Side, from, name, signal, isIt);
          await lookAt(to, name, from, seen);
          return 'handled';
        } catch (error) {
          const code = error instanceof FerryError ? error.code : undefined;
          if (code === 'EEXIST') continue;
          if (code !== 'EXDEV' && code !== 'EFAILURE') throw error;
        }
      }
      return copyOver(path, from, name, to);
    }
    throw new FerryError('io', `the archive already has ${namesTried} files of this name`, {
      path: from,
      hint: 'move older files out of the archive',
    });
  }

  /** Moves a file to another device or server: copies it, verifies the copy, then removes it. */
  async function copyOver(path: string, from: string, name: string, to: Endpoint) {
    const stat = await side.stat(from, signal);
    if (stat === undefined) throw goneFrom(from);
    const copying = copyFile(
      { path: name, from, source: stat, destination: undefined },
      {
        ...context,
        destination: to,
        rules: { ...context.rules, verify: 'checksum', existing: 'overwrite' },
        onBytes: () => {},
        leftovers: new Map(),
        isLive: undefined, // what is removed from the source must have been copied whole
        doubts: undefined,
        times: undefined,
        trash: undefined,
      },
    );
    const error = await copying.then(() => undefined, asFerryError);
    if (error !== undefined && error.kind !== 'changed') throw error;
    const now = await check(path, from, stat);
    if (error !== undefined) {
      if (now === 'grown') return 'grown';
      throw error;
    }
    if (now === 'grown') {
      await to.remove(name, signal);
      return 'grown';
    }
    await remove(from, stat);
    return 'handled';
  }
}

/** Whether the source may have been changed after it was read, with neither its size nor its mtime showing it. */
function isDoubtful(from: string, source: Seen, readAt: number, precision: number): boolean {
  const reading = { from, source, readAt, writtenAt: readAt, precision, keepsMtime: true };
  const doubt = doubtOf(reading, undefined);
  return doubt !== undefined && !doubt.tells && doubt.mtime * 1000 < readAt + datedAheadMs;
}

/** Whether two stats may be of one file: a side may not tell. */
export function sameIdentity(a: Seen, b: Seen): boolean {
  return a.identity === undefined || b.identity === undefined || a.identity === b.identity;
}

function goneFrom(path: string): FerryError {
  return new FerryError('io', 'it is gone from the source', { path, code: 'ENOENT' });
}
