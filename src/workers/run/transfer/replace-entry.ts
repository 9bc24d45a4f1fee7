/**
 * Replaces an entry by one of another kind: moves the old one aside, puts the new one in its place,
 * then moves the old one to the trash or removes it. Until the new entry is complete, the old one
 * exists under its own name or its aside name.
 */
import type { Stat } from '../../../core/entry.js';
import { FerryError } from '../../../core/errors.js';
import type { Plan } from '../../../jobs/plan/plan.js';
import { agrees } from '../copy/agrees.js';
import type { CopyContext } from '../copy/copy-context.js';
import { beforePublishing, stageFile } from '../copy/copy-file.js';
import type { Staged } from '../copy/stage.js';
import { publish } from '../copy/temporary.js';
import { asidePath } from '../copy/temporary-names.js';
import type { Tally } from '../tally.js';
import type { EntryWriter } from './entry-writer.js';
import type { Remover } from './remover.js';

/** What a replacement is carried out with. */
export interface ReplaceParts {
  readonly context: CopyContext;
  readonly writer: EntryWriter;
  readonly remover: Remover;
  readonly tally: Tally;
}

/** Replaces the entry at `path` by what the plan has there and below. */
export async function replaceEntry(path: string, plan: Plan, parts: ReplaceParts): Promise<void> {
  const { context, writer, remover, tally } = parts;
  const { destination, signal } = context;
  const old = plan.deletes.find((action) => action.path === path);
  const entry = plan.copies.find((action) => action.path === path);
  if (old === undefined) throw new FerryError('defect', 'nothing to replace', { path });
  const aside = asidePath(path, context.writer);

  const began = performance.now();
  // a new file is complete beside the old entry before the old one is touched
  const staged: Staged | undefined =
    entry?.action === 'copy'
      ? await writer.retried(entry, (request) => stageFile(request, context))
      : undefined;
  // the mtime of a folder moves with what is done in it
  const isIt = (there: Stat) =>
    there.kind === old.seen.kind && (there.kind === 'folder' || agrees(there, old.seen));
  await destination.rename(path, aside, false, signal, isIt);
  const failed = tally.failed;
  try {
    if (staged !== undefined && entry?.action === 'copy') {
      const markPublished = beforePublishing(entry, staged, context);
      await publish(staged, { path, destination: undefined }, context);
      markPublished();
      tally.copy(path, staged, began);
    } else if (entry?.action === 'link')
      await writer.makeLink({ ...entry, destination: undefined });
    else await fillFolder(path, plan, writer);
  } catch (error) {
    if (!signal.aborted) await destination.rename(aside, path, false, signal).catch(() => {});
    throw error;
  }
  if (tally.failed > failed) return; // the old entry stays aside until a run is complete
  const inside = plan.deletes.filter((action) => action.path.startsWith(`${path}/`));
  for (const action of [...inside, old]) {
    const at = `${aside}${action.path.slice(path.length)}`;
    if (action.seen.kind === 'folder') await remover.folder(at);
    else {
      if (!(await remover.file(at, action.path, action.seen))) continue;
      tally.deleted++;
    }
    tally.file('delete', action.path, action.seen.kind === 'folder' ? { kind: 'folder' } : {});
  }
}

async function fillFolder(path: string, plan: Plan, writer: EntryWriter): Promise<void> {
  const below = (action: { readonly path: string }) =>
    action.path === path || action.path.startsWith(`${path}/`);
  // sorted by path, so each folder comes before its contents
  for (const mkdir of plan.mkdirs.filter(below)) await writer.makeFolder(mkdir);
  await writer.copyAll(plan.copies.filter(below));
}
