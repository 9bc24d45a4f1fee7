/** The end of a file at the destination: its attributes, sync, close, and a look at what is stored. */
import type { Attributes, Stat } from '../core/entry.js';
import { FerryError } from '../core/errors.js';
import { comparable } from '../jobs/compare.js';
import type { Modes } from '../jobs/job.js';
import type { Seen } from '../jobs/plan.js';
import type { CopyContext } from './copy-context.js';
import type { Target } from './temporary.js';

/** What the new file is to carry. */
export function attributesFor(source: Stat, old: Seen | undefined, modes: Modes): Attributes {
  const time = source.mtime === undefined ? {} : { mtime: source.mtime };
  if (modes === 'source') return { ...time, mode: source.mode & 0o777 };
  if (modes !== 'server') return { ...time, mode: modes.files };
  return old?.kind === 'file' ? { ...time, mode: old.mode & 0o777 } : time;
}

/**
 * The last steps at the destination: the data of a small file, attributes, sync, close, and a look
 * at what is there now. One round trip where the side keeps order. Returns what is stored, its
 * size and mtime checked.
 */
export async function finish(
  target: Target,
  attributes: Attributes,
  before: Stat,
  context: CopyContext,
  data: Buffer | undefined,
): Promise<Stat | undefined> {
  const { destination, rules, signal } = context;
  const { can } = destination;
  const { handle, path } = target;
  const sync = rules.fsync && can.fsync;
  let stored: Stat | undefined;
  if (can.setStat === 'pipelined') {
    const writing =
      data === undefined || data.length === 0 ? nothing : handle.write(data, 0, signal);
    const setting = handle.setStat(attributes, signal).catch(refused);
    const syncing = sync ? handle.sync(signal) : nothing;
    const looking = handle.stat(signal);
    [, , , stored] = await all(writing, setting, syncing, looking, handle.close());
  } else {
    if (data !== undefined && data.length > 0) await handle.write(data, 0, signal);
    if (can.setStat === 'handle') await handle.setStat(attributes, signal).catch(refused);
    if (sync) await handle.sync(signal);
    await handle.close();
    if (can.setStat === 'path') await destination.setStat(path, attributes, signal).catch(refused);
    stored = await destination.stat(path, signal);
  }
  if (stored === undefined)
    throw new FerryError('io', 'the temporary file is gone before it was published', { path });
  if (stored.size !== undefined && stored.size !== (before.size ?? 0))
    throw new FerryError('io', `${stored.size} bytes stand there instead of ${before.size}`, {
      path,
      hint: 'nothing was published; run it again',
    });
  return keepsTime(stored, attributes) ? stored : settleTime(target, attributes, context);
}

const nothing = Promise.resolve();

/** A refused setstat does not fail the file: what counts is what is stored afterwards. */
function refused(error: unknown): void {
  const code = error instanceof FerryError && error.kind === 'io' ? error.code : undefined;
  if (code === undefined || ['ENOENT', 'ENOSPC', 'EIO'].includes(code)) throw error;
}

function keepsTime(stored: Stat, { mtime }: Attributes): boolean {
  return (
    mtime === undefined ||
    (stored.mtime !== undefined && comparable(stored.mtime, 1) === comparable(mtime, 1))
  );
}

/** The mtime did not stay as it was set: set by path, after the close; if that doesn't hold, this side keeps none. */
async function settleTime(
  { path }: Target,
  attributes: Attributes,
  { destination, signal }: CopyContext,
): Promise<Stat | undefined> {
  const { can } = destination;
  if (can.setStat === 'none') return destination.stat(path, signal);
  can.setStat = 'path';
  await destination.setStat(path, attributes, signal).catch(refused);
  const stored = await destination.stat(path, signal);
  if (stored === undefined || !keepsTime(stored, attributes)) {
    can.setStat = 'none';
    if (stored?.mtime !== undefined) can.clockOffset = stored.mtime - Date.now() / 1000;
  }
  return stored;
}

/** All of them, settled before the first error is thrown: nothing goes on behind the caller's back. */
export async function all<T extends readonly Promise<unknown>[]>(
  ...promises: T
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  try {
    return await Promise.all(promises);
  } catch (first) {
    for (const result of await Promise.allSettled(promises))
      if (result.status === 'rejected') throw result.reason;
    throw first;
  }
}
