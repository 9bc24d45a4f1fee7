/**
 * How one file is written: a temporary name beside the final one, chunks many in flight, size and
 * mtime checked, the source looked at again, then the final name replaced. At every instant the
 * final name holds the whole old bytes, the whole new bytes, or nothing where nothing was.
 * docs/how-a-file-is-written.md tells it for people.
 */
import type { Attributes, Stat } from '../core/entry.js';
import { FerryError } from '../core/errors.js';
import type { Endpoint, Handle } from '../endpoints/endpoint.js';
import { comparable } from '../jobs/compare.js';
import type { Modes } from '../jobs/job.js';
import type { Seen } from '../jobs/plan.js';
import { moveChunks, resumeWindow } from './chunks.js';
import { hashOf, hashOfFile, sameContent } from './content.js';
import type { Budget, Throttle } from './limit.js';
import { asidePath, fingerprint, temporaryPath } from './names.js';

export interface CopyRules {
  readonly modes: Modes;
  readonly verify: 'size' | 'checksum';
  readonly fsync: boolean;
  /** When the run started, ms since the epoch; part of temporary names. */
  readonly start: number;
}

export interface CopyContext {
  readonly source: Endpoint;
  readonly destination: Endpoint;
  readonly rules: CopyRules;
  /** Bytes in flight over all files. */
  readonly budget: Budget;
  readonly throttles: readonly Throttle[];
  readonly signal: AbortSignal;
  /** Told of each chunk that has arrived, bytes; negative when a file starts anew. */
  readonly onBytes: (bytes: number) => void;
  /** Temporary files of earlier runs by fingerprint, to go on with; taken out when claimed. */
  readonly leftovers: Map<string, string>;
  /** Temporary files nobody will go on with, to be removed when the run ends. */
  readonly orphans: Set<string>;
}

export interface CopyRequest {
  readonly path: string;
  /** The source's path. */
  readonly from: string;
  readonly source: Seen;
  /** What the final name held when it was scanned. */
  readonly destination: Seen | undefined;
}

export interface Copied {
  readonly bytes: number;
  readonly verified: 'checksum' | 'size' | 'none';
  /** The source as it was when its bytes were read. */
  readonly source: Stat;
}

/** A file above this is gone on with after a cut; below, it is sent again. */
const resumeAbove = 8 * 1024 * 1024;

/** Bytes moved in one request where both sides take as much. */
const largestChunk = 255 * 1024;

/** Chunks of one file in flight: enough to fill a line of 40 MB/s or so for a round trip, and few enough to stay in the caches on a short one. */
function chunksAtOnce({ source, destination }: CopyContext): number {
  const roundTrip = Math.max(source.can.roundTrip, destination.can.roundTrip);
  return roundTrip < 5 ? 16 : 96;
}

/** Copies one file and publishes it under its final name. */
export async function copyFile(request: CopyRequest, context: CopyContext): Promise<Copied> {
  const staged = await stageFile(request, context);
  await publish(staged.temporary, request, context, staged.mark);
  return staged;
}

export interface Staged extends Copied {
  /** The complete file's temporary path at the destination. */
  readonly temporary: string;
  readonly mark: string;
}

/** Brings one file to the destination under a temporary name, complete and checked. */
export async function stageFile(request: CopyRequest, context: CopyContext): Promise<Staged> {
  const from = await context.source.open(request.from, 'read', 0, context.signal);
  try {
    return await stageFrom(from, request, context);
  } finally {
    from.close().catch(() => {}); // nothing was written through it
  }
}

async function stageFrom(
  from: Handle,
  request: CopyRequest,
  context: CopyContext,
): Promise<Staged> {
  const { source, destination, rules, signal } = context;
  const { path } = request;
  // a local stat costs nothing; a remote one a round trip, and the scan's is as good
  const before: Stat = source.can.roundTrip === 0 ? await from.stat(signal) : request.source;
  if (before.kind !== 'file')
    throw new FerryError('changed', `it is a ${before.kind} now`, { path: request.from });
  const mark = fingerprint([
    source.label,
    source.root,
    destination.label,
    destination.root,
    path,
    before.size,
    before.mtime,
    before.identity,
  ]);
  const size = before.size ?? 0;
  const attributes = attributesFor(before, request.destination, rules.modes);
  const small = size <= Math.min(source.can.maxRead, destination.can.maxWrite, largestChunk);
  const target = await openTemporary(request, mark, size, context);
  let resumable = false;
  try {
    const sent =
      small && target.start === 0
        ? await sendWhole(from, target, before, attributes, context)
        : await sendChunks(from, target, before, attributes, context, () => {
            resumable = size > resumeAbove;
          });
    await checkSource(before, sent.after, request.from);
    const verified = await verify(request, target, sent, context);
    return { bytes: size, verified, source: before, temporary: target.path, mark };
  } catch (error) {
    await target.handle.close().catch(() => {});
    if (resumable && isPassing(error)) context.leftovers.set(mark, target.path);
    else context.orphans.add(target.path);
    throw error;
  }
}

