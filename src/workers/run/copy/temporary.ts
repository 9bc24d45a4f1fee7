/** Makes the temporary file beside the final one, or claims an earlier one, and at the end gives it the final name. */
import { parentOf, type Stat } from '../../../core/entry.js';
import { FerryError } from '../../../core/errors.js';
import { promised } from '../../../core/promised.js';
import type { Handle } from '../../../endpoints/endpoint.js';
import { isGivingWay } from '../../../endpoints/give-way.js';
import type { Snapshot } from '../../../jobs/plan/plan.js';
import { agrees, changedThere } from './agrees.js';
import { resumeWindowBytes } from './chunks.js';
import { sameContent } from './content.js';
import type { CopyContext, CopyRequest } from './copy-context.js';
import { deniedAt } from './denied.js';
import { takeFreeName } from './free-name.js';
import { giveAndLook } from './look-at-name.js';
import { asidePath, temporaryPath } from './temporary-names.js';

/** Bytes: an interrupted copy of a larger file is resumed, of a smaller one started again. */
export const resumeAboveBytes = 8 * 1024 * 1024;

export interface TemporaryFile {
  readonly path: string;
  readonly handle: Handle;
  /** The byte to resume at: everything before it is known to be stored. */
  readonly start: number;
}

/** Whether an interrupted copy may go on with a temporary file of this size: what its end may lack is less than all of it. */
export function mayResume(size: number | undefined): boolean {
  return size !== undefined && size > resumeWindowBytes;
}

/** Opens a temporary file for `request.path`; resumes an earlier one if possible. `beside`: the source's handle, if it is open; see Endpoint's `open`. */
export function openTemporary(
  request: CopyRequest,
  mark: string,
  size: number,
  context: CopyContext,
  beside?: Handle,
): Promise<TemporaryFile> {
  const { rules, leftovers } = context;
  const newPath = () => temporaryPath(request.path, mark, rules.start);
  const found = leftovers.get(mark);
  if (found === undefined) return createTemporary(newPath(), request, context, beside);
  leftovers.delete(mark);
  return claimFirst(found, { mark, size, newPath, beside }, context).then(
    (claimed) => claimed ?? createTemporary(newPath(), request, context, beside),
  );
}

function createTemporary(
  path: string,
  request: CopyRequest,
  context: CopyContext,
  beside: Handle | undefined,
): Promise<TemporaryFile> {
  const { destination, rules, signal } = context;
  // readable by nobody else until it has its final mode, unless the umask is to decide
  const fromUmask =
    rules.modes === 'server' || (rules.modes === 'source' && request.source.mode === undefined);
  const permissions = fromUmask ? 0o666 : 0o600;
  return destination.open(path, 'create', permissions, signal, beside).then(
    (handle) => ({ path, handle, start: 0 }),
    (error) => {
      // the file may exist although the reply was lost
      if (!isGivingWay(error)) context.orphans.add(path);
      throw deniedAt(destination, parentOf(path), 'written to', error);
    },
  );
}

/** Claims the first of these earlier temporary files that can be resumed; the others become orphans. */
async function claimFirst(
  found: readonly string[],
  one: Omit<Claim, 'leftover'>,
  context: CopyContext,
): Promise<TemporaryFile | undefined> {
  const canResume = one.size > resumeAboveBytes && context.destination.can.offsetWrites;
  let claimed: TemporaryFile | undefined;
  for (const leftover of found)
    if (canResume && claimed === undefined) claimed = await claim({ ...one, leftover }, context);
    else context.orphans.add(leftover);
  return claimed;
}

interface Claim {
  readonly leftover: string;
  readonly mark: string;
  /** Bytes of the whole file. */
  readonly size: number;
  readonly newPath: () => string;
  readonly beside: Handle | undefined;
}

