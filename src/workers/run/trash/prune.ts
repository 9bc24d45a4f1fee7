/** Removes what has been in the trash for longer than `keep`. */
import { each, requestsAtOnce, walk } from '../../../core/at-once.js';
import { join } from '../../../core/entry.js';
import type { TrashRules } from '../../../core/job.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import { areFolders } from './own-folders.js';
import { readTrashFolder } from './trash-names.js';

/** Folders listed at once. */
const listingsAtOnce = 64;

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
async function removeTree(side: Endpoint, root: string, signal: AbortSignal): Promise<void> {
  const others: string[] = [];
  const folders: string[][] = [];
  await walk(
    { path: root, depth: 0 },
    () => Math.min(listingsAtOnce, side.can.maxHandles),
    async ({ path, depth }) => {
      const below: { path: string; depth: number }[] = [];
      for (const { name, kind } of await side.list(path, signal)) {
        if (kind === 'folder') below.push({ path: join(path, name), depth: depth + 1 });
        else others.push(join(path, name));
      }
      folders[depth] ??= [];
      folders[depth].push(path);
      return below;
    },
  );
  const atOnce = requestsAtOnce(side.can.roundTrip);
  await each(others, atOnce, (path) => side.remove(path, signal));
  // the deepest first: a folder is empty once those below it are gone
  for (const level of folders.reverse())
    await each(level, atOnce, (path) => side.rmdir(path, signal));
}
