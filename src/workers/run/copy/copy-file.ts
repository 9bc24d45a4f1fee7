/**
 * Copies one file: writes it under a temporary name beside the final one, checks size and mtime,
 * checks that the source has not changed, then replaces the final name. At every moment the final
 * name holds the complete old file, the complete new file, or nothing if there was none.
 * docs/how-files-are-copied.md describes it for users.
 */
import type { Attributes, Stat } from '../../../core/entry.js';
import { FerryError } from '../../../core/errors.js';
import type { Handle } from '../../../endpoints/endpoint.js';
import { untilNotGivingWay } from '../../../endpoints/give-way.js';
import { doubtfulUntil } from '../../../jobs/plan/doubt.js';
import { precisionOf } from '../plan-rules.js';
import { largestChunkBytes, moveChunks, requestsFor } from './chunks.js';
import { hashOf, hashOfFile, sameContent } from './content.js';
import type { Copied, CopyContext, CopyRequest } from './copy-context.js';
import { deniedAt } from './denied.js';
import { attributesFor, finish } from './finish.js';
import { openTemporary, publish, resumeAboveBytes, type TemporaryFile } from './temporary.js';
import { markOf } from './temporary-names.js';

/** Bytes moved in one request. */
function chunkBytes({ source, destination }: CopyContext): number {
  return Math.min(source.can.maxRead, destination.can.maxWrite, largestChunkBytes);
}

/** Chunks of all large files in flight: enough bytes for about 400 MB/s at 50 ms, and few enough at a short round trip to stay in the CPU caches. Reading from a server takes more, since the server reads ahead of the requests. */
function chunksAtOnce(context: CopyContext): number {
  const { source, destination } = context;
  const roundTrip = Math.max(source.can.roundTrip, destination.can.roundTrip);
  const least = source.can.roundTrip > 0 ? 16 : 4;
  const ofTheLargest = Math.max(least, Math.min(80, Math.round(2 * roundTrip)));
  return requestsFor(ofTheLargest * largestChunkBytes, chunkBytes(context));
}

/** Copies one file and publishes it under its final name. */
export async function copyFile(request: CopyRequest, context: CopyContext): Promise<Staged> {
  const staged = await stageFile(request, context);
  const markPublished = beforePublishing(request, staged, context);
  await publish(staged, request, context);
  markPublished();
  return staged;
}

export interface Staged extends Copied {
  /** The temporary path of the complete file at the destination. */
  readonly temporary: string;
  /** The temporary file's stat once it was complete. */
  readonly stored: Stat | undefined;
  /** The fingerprint in its temporary names. */
  readonly mark: string;
  /** When reading began, before the first byte, ms since the epoch. */
  readonly readAt: number;
  /** The mtime that the destination has stored, seconds. */
  readonly storedMtime: number | undefined;
}

/** Records the copy as in doubt before the rename. Call the returned function once the file has its final name. */
export function beforePublishing(
  { path, from }: Pick<CopyRequest, 'path' | 'from'>,
  { source, readAt, storedMtime, grew }: Staged,
  context: CopyContext,
): () => void {
  const { can } = context.destination;
  const reading = {
    from,
    source,
    readAt,
    writtenAt: Date.now(),
    precision: precisionOf(context.source.can, can),
    keepsMtime: can.setStat !== 'none',
  };
  const markProven = context.doubts?.publishing(path, reading);
  return () => {
    context.times?.published(path, source.mtime, storedMtime);
    if (!grew) context.origins?.copied({ path, from }, source, reading, storedMtime);
    markProven?.();
  };
}

/** Copies one file to a temporary name at the destination, complete and checked. */
export async function stageFile(request: CopyRequest, context: CopyContext): Promise<Staged> {
  const { source, destination } = context;
  const { signal } = context;
  if (source === destination && destination.can.copyData)
    return untilNotGivingWay(signal, () => stageWithin(request, context));
  const { size } = request.source;
  // one byte more than its size is requested, so that the only read reaches its end
  if (size !== undefined && size < chunkBytes(context)) {
    const staged = await stageWhole(request, size, context);
    if (staged !== undefined) return staged;
  }
  return untilNotGivingWay(signal, () => stageChunks(request, context));
}

