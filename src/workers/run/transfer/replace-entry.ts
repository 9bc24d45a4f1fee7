/**
 * Puts an entry where one of another kind stands: the old one aside, the new one in, then the old
 * one to the trash or away. The old one is there, under its own or its aside name, until the new
 * one stands.
 */
import { FerryError } from '../../../core/errors.js';
import type { Copy, Link, Mkdir, Plan } from '../../../jobs/plan/plan.js';
import type { Copied, CopyContext } from '../copy/copy-context.js';
import { beforePublishing, type Staged, stageFile } from '../copy/copy-file.js';
import { publish } from '../copy/temporary.js';
import { asidePath } from '../copy/temporary-names.js';
import { fingerprint } from '../fingerprint.js';
import type { Tally } from '../tally.js';
import type { Remover } from './trash.js';

export interface ReplaceTools {
  readonly context: CopyContext;
  readonly remover: Remover;
  readonly tally: Tally;
  readonly tried: <T extends Copied>(copy: Copy, work: (request: Copy) => Promise<T>) => Promise<T>;
  readonly makeFolder: (mkdir: Mkdir) => Promise<void>;
  readonly copyAll: (copies: readonly (Copy | Link)[]) => Promise<void>;
  readonly makeLink: (link: Link) => Promise<void>;
}

/** Replaces what stands at `path` by what the plan has there and below. */
export async function replaceEntry(path: string, plan: Plan, tools: ReplaceTools): Promise<void> {
  const { context, remover, tally } = tools;
  const { destination, signal } = context;
  const old = plan.deletes.find((action) => action.path === path);
  const entry = plan.copies.find((action) => action.path === path);
  if (old === undefined) throw new FerryError('defect', 'nothing to replace', { path });
  const mark = fingerprint([destination.root, path, context.rules.start]);
  const aside = asidePath(path, mark);

  const began = performance.now();
  // a file is complete beside the old entry before that is touched
  const staged: Staged | undefined =
    entry?.action === 'copy'
      ? await tools.tried(entry, (request) => stageFile(request, context))
      : undefined;
  await destination.rename(path, aside, false, signal);
  const failed = tally.failed;
  try {
    if (staged !== undefined && entry?.action === 'copy') {
      const stands = beforePublishing(entry, staged, context);
      await publish(staged.temporary, { path, destination: undefined }, context, staged.mark);
      stands();
      tally.copy(path, staged.bytes, staged.verified, began);
    } else if (entry?.action === 'link') await tools.makeLink({ ...entry, destination: undefined });
    else await fillFolder(path, plan, tools);
  } catch (error) {
    if (!signal.aborted) await destination.rename(aside, path, false, signal).catch(() => {});
    throw error;
  }
  if (tally.failed > failed) return; // the old entry stays beside it until a run is complete
  const inside = plan.deletes.filter((action) => action.path.startsWith(`${path}/`));
  for (const action of [...inside, old]) {
    const at = `${aside}${action.path.slice(path.length)}`;
    if (action.seen.kind === 'folder') await remover.folder(at);
    else {
      await remover.file(at, action.path);
      tally.deleted++;
    }
    tally.file('delete', action.path, action.seen.kind === 'folder' ? { kind: 'folder' } : {});
  }
}

async function fillFolder(path: string, plan: Plan, tools: ReplaceTools): Promise<void> {
  const below = (action: { readonly path: string }) =>
    action.path === path || action.path.startsWith(`${path}/`);
  // sorted by path, so that each folder comes before what is in it
  for (const mkdir of plan.mkdirs.filter(below)) await tools.makeFolder(mkdir);
  await tools.copyAll(plan.copies.filter(below));
}
