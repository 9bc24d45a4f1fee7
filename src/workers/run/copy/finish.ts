/** Finishes a file at the destination: sets its attributes, syncs, closes, and checks what is stored. */
import type { Attributes, Stat } from '../../../core/entry.js';
import { FerryError } from '../../../core/errors.js';
import type { Modes } from '../../../core/job.js';
import { storedAs } from '../../../core/mtime-habit.js';
import { ignoreRefusal } from '../../../endpoints/set-stat-refusal.js';
import type { Snapshot } from '../../../jobs/plan/plan.js';
import type { CopyContext } from './copy-context.js';
import type { TemporaryFile } from './temporary.js';

/** The attributes the new file is to have. */
export function attributesFor(source: Stat, old: Snapshot | undefined, modes: Modes): Attributes {
  const { mtime } = source;
  const mode = modeFor(source, old, modes);
  if (mode === undefined) return mtime === undefined ? {} : { mtime };
  return mtime === undefined ? { mode } : { mtime, mode };
}

function modeFor(source: Stat, old: Snapshot | undefined, modes: Modes): number | undefined {
  if (modes !== 'server' && modes !== 'source') return modes.files;
  const mode = modes === 'source' ? source.mode : old?.kind === 'file' ? old.mode : undefined;
  return mode === undefined ? undefined : mode & 0o777;
}

/**
 * Takes the last steps at the destination: writes the data of a small file, sets attributes, syncs,
 * closes and checks size and mtime. Resolves to the stat of the stored file.
 */
export function finish(
  target: Pick<TemporaryFile, 'path' | 'handle'>,
  attributes: Attributes,
  size: number,
  context: CopyContext,
  data: Buffer | undefined,
): Promise<Stat | undefined> {
  const { destination, rules, signal } = context;
  const { handle, path } = target;
  const { can } = destination;
  const sync = rules.fsync && can.fsync;
  const settled = (now: Stat) => {
    if (attributes.mtime !== undefined && now.mtime !== undefined && can.setStat !== 'none')
      context.times?.evidence.add(attributes.mtime, now.mtime, Date.now() / 1000);
    return now;
  };
  return handle.finish({ data, attributes, sync }, signal).then((stored) => {
    if (stored === undefined) throw disappeared(path);
    if (stored.size !== undefined && stored.size !== size)
      throw new FerryError('io', `the destination stored ${stored.size} bytes instead of ${size}`, {
        path,
        hint: 'the final name was not changed; run the job again',
      });
    if (keepsTime(stored, attributes)) return settled(stored);
    return settleTime(path, stored, attributes, context).then(settled);
  });
}

function keepsTime(stored: Stat, { mtime }: Attributes): boolean {
  return (
    mtime === undefined ||
    (stored.mtime !== undefined && Math.floor(stored.mtime) === Math.floor(mtime))
  );
}

/**
 * Sets the attributes again by path, after the close, since the mtime was not stored as it was sent.
 * Where several files have shown that this does not help, what is stored is left as it is: the next
 * run compares with it.
 */
async function settleTime(
  path: string,
  stored: Stat,
  attributes: Attributes,
  { destination, signal, times }: CopyContext,
): Promise<Stat> {
  const { can } = destination;
  const { mtime } = attributes;
  if (mtime === undefined || can.setStat === 'none' || times?.mayHelp === false) return stored;
  if (stored.mtime !== undefined && can.mtimeHabit !== undefined)
    if (storedAs(mtime, can.mtimeHabit) === Math.floor(stored.mtime)) return stored;
  await destination.setStat(path, attributes, signal).catch(async (error) => {
    ignoreRefusal(error);
    // the mode may be what it refuses
    if (attributes.mode !== undefined)
      await destination.setStat(path, { mtime }, signal).catch(ignoreRefusal);
  });
  const now = await destination.stat(path, signal);
  if (now === undefined) throw disappeared(path);
  const helped = keepsTime(now, attributes);
  times?.triedByPath(helped);
  if (times?.needsPath) can.setStat = 'path';
  return now;
}

function disappeared(path: string): FerryError {
  return new FerryError('io', 'the temporary file disappeared before it got its final name', {
    path,
  });
}
