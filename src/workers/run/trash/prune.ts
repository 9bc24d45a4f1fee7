/** Removes what has been in the trash for longer than `keep`. */
import { each } from '../../../core/at-once.js';
import { join } from '../../../core/entry.js';
import type { TrashRules } from '../../../core/job.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import { areFolders } from './own-folders.js';
import { readTrashFolder } from './trash-names.js';

/** Removals in flight. */
const removalsAtOnce = 128;

/** Removes what runs that started more than `keep` ago moved to the trash; `now` is ms since the epoch. */
export async function pruneTrash(
  side: Endpoint,
  { dir, keep }: TrashRules,
  now: number,
  signal: AbortSignal,
): Promise<void> {
  if (keep === undefined || !(await areFolders(side, dir, signal))) return;
  for (const { name, kind } of await side.list(dir, signal)) {
    const time = readTrashFolder(name)?.time;
    if (kind === 'folder' && time !== undefined && time < now - keep)
      await removeTree(side, join(dir, name), signal);
  }
}

/** Removes a folder of ferryline's own and its contents; links are removed, not followed. */
async function removeTree(side: Endpoint, path: string, signal: AbortSignal): Promise<void> {
  const entries = await side.list(path, signal);
  const folders = entries.filter(({ kind }) => kind === 'folder');
  const others = entries.filter(({ kind }) => kind !== 'folder');
  await each(others, removalsAtOnce, ({ name }) => side.remove(join(path, name), signal));
  for (const { name } of folders) await removeTree(side, join(path, name), signal);
  await side.rmdir(path, signal);
}
