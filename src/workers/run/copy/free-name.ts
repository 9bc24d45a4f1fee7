/**
 * Gives a complete temporary file a final name that must be free, as `existing: skip` promises. SFTP has
 * no request for it that all servers honour: draft-ietf-secsh-filexfer-02 §6.5 makes RENAME to an
 * existing name an error, and some servers replace the file all the same. So the first such file of a
 * run tries RENAME on a name of ours. Where that replaces, as rename(2) does on a local side, a hard link
 * takes the name; where there are no hard links either, a look goes before the rename, and the report says so.
 */
import type { Stat } from '../../../core/entry.js';
import { asFerryError, FerryError } from '../../../core/errors.js';
import { agrees, changedThere } from './agrees.js';
import type { CopyContext } from './copy-context.js';
import { temporaryPath } from './temporary-names.js';

export interface NewFile {
  readonly temporary: string;
  readonly path: string;
  /** The fingerprint in its temporary names. */
  readonly mark: string;
  /** The temporary file's stat once it was complete. */
  readonly stored: Stat | undefined;
}

/** Rejects with a `changed` error if something has the name by now; that is left as it is. */
export async function takeFreeName(file: NewFile, context: CopyContext): Promise<void> {
  const { destination: side, signal } = context;
  const { temporary, path, stored } = file;
  // rename(2) replaces
  const isLocal = side.can.roundTrip === 0;
  if (isLocal || !(await renameRefuses(file, context))) {
    if (await linkInto(file, context)) return;
    if ((await side.stat(path, signal)) !== undefined) throw changedThere(path);
    context.notGuaranteed?.('skip');
  }
  const isOurs = (there: Stat) => stored !== undefined && agrees(there, stored);
  try {
    await side.rename(temporary, path, false, signal, isOurs);
  } catch (error) {
    const { kind } = asFerryError(error);
    if (kind === 'io' && (await isTaken(file, context))) throw changedThere(path);
    throw error;
  }
}

/** Whether the temporary file is still there, and its final name is another's. */
async function isTaken({ temporary, path }: NewFile, { destination, signal }: CopyContext) {
  const [left, there] = await Promise.all(
    [temporary, path].map((at) => destination.stat(at, signal)),
  );
  return left !== undefined && there !== undefined;
}

/** Whether the side's RENAME refuses an existing name; found out once a run, by the first file that needs it. */
function renameRefuses(file: NewFile, context: CopyContext): Promise<boolean> {
  const { freeNames } = context;
  if (freeNames === undefined) return probe(file, context);
  freeNames.refuses ??= probe(file, context).catch((error) => {
    freeNames.refuses = undefined;
    throw error;
  });
  return freeNames.refuses;
}

/** Renames the temporary file to another name of ours that exists, and back if that was not refused. */
async function probe(file: NewFile, context: CopyContext): Promise<boolean> {
  const { temporary, path, mark, stored } = file;
  const { destination: side, rules, signal, orphans } = context;
  const taken = temporaryPath(path, mark, rules.start);
  orphans.add(taken);
  const handle = await side.open(taken, 'create', 0o600, signal);
  await handle.close();
  try {
    await side.rename(temporary, taken, false, signal);
  } catch (error) {
    if (asFerryError(error).kind !== 'io') throw error;
  }
  const refused = (await side.stat(temporary, signal)) !== undefined;
  if (!refused) {
    // unless it is the complete file, somebody took that: an empty one of ours must not be published
    const there = await side.stat(taken, signal);
    if (stored !== undefined && (there === undefined || !agrees(there, stored)))
      throw new FerryError('io', 'the complete file is gone', { path, code: 'ENOENT' });
    await side.rename(taken, temporary, false, signal);
    orphans.delete(taken);
    return false;
  }
  await side.remove(taken, signal).then(
    () => orphans.delete(taken),
    () => {},
  );
  return true;
}

/** Takes the name by a hard link, which never replaces; false where the side makes none. */
async function linkInto({ temporary, path, stored }: NewFile, context: CopyContext) {
  const { destination: side, signal } = context;
  if (!side.can.hardLinks) return false;
  // a server may say OK and make nothing: what is there could then be another's
  if ((await side.stat(path, signal)) !== undefined) throw changedThere(path);
  try {
    const made = await side.link(temporary, path, signal);
    if (stored !== undefined && !agrees(made, stored)) throw changedThere(path);
  } catch (error) {
    if (!(error instanceof FerryError) || error.kind !== 'io') throw error;
    const there = await side.stat(path, signal);
    if (there === undefined) return false;
    if (stored === undefined || !agrees(there, stored)) throw changedThere(path);
  }
  await side.remove(temporary, signal);
  return true;
}