/** Copies a file that fits into one request, in as few round trips as the sides allow; undefined if it is one that may grow (`live`) and did. */
async function stageWhole(
  request: CopyRequest,
  size: number,
  context: CopyContext,
): Promise<Staged | undefined> {
  const { source, budget, buffers, signal, rules } = context;
  if (!budget.tryTake(size)) await budget.take(size);
  try {
    if (context.pass !== undefined) await context.pass(size);
    const buffer = buffers.take(size + 1);
    const readAt = Date.now();
    const reading = source.readWhole(request.from, buffer.subarray(0, size + 1), signal);
    const read = await reading.catch((error) => {
      throw deniedAt(source, request.from, 'read', error);
    });
    const before = read.before ?? request.source;
    if ((read.after.size ?? 0) > size && context.isLive?.(request.path)) {
      buffers.give(buffer);
      return undefined;
    }
    if (sizeOf(before, request) !== size) throw changed('it changed before it was read');
    checkSource(before, read.after, false);
    if (read.bytes !== size) throw changed('it holds more or less than its reported size');
    const data = buffer.subarray(0, size);
    const staged = await stage(request, { before, readAt }, context, async (target, attributes) => {
      const stored = await finish(target, attributes, size, context, data);
      context.onBytes(size);
      const hash = rules.verify === 'checksum' ? hashOf(data) : undefined;
      return { stored, hash, grew: false };
    });
    buffers.give(buffer); // after an error it may still be in use
    return staged;
  } finally {
    budget.give(size);
  }
}

/** Copies a larger file chunk by chunk, resuming an earlier try. */
async function stageChunks(request: CopyRequest, context: CopyContext): Promise<Staged> {
  const { source, signal, largeFiles } = context;
  const readAt = Date.now();
  const from = await source.open(request.from, 'read', 0, signal).catch((error) => {
    throw deniedAt(source, request.from, 'read', error);
  });
  let isOpen = true;
  const close = () => {
    if (isOpen) from.close().catch(() => {}); // it was only read from
    isOpen = false;
  };
  try {
    // a local stat is cheap; a remote one costs a round trip, and the scan's stat is as good, unless the file grows
    const mayGrow = context.isLive?.(request.path) === true;
    const known = source.can.roundTrip > 0 && request.source.size !== undefined && !mayGrow;
    const before: Stat = known ? request.source : await from.stat(signal);
    const size = sizeOf(before, request);
    await largeFiles.take(1);
    try {
      const reading = { before, readAt, beside: from };
      return await stage(request, reading, context, (target, attributes) =>
        sendChunks({ from, close, target, before, size, attributes, mayGrow }, context),
      );
    } finally {
      largeFiles.give(1);
    }
  } finally {
    close();
  }
}

/** Lets a side copy its own file. */
async function stageWithin(request: CopyRequest, context: CopyContext): Promise<Staged> {
  const { destination, signal, largeFiles } = context;
  const readAt = Date.now();
  const before = await destination.stat(request.from, signal);
  if (before === undefined) throw changed('it was removed before it was read');
  const size = sizeOf(before, request);
  await largeFiles.take(1);
  try {
    return await stage(request, { before, readAt }, context, async (target, attributes) => {
      checkSource(before, await target.handle.copyFrom(request.from, size, signal), false);
      const stored = await finish(target, attributes, size, context, undefined);
      return { stored, hash: undefined, grew: false };
    });
  } finally {
    largeFiles.give(1);
  }
}

/** The size of the file to be read; throws if it is no file or its size is unknown. */
function sizeOf(before: Stat, request: CopyRequest): number {
  if (before.kind !== 'file')
    throw new FerryError('changed', `it is now a ${before.kind}`, { path: request.from });
  if (before.size === undefined)
    throw new FerryError(
      'io',
      "the server does not report its size, so a complete copy can't be proven",
      {
        path: request.from,
        hint: 'nothing was changed; copy it from a server that reports sizes',
      },
    );
  return before.size;
}

interface Sent {
  /** The SHA-256 of the bytes read, if it was requested and they were read from the beginning. */
  readonly hash: string | undefined;
  /** The destination's stat of the finished temporary file. */
  readonly stored: Stat | undefined;
  readonly grew: boolean;
}

interface Reading {
  /** The source's attributes before its first byte is read. */
  readonly before: Stat;
  /** When reading began, ms since the epoch. */
  readonly readAt: number;
  /** The source's handle, if it is open meanwhile. */
  readonly beside?: Handle;
}

/** Makes the temporary file, lets `send` fill and finish it, and verifies it. */
async function stage(
  request: CopyRequest,
  { before, readAt, beside }: Reading,
  context: CopyContext,
  send: (target: TemporaryFile, attributes: Attributes) => Promise<Sent>,
): Promise<Staged> {
  const { rules } = context;
  const { path } = request;
  const size = before.size ?? 0;
  // a later run must not resume bytes that were read while a change might not show
  const identity = before.identity ?? (mayChangeUnseen(before, context) ? rules.start : undefined);
  const mark = markOf(context.writer, [path, size, before.mtime, identity]);
  const target = await openTemporary(request, mark, size, context, beside);
  try {
    const sent = await send(target, attributesFor(before, request.destination, rules.modes));
    const verified =
      rules.verify === 'checksum'
        ? await verify(request, target, size, sent, context)
        : sent.stored?.size === undefined
          ? 'none'
          : 'size';
    const { grew, stored } = sent;
    return {
      bytes: size,
      verified,
      source: before,
      grew,
      temporary: target.path,
      stored,
      mark,
      readAt,
      storedMtime: sent.stored?.mtime,
    };
  } catch (error) {
    await target.handle.close().catch(() => {});
    if (size > resumeAboveBytes && isPassing(error)) context.leftovers.set(mark, [target.path]);
    else context.orphans.add(target.path);
    throw error;
  }
}

