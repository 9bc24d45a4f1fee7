/**
 * Copies one file: writes it under a temporary name beside the final one, checks size and mtime,
 * checks that the source has not changed, then replaces the final name. At every moment the final
 * name holds the complete old file, the complete new file, or nothing if there was none.
 * docs/how-files-are-copied.md describes it for users.
 */
import type { Attributes, Stat } from '../../../core/entry.js';
import { promised } from '../../../core/promised.js';
import type { Handle, WholeFile } from '../../../endpoints/endpoint.js';
import { untilNotGivingWay } from '../../../endpoints/give-way.js';
import { precisionOf } from '../plan-rules.js';
import { largestChunkBytes, moveChunks, requestsFor } from './chunks.js';
import { hashOf } from './content.js';
import type { CopyContext, CopyRequest } from './copy-context.js';
import { deniedAt } from './denied.js';
import { finish } from './finish.js';
import { type Sent, type Staged, stage } from './stage.js';
import { publish, type TemporaryFile } from './temporary.js';
import { changed, checkSource, sizeOf } from './unchanged.js';

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
export function copyFile(request: CopyRequest, context: CopyContext): Promise<Staged> {
  return stageFile(request, context).then((staged) => {
    const markPublished = beforePublishing(request, staged, context);
    return publish(staged, request, context).then(() => {
      markPublished();
      return staged;
    });
  });
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
export function stageFile(request: CopyRequest, context: CopyContext): Promise<Staged> {
  const { source, destination, signal } = context;
  if (source === destination && destination.can.copyData)
    return untilNotGivingWay(signal, () => stageWithin(request, context));
  const { size } = request.source;
  const inChunks = () => untilNotGivingWay(signal, () => stageChunks(request, context));
  // one byte more than its size is requested, so that the only read reaches its end
  if (size === undefined || size >= chunkBytes(context)) return inChunks();
  return stageWhole(request, size, context).then((staged) => staged ?? inChunks());
}

/**
 * Copies a file that fits into one request, in as few round trips as the sides allow; undefined if it is one that may grow (`live`) and did.
 * Thousands of small files take these steps, so that each goes on from the last one's answer without a function of its own that waits.
 */
function stageWhole(
  request: CopyRequest,
  size: number,
  context: CopyContext,
): Promise<Staged | undefined> {
  const { budget } = context;
  const begin = () =>
    promised(() => readAndStage(request, size, context)).then(
      (staged) => {
        budget.give(size);
        return staged;
      },
      (error) => {
        budget.give(size);
        throw error;
      },
    );
  return budget.tryTake(size) ? begin() : budget.take(size).then(begin);
}

function readAndStage(
  request: CopyRequest,
  size: number,
  context: CopyContext,
): Promise<Staged | undefined> {
  const { source, buffers, signal, pass } = context;
  const read = () => {
    const buffer = buffers.take(size + 1);
    const readAt = Date.now();
    return source.readWhole(request.from, buffer.subarray(0, size + 1), signal).then(
      (whole) => stageRead(request, size, { ...whole, buffer, readAt }, context),
      (error) => {
        throw deniedAt(source, request.from, 'read', error);
      },
    );
  };
  return pass === undefined ? read() : pass(size).then(read);
}

/** A small file that was read. */
interface Read extends WholeFile {
  readonly buffer: Buffer;
  readonly readAt: number;
}

function stageRead(
  request: CopyRequest,
  size: number,
  read: Read,
  context: CopyContext,
): Promise<Staged> | undefined {
  const { buffers, rules } = context;
  const { buffer, readAt } = read;
  const before = read.before ?? request.source;
  if ((read.after.size ?? 0) > size && context.isLive?.(request.path)) {
    buffers.give(buffer);
    return undefined;
  }
  if (sizeOf(before, request) !== size) throw changed('it changed before it was read');
  checkSource(before, read.after, false);
  if (read.bytes !== size) throw changed('it holds more or less than its reported size');
  const data = buffer.subarray(0, size);
  const send = (target: TemporaryFile, attributes: Attributes) =>
    finish(target, attributes, size, context, data).then((stored) => {
      context.onBytes(size);
      const hash = rules.verify === 'checksum' ? hashOf(data) : undefined;
      return { stored, hash, grew: false };
    });
  return stage(request, { before, readAt }, context, send).then((staged) => {
    buffers.give(buffer); // after an error it may still be in use
    return staged;
  });
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
