/** The end of a file at the destination: its attributes, sync, close, and a look at what is stored. */
import type { Attributes, Stat } from '../../../core/entry.js';
import { FerryError } from '../../../core/errors.js';
import type { Modes } from '../../../core/job.js';
import { ignoreRefusal } from '../../../endpoints/set-stat-refusal.js';
import { comparable } from '../../../jobs/plan/compare.js';
import type { Snapshot } from '../../../jobs/plan/plan.js';
import type { CopyContext } from './copy-context.js';
import type { TemporaryFile } from './temporary.js';

/** What the new file is to carry. */
export function attributesFor(source: Stat, old: Snapshot | undefined, modes: Modes): Attributes {
  const time = source.mtime === undefined ? {} : { mtime: source.mtime };
  if (modes === 'source') return { ...time, mode: source.mode & 0o777 };
  if (modes !== 'server') return { ...time, mode: modes.files };
  return old?.kind === 'file' ? { ...time, mode: old.mode & 0o777 } : time;
}

/**
 * The last steps at the destination: the data of a small file, attributes, sync, close, and a look
 * at what is there now. Returns what is stored, its size and mtime checked.
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
    throw new FerryError('io', 'the temporary file is gone before it was published', { path });
  if (stored.size !== undefined && stored.size !== size)
    throw new FerryError('io', `${stored.size} bytes stand there instead of ${size}`, {
      path,
      hint: 'nothing was published; run it again',
    });
  return keepsTime(stored, attributes) ? stored : settleTime(path, attributes, context);
}

function keepsTime(stored: Stat, { mtime }: Attributes): boolean {
  return (
    mtime === undefined ||
    (stored.mtime !== undefined && comparable(stored.mtime, 1) === comparable(mtime, 1))
  );
}

/** The mtime did not stay as it was set: set by path, after the close; if that doesn't hold, this side keeps none. */
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