/** Claims an earlier temporary file, if it is a plain file of usable size, and sound as far as the side can tell; else it becomes an orphan. */
async function claim(
  { leftover, mark, size, newPath, beside }: Claim,
  { destination, signal, leftovers, orphans }: CopyContext,
): Promise<TemporaryFile | undefined> {
  let at = leftover;
  try {
    const there = await destination.stat(leftover, signal);
    const length = there?.size ?? 0;
    if (there?.kind === 'file' && length <= size && mayResume(length)) {
      const path = newPath();
      await destination.rename(leftover, path, false, signal);
      at = path;
      const handle = await destination.open(path, 'update', 0, signal, beside);
      const start = length - resumeWindowBytes;
      const isSound = (await handle.cutTo?.(start, signal)) ?? true;
      if (isSound) return { path, handle, start };
      await handle.close();
    }
  } catch (error) {
    if (!(error instanceof FerryError) || error.kind !== 'io' || isGivingWay(error)) {
      leftovers.set(mark, [at]); // another try may claim it
      throw error;
    }
  }
  orphans.add(at);
  return undefined;
}

type FinalEntry = Pick<CopyRequest, 'path' | 'destination' | 'movesOn'> & {
  readonly from?: string;
};

/** A complete temporary file: its path, its stat, and the fingerprint in its name. */
interface Complete {
  readonly temporary: string;
  readonly stored: Stat | undefined;
  readonly mark: string;
}

/**
 * Gives the final name to a complete temporary file, once the trash holds the old one, if there is a
 * trash. The old file can be restored until then. After an error the temporary file remains, to be
 * resumed or removed.
 */
export function publish(
  complete: Complete,
  final: FinalEntry,
  context: CopyContext,
): Promise<void> {
  const { temporary, mark } = complete;
  return promised(() => giveFinalName(complete, final, context)).catch((thrown) => {
    const error = isGone(thrown) ? noTemporary(final.path, thrown) : thrown;
    const canRetry = error instanceof FerryError && error.kind === 'network';
    if (canRetry) context.leftovers.set(mark, [temporary]);
    else context.orphans.add(temporary);
    throw error;
  });
}

/** Whether a side that refused to replace a file or link in one step may be asked to do it in steps: it still has the very one that was to be replaced. */
export async function mayGoInSteps(
  error: unknown,
  { path, destination: old }: FinalEntry,
  { destination, signal }: CopyContext,
): Promise<boolean> {
  const refused = error instanceof FerryError && error.kind === 'io' && error.code !== 'ENOENT';
  if (!refused || old === undefined || destination.can.replaceRefused === undefined) return false;
  const now = await destination.stat(path, signal);
  return now !== undefined && agrees(now, old);
}

/** The same for a file that is the destination's own: after an error it remains where it is. */
export function giveFinalName(
  complete: Complete,
  final: FinalEntry,
  context: CopyContext,
): Promise<void> {
  return giveAndLook(complete, final, context, () => giveName(complete, final, context));
}

function giveName(complete: Complete, final: FinalEntry, context: CopyContext): Promise<void> {
  const { rules, trash } = context;
  const { path, destination: old } = final;
  if (rules.existing === 'skip' && old === undefined)
    return takeFreeName({ ...complete, path }, context);
  const hasTrash = trash !== undefined && old !== undefined;
  if (!hasTrash && rules.existing !== 'newer') return takeName(complete, final, context, undefined);
  return keepOld(final, context).then((kept) => takeName(complete, final, context, kept));
}

/** Has the trash keep the old file, and checks that it is still the one that may be replaced. */
async function keepOld(
  { path, destination: old, movesOn }: FinalEntry,
  context: CopyContext,
): Promise<'kept' | 'aside' | undefined> {
  const { destination, rules, signal } = context;
  const hasTrash = context.trash !== undefined && old !== undefined;
  // the file that moved on keeps its bytes; another one may have come in its place
  const isSafe = hasTrash && movesOn && (await isStill(old, path, context));
  const kept = hasTrash && !isSafe ? await context.trash?.keep(path, old, context) : undefined;
  if (rules.existing === 'newer') {
    const now = await destination.stat(path, signal);
    if (now === undefined ? old !== undefined : !agrees(now, old)) throw changedThere(path);
  }
  return kept;
}

