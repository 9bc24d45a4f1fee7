/** Finishes a file at the destination: sets its attributes, syncs, closes, and checks what is stored. */
import type { Attributes, Stat } from '../../../core/entry.js';
import { FerryError } from '../../../core/errors.js';
import type { Modes } from '../../../core/job.js';
import { ignoreRefusal } from '../../../endpoints/set-stat-refusal.js';
import { comparable } from '../../../jobs/plan/compare.js';
import type { Snapshot } from '../../../jobs/plan/plan.js';
import type { CopyContext } from './copy-context.js';
import type { TemporaryFile } from './temporary.js';

/** The attributes the new file is to have. */
export function attributesFor(source: Stat, old: Snapshot | undefined, modes: Modes): Attributes {
  const time = source.mtime === undefined ? {} : { mtime: source.mtime };
  if (modes !== 'server' && modes !== 'source') return { ...time, mode: modes.files };
  const mode = modes === 'source' ? source.mode : old?.kind === 'file' ? old.mode : undefined;
  return mode === undefined ? time : { ...time, mode: mode & 0o777 };
}

/**
 * Takes the last steps at the destination: writes the data of a small file, sets attributes, syncs,
 * closes and checks size and mtime. Resolves to the stat of the stored file.
 */
export async function finish(
  target: Pick<TemporaryFile, 'path' | 'handle'>,
  attributes: Attributes,
  size: number,
  context: CopyContext,
  data: Buffer | undefined,
): Promise<Stat | undefined> {
  const { destination, rules, signal } = context;
  const { handle, path } = target;
  const sync = rules.fsync && destination.can.fsync;
  const stored = await handle.finish({ data, attributes, sync }, signal);
  if (stored === undefined)
    throw new FerryError('io', 'the temporary file disappeared before it got its final name', {
      path,
    });
  if (stored.size !== undefined && stored.size !== size)
    throw new FerryError('io', `the destination stored ${stored.size} bytes instead of ${size}`, {
      path,
      hint: 'the final name was not changed; run the job again',
    });
  return keepsTime(stored, attributes) ? stored : settleTime(path, attributes, context);
}

function keepsTime(stored: Stat, { mtime }: Attributes): boolean {
  return (
    mtime === undefined ||
    (stored.mtime !== undefined && comparable(stored.mtime, 1) === comparable(mtime, 1))
  );
}

/** Sets the attributes again by path, after the close, since the mtime was not kept. If that fails too, the side counts as keeping no mtimes. */
async function settleTime(
  path: string,
  attributes: Attributes,
  { destination, signal }: CopyContext,
): Promise<Stat | undefined> {
  const { can } = destination;
  if (can.setStat === 'none') return destination.stat(path, signal);
  can.setStat = 'path';
  await destination.setStat(path, attributes, signal).catch(ignoreRefusal);
  const stored = await destination.stat(path, signal);
  if (stored === undefined || !keepsTime(stored, attributes)) {
    can.setStat = 'none';
    if (stored?.mtime !== undefined) can.clockOffset = stored.mtime - Date.now() / 1000;
  }
  return stored;
}
