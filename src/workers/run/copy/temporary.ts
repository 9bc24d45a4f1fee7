/** The temporary file beside the final one: made or claimed, and at the end given the final name. */
import { FerryError } from '../../../core/errors.js';
import type { Handle } from '../../../endpoints/endpoint.js';
import { resumeWindow } from './chunks.js';
import type { CopyContext, CopyRequest } from './copy-context.js';
import { asidePath, temporaryPath } from './temporary-names.js';

/** A file above this is gone on with after a cut; below, it is sent again. */
export const resumeAbove = 8 * 1024 * 1024;

export interface TemporaryFile {
  readonly path: string;
  readonly handle: Handle;
  /** Where to go on, bytes: what lies before is known to be there. */
  readonly start: number;
}

/** Opens a temporary file for `request.path`, going on with an earlier run's where there is one. */
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
  // readable by nobody else until it has the mode it is to have
  const permissions = rules.modes === 'server' ? 0o666 : 0o600;
  const handle = await destination.open(path, 'create', permissions, signal).catch((error) => {
    // the answer may be lost and the file made all the same
    context.orphans.add(path);
    throw error;
  });
  return { path, handle, start: 0 };
}

/** Makes the newest usable of an earlier run's temporary files ours; the others are orphans. */
async function claimOne(
  found: readonly string[],
  path: string,
  size: number,
  context: CopyContext,
): Promise<TemporaryFile | undefined> {
  const goOn = size > resumeAbove && context.destination.can.offsetWrites;
  let claimed: TemporaryFile | undefined;
  for (const leftover of found) {
    const next =
      goOn && claimed === undefined ? await claim(leftover, path, size, context) : undefined;
    if (next === undefined) context.orphans.add(leftover);
    else claimed = next;
  }
  return claimed;
}

/** Makes an earlier run's temporary file ours, where it is a plain file with something in it. */
async function claim(
  leftover: string,
  path: string,
  size: number,
  { destination, signal }: CopyContext,
): Promise<TemporaryFile | undefined> {
  try {
    const there = await destination.stat(leftover, signal);
    const length = there?.size ?? 0;
    if (there?.kind !== 'file' || length > size || length <= resumeWindow) return undefined;
    await destination.rename(leftover, path, false, signal);
    const handle = await destination.open(path, 'update', 0, signal);
    return { path, handle, start: length - resumeWindow };
  } catch (error) {
    if (error instanceof FerryError && error.kind === 'io') return undefined;
    throw error;
  }
}

type Final = Pick<CopyRequest, 'path' | 'destination'>;

/**
 * Gives the final name to a complete temporary file. Whatever held the name before stays
 * recoverable until then. After an error the temporary file is left to be gone on with or removed.
 */
export async function publish(
  temporary: string,
  final: Final,
  context: CopyContext,
  mark: string,
): Promise<void> {
  const { destination, signal } = context;
  try {
    if (destination.can.atomicReplace)
      await destination.rename(temporary, final.path, true, signal);
    else await replaceInSteps(temporary, final, context, mark);
  } catch (error) {
    const passing = error instanceof FerryError && error.kind === 'network';
    if (passing) context.leftovers.set(mark, [temporary]);
    else context.orphans.add(temporary);
    throw error;
  }
}

/** For a side without atomic replacement. */
async function replaceInSteps(
  temporary: string,
  { path, destination: old }: Final,
  context: CopyContext,
  mark: string,
): Promise<void> {
  const { destination, signal } = context;
  const aside = asidePath(path, mark);
  if (old !== undefined) await setAside(path, aside, context);
  try {
    await destination.rename(temporary, path, false, signal);
  } catch (error) {
    if (old !== undefined && !signal.aborted)
      await destination.rename(aside, path, false, signal).catch(() => {});
    throw error;
  }
  if (old !== undefined) await destination.remove(aside, signal).catch(() => {});
}

async function setAside(path: string, aside: string, context: CopyContext): Promise<void> {
  const { destination, signal } = context;
  try {
    await destination.rename(path, aside, false, signal);
  } catch (error) {
    const gone = error instanceof FerryError && error.code === 'ENOENT';
    if (!gone) throw error;
  }
}
