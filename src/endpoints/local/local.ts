/** An Endpoint on this machine's file system. */

import { nameOf, parentOf } from '../../core/entry.js';
import { FerryError } from '../../core/errors.js';
import { promised } from '../../core/promised.js';
import { refuseEscape } from '../confine.js';
import type { Capabilities, Endpoint } from '../endpoint.js';
import { DiskPace } from './disk-pace.js';
import type { Folder, FolderHandles, Reach } from './folder-handles.js';
import { createCalls } from './fs-calls.js';
import { toStat } from './list-local.js';
import { Lister } from './lister.js';
import { localError } from './local-error.js';
import { LocalFile, openFlags, readHere, readInSteps } from './local-file.js';
import { renameNew, setAttributes } from './local-steps.js';

export interface LocalSide {
  readonly endpoint: Endpoint;
  /** Begins to list the whole tree now; a folder's first `list` may then be as old as this call. */
  readonly listAhead: () => void;
  readonly reach: Reach;
  /** Renames a file to a free name on another local side. */
  readonly moveTo: (there: Reach, from: string, to: string, signal: AbortSignal) => Promise<void>;
}

export interface LocalRoot {
  /** The root's real path, for messages. */
  readonly path: string;
  readonly folders: FolderHandles;
}

/** The root need not exist yet. */
export function openLocal({ path: root, folders }: LocalRoot, label: string): LocalSide {
  const lister = new Lister(folders);
  const pace = new DiskPace();
  const call = createCalls(pace);
  const can: Capabilities = {
    atomicReplace: true,
    mtimePrecision: 1e-6,
    // not `pipelined`: calls on one file may overtake each other here
    setStat: 'handle',
    clockOffset: 0,
    fsync: true,
    hardLinks: true,
    copyData: true,
    offsetWrites: true,
    // below 4,096, the lowest limit of common systems, to which Node raises its own
    maxHandles: 2000,
    maxRead: 8 * 1024 * 1024,
    maxWrite: 8 * 1024 * 1024,
    roundTrip: 0,
    requestsAtOnce: Number.POSITIVE_INFINITY,
  };

  const reach: Reach = (path, signal, operation) => {
    const above = parentOf(path);
    const name = path === '' ? '.' : nameOf(path);
    const from = (folder: Folder) =>
      promised(() => operation(folder.prefix + name)).then(
        (result) => {
          folders.give(folder);
          return result;
        },
        (error) => {
          folders.give(folder);
          throw error;
        },
      );
    const attempt = () => {
      refuseEscape(root, path);
      signal.throwIfAborted();
      const folder = folders.inHand(above);
      return folder === undefined ? folders.takeBy(call.open, above).then(from) : from(folder);
    };
    const failed = (error: unknown) => {
      throw localError(error, path);
    };
    return promised(attempt).catch((error) =>
      isExhausted(error) && folders.keepLess() ? promised(attempt).catch(failed) : failed(error),
    );
  };

  const rename = (from: string, to: string, replace: boolean, signal: AbortSignal) => {
    const renameTo = (source: string, real: string) =>
      replace ? call.rename(source, real) : renameNew(call, source, real);
    const above = parentOf(to);
    const begin = () => {
      refuseEscape(root, from);
      return reach(to, signal, (real) =>
        parentOf(from) === above
          ? renameTo(real.slice(0, real.length - nameOf(to).length) + nameOf(from), real)
          : reach(from, signal, (source) => renameTo(source, real)),
      );
    };
    return promised(begin).then(() => {
      folders.forget(from);
      folders.forget(to);
    });
  };

  const endpoint: Endpoint = {
    label,
    root,
    can,
    async list(folder, signal) {
      refuseEscape(root, folder);
      signal.throwIfAborted();
      try {
        return await lister.list(folder);
      } catch (error) {
        throw localError(error, folder);
      }
    },
    stat: (path, signal) =>
      reach(path, signal, call.lstat).then(toStat, (error: FerryError) => {
        if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
        throw error;
      }),
    open: (path, mode, permissions, signal) =>
      reach(path, signal, (real) =>
        call
          .open(real, openFlags[mode], permissions & 0o777)
          .then((fd) => new LocalFile(pace, call, fd, path, reach)),
      ),
    readWhole: (path, target, signal) =>
      reach(path, signal, (real) => pace.call(readHere, readInSteps, call, real, target)),
    mkdir: (path, permissions, signal) =>
      reach(path, signal, (real) => call.mkdir(real, permissions & 0o1777)),
    rename,
    async link(from, to, signal) {
      refuseEscape(root, from);
      return reach(to, signal, async (real) => {
        await reach(from, signal, (source) => call.link(source, real));
        return toStat(await call.lstat(real));
      });
    },
    setStat: (path, attributes, signal) =>
      reach(path, signal, (real) => setAttributes(call, real, attributes)),
    remove: (path, signal) => reach(path, signal, call.unlink),
    rmdir: (path, signal) => reach(path, signal, call.rmdir).then(() => folders.forget(path)),
    readlink: (path, signal) => reach(path, signal, call.readlink),
    symlink: (target, path, signal) => reach(path, signal, (real) => call.symlink(target, real)),
    async close() {
      await lister.close();
      folders.close();
    },
  };
  return {
    endpoint,
    listAhead: () => lister.ahead(),
    reach,
    moveTo: (there, from, to, signal) =>
      there(to, signal, (real) => reach(from, signal, (source) => renameNew(call, source, real))),
  };
}

/** Whether no more files may be open. */
function isExhausted(error: unknown): boolean {
  return error instanceof FerryError && (error.code === 'EMFILE' || error.code === 'ENFILE');
}