/** Whether the file may change without a new mtime. The answer is the same for all tries of a run, so that a later try can resume an earlier one. */
function mayChangeUnseen({ mtime }: Stat, context: CopyContext): boolean {
  const { start } = context.rules;
  const precision = precisionOf(context.source.can, context.destination.can);
  return mtime !== undefined && start < doubtfulUntil(mtime, start, precision);
}

/** Whether the temporary file can be resumed after this error. */
function isPassing(error: unknown): boolean {
  return !(error instanceof FerryError) || error.kind === 'network' || error.kind === 'timeout';
}

interface Sending {
  readonly from: Handle;
  /** Closes it: what follows may need to open another file. */
  readonly close: () => void;
  readonly target: TemporaryFile;
  /** The source's attributes before its first byte is read. */
  readonly before: Stat;
  readonly size: number;
  readonly attributes: Attributes;
  /** Whether it may grow while it is read (`live`). */
  readonly mayGrow: boolean;
}

async function sendChunks(sending: Sending, context: CopyContext): Promise<Sent> {
  const { from, close, target, before, size, attributes, mayGrow } = sending;
  const { signal, rules } = context;
  if (target.start > 0) context.onBytes(target.start);
  let arrived = target.start;
  try {
    const hash = await moveChunks({
      from,
      to: target.handle,
      start: target.start,
      size,
      chunk: chunkBytes(context),
      get atOnce() {
        return chunksAtOnce(context);
      },
      flight: context.flight,
      budget: context.budget,
      buffers: context.buffers,
      get pass() {
        return context.pass;
      },
      hash: rules.verify === 'checksum' && target.start === 0,
      fsync: rules.fsync,
      signal,
      onBytes: (bytes) => {
        arrived += bytes;
        context.onBytes(bytes);
      },
    });
    const grew = checkSource(before, await from.stat(signal), mayGrow);
    close();
    const stored = await finish(target, attributes, size, context, undefined);
    return { hash, stored, grew };
  } catch (error) {
    context.onBytes(-arrived);
    throw error;
  }
}

/** Whether a file has become longer and shows no sign of having been rewritten. */
export function onlyGrew(
  before: Pick<Stat, 'size' | 'mtime'>,
  after: Pick<Stat, 'size' | 'mtime'>,
): boolean {
  const { size, mtime } = before;
  if (size === undefined || after.size === undefined || after.size <= size) return false;
  return mtime === undefined || after.mtime === undefined || after.mtime >= mtime;
}

/** Whether the source grew while it was read, if it may; throws if it changed in any other way. */
function checkSource(before: Stat, after: Stat, mayGrow: boolean): boolean {
  const same =
    before.size === after.size &&
    before.mtime === after.mtime &&
    (before.identity === undefined ||
      after.identity === undefined ||
      before.identity === after.identity);
  if (same) return false;
  if (mayGrow && onlyGrew(before, after)) return true;
  throw changed('it changed while it was read');
}

function changed(message: string): FerryError {
  return new FerryError('changed', message, {
    hint: 'the destination was not changed; the next run tries again',
  });
}

/** Throws unless the stored bytes are those that were read. */
async function verify(
  request: CopyRequest,
  target: TemporaryFile,
  size: number,
  sent: Sent,
  context: CopyContext,
): Promise<'checksum'> {
  const { source, destination, signal, pass } = context;
  // a file that may grow is longer by now
  const whole = { pass, ...(context.isLive?.(request.path) ? { limit: size } : { size }) };
  const same =
    sent.hash === undefined
      ? await sameContent(source, request.from, destination, target.path, signal, whole)
      : sent.hash === (await hashOfFile(destination, target.path, size, signal, pass));
  // a server shows no sign of a change whose mtime was put back, so that its file is read once more
  if (same && sent.hash !== undefined && source.can.roundTrip > 0) {
    const again = await sameContent(
      ...([source, request.from, destination, target.path, signal, whole] as const),
    );
    if (!again) throw changed('its bytes changed while it was read, although its mtime did not');
  }
  if (!same)
    throw new FerryError('io', 'the destination stored other bytes than were sent', {
      path: request.path,
      hint: 'the final name was not changed; check the disk and memory of the destination',
    });
  return 'checksum';
}