/** Errors after which the same bytes can be gone on with. */
function isPassing(error: unknown): boolean {
  return !(error instanceof FerryError) || error.kind === 'network';
}

interface Target {
  readonly path: string;
  readonly handle: Handle;
  /** Where to go on, bytes: what lies before is known to be there. */
  readonly start: number;
}

async function openTemporary(
  request: CopyRequest,
  mark: string,
  size: number,
  context: CopyContext,
): Promise<Target> {
  const { destination, rules, signal, leftovers } = context;
  const path = temporaryPath(request.path, mark, rules.start);
  const leftover = leftovers.get(mark);
  if (leftover !== undefined) {
    leftovers.delete(mark);
    const claimed = size > resumeAbove ? await claim(leftover, path, size, context) : undefined;
    if (claimed !== undefined) return claimed;
    context.orphans.add(leftover);
  }
  // readable by nobody else until it has the mode it is to have
  const permissions = rules.modes === 'server' ? 0o666 : 0o600;
  const handle = await destination.open(path, 'create', permissions, signal);
  return { path, handle, start: 0 };
}

/** Makes an earlier run's temporary file ours, where it is a plain file with something in it. */
async function claim(
  leftover: string,
  path: string,
  size: number,
  { destination, signal }: CopyContext,
): Promise<Target | undefined> {
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

/** What the new file is to carry. */
function attributesFor(source: Stat, old: Seen | undefined, modes: Modes): Attributes {
  const time = source.mtime === undefined ? {} : { mtime: source.mtime };
  if (modes === 'source') return { ...time, mode: source.mode & 0o777 };
  if (modes !== 'server') return { ...time, mode: modes.files };
  return old?.kind === 'file' ? { ...time, mode: old.mode & 0o777 } : time;
}

interface Sent {
  /** The source as it was after its last byte was read. */
  readonly after: Stat;
  /** SHA-256 of what was read, where it was read in one go and is asked for. */
  readonly hash: string | undefined;
  /** The temporary file as the destination tells it at the end. */
  readonly stored: Stat | undefined;
}

/** A file that fits one request: read at once, then everything about it in as few round trips as the side allows. */
async function sendWhole(
  from: Handle,
  target: Target,
  before: Stat,
  attributes: Attributes,
  context: CopyContext,
): Promise<Sent> {
  const { signal, budget, throttles, rules } = context;
  const size = before.size ?? 0;
  await budget.take(size);
  try {
    const data = Buffer.allocUnsafe(size);
    const [got, after] = await readWhole(from, data, context);
    if (got < size) throw changed('it became shorter while it was read');
    await checkSource(before, after, '');
    for (const throttle of throttles) await throttle.pass(size, signal);
    const stored = await finish(target, attributes, before, context, data);
    context.onBytes(size);
    return { after, stored, hash: rules.verify === 'checksum' ? hashOf(data) : undefined };
  } finally {
    budget.give(size);
  }
}

/** Reads a small file and its stat; in one go where the source keeps order. */
async function readWhole(
  from: Handle,
  data: Buffer,
  { source, signal }: CopyContext,
): Promise<[number, Stat]> {
  if (source.can.setStat === 'pipelined')
    return all(
      data.length === 0 ? Promise.resolve(0) : from.read(data, 0, signal),
      from.stat(signal),
    );
  const got = data.length === 0 ? 0 : await from.read(data, 0, signal);
  return [got, await from.stat(signal)];
}

/** A larger file: chunk by chunk, from where an earlier try left off. */
async function sendChunks(
  from: Handle,
  target: Target,
  before: Stat,
  attributes: Attributes,
  context: CopyContext,
  onStart: () => void,
): Promise<Sent> {
  const { signal, rules } = context;
  if (target.start > 0) context.onBytes(target.start);
  let arrived = target.start;
  onStart();
  try {
    const hash = await moveChunks({
      from,
      to: target.handle,
      start: target.start,
      size: before.size ?? 0,
      chunk: Math.min(context.source.can.maxRead, context.destination.can.maxWrite, largestChunk),
      atOnce: chunksAtOnce(context),
      budget: context.budget,
      throttles: context.throttles,
      hash: rules.verify === 'checksum' && target.start === 0,
      signal,
      onBytes: (bytes) => {
        arrived += bytes;
        context.onBytes(bytes);
      },
    });
    const after = await from.stat(signal);
    await checkSource(before, after, '');
    const stored = await finish(target, attributes, before, context, undefined);
    return { after, hash, stored };
  } catch (error) {
    context.onBytes(-arrived);
    throw error;
  }
}

/**
 * The last steps at the destination: the data of a small file, attributes, sync, close, and a look
 * at what is there now. One round trip where the side keeps order. Returns what is stored, its
 * size and mtime checked.
 */
async function finish(
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
    const writing = data === undefined || data.length === 0 ? nothing : handle.write(data, 0, signal);
    const setting = handle.setStat(attributes, signal).catch(refused(destination));
    const syncing = sync ? handle.sync(signal) : nothing;
    const looking = handle.stat(signal);
    [, , , stored] = await all(writing, setting, syncing, looking, handle.close());
  } else {
    if (data !== undefined && data.length > 0) await handle.write(data, 0, signal);
    if (can.setStat === 'handle')
      await handle.setStat(attributes, signal).catch(refused(destination));
    if (sync) await handle.sync(signal);
    await handle.close();
    if (can.setStat === 'path')
      await destination.setStat(path, attributes, signal).catch(refused(destination));
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

/** A refused setstat does not fail the file; the side is known from then on to set nothing that way. */
function refused(side: Endpoint): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof FerryError) || error.kind !== 'io') throw error;
    if (error.code === 'ENOENT' || error.code === 'ENOSPC' || error.code === 'EIO') throw error;
    if (side.can.setStat === 'handle' || side.can.setStat === 'pipelined')
      side.can.setStat = 'path';
    else side.can.setStat = 'none';
  };
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
  await destination.setStat(path, attributes, signal).catch(refused(destination));
  const stored = await destination.stat(path, signal);
  if (stored === undefined || !keepsTime(stored, attributes)) {
    can.setStat = 'none';
    if (stored?.mtime !== undefined) can.clockOffset = stored.mtime - Date.now() / 1000;
  }
  return stored;
}

