/** Makes the temporary file beside the final one, or claims an earlier one, and at the end gives it the final name. */
import { FerryError } from '../../../core/errors.js';
import type { Handle } from '../../../endpoints/endpoint.js';
import { resumeWindowBytes } from './chunks.js';
import type { CopyContext, CopyRequest } from './copy-context.js';
import { asidePath, temporaryPath } from './temporary-names.js';

/** Bytes: an interrupted copy of a larger file is resumed, of a smaller one started again. */
export const resumeAboveBytes = 8 * 1024 * 1024;

export interface TemporaryFile {
  readonly path: string;
  readonly handle: Handle;
  /** The byte to resume at: everything before it is known to be stored. */
  readonly start: number;
}

/** Opens a temporary file for `request.path`; resumes an earlier one if possible. */
export async function openTemporary(
  request: CopyRequest,
  mark: string,
  size: number,
  context: CopyContext,
): Promise<TemporaryFile> {
  const { destination, rules, signal, leftovers } = context;
  const path = temporaryPath(request.path, mark, rules.start);
  const found = leftovers.get(mark);
  if (found !== undefined) {
    leftovers.delete(mark);
    const claimed = await claimOne(found, path, size, context);
    if (claimed !== undefined) return claimed;
  }
  // readable by nobody else until it has its final mode, unless the umask is to decide
  const fromUmask =
    rules.modes === 'server' || (rules.modes === 'source' && request.source.mode === undefined);
  const permissions = fromUmask ? 0o666 : 0o600;
  const handle = await destination.open(path, 'create', permissions, signal).catch((error) => {
    // the file may exist although the reply was lost
    context.orphans.add(path);
    throw error;
  });
  return { path, handle, start: 0 };
}

/** Claims the newest temporary file that can be resumed; the others become orphans. */
async function claimOne(
  found: readonly string[],
  path: string,
  size: number,
  context: CopyContext,
): Promise<TemporaryFile | undefined> {
  const canResume = size > resumeAboveBytes && context.destination.can.offsetWrites;
  let claimed: TemporaryFile | undefined;
  for (const leftover of found) {
    const next =
      canResume && claimed === undefined ? await claim(leftover, path, size, context) : undefined;
    if (next === undefined) context.orphans.add(leftover);
    else claimed = next;
  }
  return claimed;
}

/** Claims an earlier temporary file if it is a regular file of usable size. */
async function claim(
  leftover: string,
  path: string,
  size: number,
  { destination, signal }: CopyContext,
): Promise<TemporaryFile | undefined> {
  try {
    const there = await destination.stat(leftover, signal);
    const length = there?.size ?? 0;
    if (there?.kind !== 'file' || length > size || length <= resumeWindowBytes) return undefined;
    await destination.rename(leftover, path, false, signal);
    const handle = await destination.open(path, 'update', 0, signal);
    return { path, handle, start: length - resumeWindowBytes };
  } catch (error) {
    if (error instanceof FerryError && error.kind === 'io') return undefined;
    throw error;
  }
}

type FinalEntry = Pick<CopyRequest, 'path' | 'destination'>;

/**
 * Gives the final name to a complete temporary file, once the trash holds the old one, if there is a
 * trash. The old file can be restored until then. After an error the temporary file remains, to be
 * resumed or removed.
 */
export async function publish(
  temporary: string,
  final: FinalEntry,
  context: CopyContext,
  mark: string,
): Promise<void> {
  const { destination, signal } = context;
  try {
    const { path, destination: old } = final;
    const kept = old === undefined ? undefined : await context.trash?.keep(path, old, context);
    const inSteps = () => replaceInSteps(temporary, final, context, mark, kept === 'aside');
    if (!destination.can.atomicReplace) await inSteps();
    else
      await destination.rename(temporary, path, true, signal).catch(async (error) => {
        if (!(await mayGoInSteps(error, final, context))) throw error;
        await inSteps().catch((second) => {
          throw second instanceof FerryError && second.kind === 'network' ? second : error;
        });
        destination.can.replaceRefused?.();
      });
  } catch (error) {
    const canRetry = error instanceof FerryError && error.kind === 'network';
    if (canRetry) context.leftovers.set(mark, [temporary]);
    else context.orphans.add(temporary);
    throw error;
  }
}

/** Whether a side that refused to replace a file in one step may be asked to do it in steps: it still has the very file that was to be replaced. */
async function mayGoInSteps(
  error: unknown,
  { path, destination: old }: FinalEntry,
  { destination, signal }: CopyContext,
): Promise<boolean> {
  const refused = error instanceof FerryError && error.kind === 'io' && error.code !== 'ENOENT';
  if (!refused || old?.kind !== 'file' || destination.can.replaceRefused === undefined)
    return false;
  const now = await destination.stat(path, signal);
  return now?.kind === 'file' && now.size === old.size && now.mtime === old.mtime;
}

/** Replaces a file on a side without atomic replacement: the old file is moved aside first. */
async function replaceInSteps(
  temporary: string,
  { path, destination: old }: FinalEntry,
  context: CopyContext,
  mark: string,
  toTrash: boolean,
): Promise<void> {
  const { destination, signal, trash } = context;
  const aside = asidePath(path, mark);
  const isAside = old !== undefined && (await setAside(path, aside, context));
  const putBack = async () => {
    if (isAside && !signal.aborted)
      await destination.rename(aside, path, false, signal).catch(() => {});
  };
  try {
    await destination.rename(temporary, path, false, signal);
  } catch (error) {
    await putBack();
    throw error;
  }
  if (!isAside) return;
  if (!toTrash) {
    await destination.remove(aside, signal).catch(() => {});
    return;
  }
  try {
    await trash?.take(aside, path);
  } catch (error) {
    // if this fails, too, the old file stays aside, and the next run moves it to the trash
    if (!signal.aborted)
      await destination.rename(path, temporary, false, signal).then(putBack, () => {});
    throw error;
  }
}

/** Resolves to whether there was a file to set aside. */
async function setAside(path: string, aside: string, context: CopyContext): Promise<boolean> {
  const { destination, signal } = context;
  try {
    await destination.rename(path, aside, false, signal);
    return true;
  } catch (error) {
    const gone = error instanceof FerryError && error.code === 'ENOENT';
    if (!gone) throw error;
    return false;
  }
}