function takeName(
  complete: Complete,
  final: FinalEntry,
  context: CopyContext,
  kept: 'kept' | 'aside' | undefined,
): Promise<void> {
  const { destination, signal } = context;
  const { path } = final;
  const inSteps = () => replaceInSteps(complete, final, context, kept === 'aside');
  if (!destination.can.atomicReplace) return inSteps();
  const isIt = isOurs(complete, final, context);
  return destination.rename(complete.temporary, path, true, signal, isIt).catch(async (error) => {
    if (!(await mayGoInSteps(error, final, context))) throw error;
    await inSteps().catch((second) => {
      throw second instanceof FerryError && second.kind === 'network' ? second : error;
    });
    destination.can.replaceRefused?.();
  });
}

async function isStill(
  old: Snapshot,
  path: string,
  { destination, signal }: CopyContext,
): Promise<boolean> {
  const now = await destination.stat(path, signal);
  return now === undefined || agrees(now, old);
}

/** Tells whether the file at the final name is the new one. Where the old one has the same size and mtime, only the bytes say so. */
function isOurs(
  { stored }: Complete,
  { path, from, destination: old }: FinalEntry,
  context: CopyContext,
) {
  return async (there: Stat): Promise<boolean> => {
    if (stored === undefined) return true;
    if (!agrees(there, stored)) return false;
    if (old === undefined || !agrees(stored, old)) return true;
    const { source, destination, signal } = context;
    return from !== undefined && sameContent(source, from, destination, path, signal);
  };
}

function isGone(error: unknown): boolean {
  return error instanceof FerryError && error.kind === 'io' && error.code === 'ENOENT';
}

/** It may have been delivered under its temporary name, so that it is not sent again in this run. */
function noTemporary(path: string, cause: unknown): FerryError {
  return new FerryError(
    'io',
    'the complete file was gone from the destination before it got its final name',
    { path, cause, hint: 'something there took it; the next run compares both sides again' },
  );
}

/** Replaces a file on a side without atomic replacement: the old file is moved aside first. */
async function replaceInSteps(
  complete: Complete,
  final: FinalEntry,
  context: CopyContext,
  toTrash: boolean,
): Promise<void> {
  const { temporary } = complete;
  const { path, destination: old } = final;
  const { destination, signal, trash } = context;
  const aside = old === undefined ? undefined : await setAside(path, old, context);
  const putBack = async () => {
    if (aside !== undefined && !signal.aborted)
      await destination.rename(aside, path, false, signal).catch(() => {
        context.leftAside?.set(path, aside);
      });
  };
  try {
    await destination.rename(temporary, path, false, signal, isOurs(complete, final, context));
  } catch (error) {
    await putBack();
    throw error;
  }
  if (aside === undefined) return;
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

/** Resolves to where the old file is now: set aside, or left there by an earlier try; undefined if there is none. */
async function setAside(
  path: string,
  old: Snapshot,
  context: CopyContext,
): Promise<string | undefined> {
  const { destination, signal, writer, leftAside } = context;
  const aside = asidePath(path, writer);
  try {
    await destination.rename(path, aside, false, signal, (there) => agrees(there, old));
    await mustBeOfKind(old, aside, path, context);
    return aside;
  } catch (error) {
    const gone = error instanceof FerryError && error.code === 'ENOENT';
    if (!gone) throw error;
    const left = leftAside?.get(path);
    const there = left === undefined ? undefined : await destination.stat(left, signal);
    return there !== undefined && agrees(there, old) ? left : undefined;
  }
}

/** Moves back what was set aside if it is a folder, say, that took the file's place: only what a copy may replace is removed later. */
async function mustBeOfKind(
  old: Snapshot,
  aside: string,
  path: string,
  { destination, signal }: CopyContext,
): Promise<void> {
  const there = await destination.stat(aside, signal);
  if (there === undefined || there.kind === old.kind) return;
  await destination.rename(aside, path, false, signal);
  throw changedThere(path);
}