/** The source must be what it was when reading began. */
async function checkSource(before: Stat, after: Stat, path: string): Promise<void> {
  const same =
    before.size === after.size &&
    before.mtime === after.mtime &&
    (before.identity === undefined ||
      after.identity === undefined ||
      before.identity === after.identity);
  if (!same) throw changed('it changed while it was read', path);
}

function changed(message: string, path?: string): FerryError {
  return new FerryError('changed', message, {
    ...(path ? { path } : {}),
    hint: 'nothing of it was published; it is sent whole once it holds still',
  });
}

/** Whether the stored bytes are those that were read. */
async function verify(
  request: CopyRequest,
  target: Target,
  sent: Sent,
  context: CopyContext,
): Promise<Copied['verified']> {
  const { source, destination, rules, signal } = context;
  if (rules.verify === 'size') return sent.stored?.size === undefined ? 'none' : 'size';
  const same =
    sent.hash === undefined
      ? await sameContent(source, request.from, destination, target.path, signal)
      : sent.hash === (await hashOfFile(destination, target.path, signal));
  if (!same)
    throw new FerryError('io', 'the destination stored other bytes than were sent', {
      path: request.path,
      hint: 'nothing was published; check the disk and memory of the destination',
    });
  return 'checksum';
}

/** Gives the final name to a complete temporary file. Whatever held the name before stays recoverable until then. */
export async function publish(
  temporary: string,
  { path, destination: old }: Pick<CopyRequest, 'path' | 'destination'>,
  context: CopyContext,
  mark: string,
): Promise<void> {
  const { destination, signal } = context;
  if (destination.can.atomicReplace) {
    await destination.rename(temporary, path, true, signal);
    return;
  }
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

/** All of them, settled before the first error is thrown: nothing goes on behind the caller's back. */
async function all<T extends readonly Promise<unknown>[]>(
  ...promises: T
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const results = await Promise.allSettled(promises);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  return results.map((r) => (r as PromiseFulfilledResult<unknown>).value) as never;
}
