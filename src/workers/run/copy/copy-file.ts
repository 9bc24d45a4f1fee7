/**
 * How one file is written: a temporary name beside the final one, chunks many in flight, size and
 * mtime checked, the source looked at again, then the final name replaced. At every instant the
 * final name holds the whole old bytes, the whole new bytes, or nothing where nothing was.
 * docs/files-and-deletions.md tells it for people.
 */
import type { Attributes, Stat } from '../../../core/entry.js';
import { FerryError } from '../../../core/errors.js';
import type { Handle } from '../../../endpoints/endpoint.js';
import { doubtfulUntil } from '../../../jobs/plan/doubt.js';
import { fingerprint } from '../fingerprint.js';
import { precisionOf } from '../plan-rules.js';
import { largestChunk, moveChunks, requestsFor } from './chunks.js';
import { hashOf, hashOfFile, sameContent } from './content.js';
import type { Copied, CopyContext, CopyRequest } from './copy-context.js';
import { attributesFor, finish } from './finish.js';
import { openTemporary, publish, resumeAbove, type TemporaryFile } from './temporary.js';

/** Bytes moved in one request. */
function chunkSize({ source, destination }: CopyContext): number {
  return Math.min(source.can.maxRead, destination.can.maxWrite, largestChunk);
}

/** Chunks of one file in flight: bytes enough for some 400 MB/s at 50 ms, and on a short line few enough to stay in the caches; reading takes more, since the server reads ahead of what it is asked. */
function chunksAtOnce(context: CopyContext): number {
  const { source, destination } = context;
  const roundTrip = Math.max(source.can.roundTrip, destination.can.roundTrip);
  const least = source.can.roundTrip > 0 ? 16 : 4;
  const ofTheLargest = Math.max(least, Math.min(80, Math.round(2 * roundTrip)));
  return requestsFor(ofTheLargest * largestChunk, chunkSize(context));
}

/** Copies one file and publishes it under its final name. */
export async function copyFile(request: CopyRequest, context: CopyContext): Promise<Copied> {
  const staged = await stageFile(request, context);
  const stands = beforePublishing(request, staged, context);
  await publish(staged.temporary, request, context, staged.mark);
  stands();
  return staged;
}

export interface Staged extends Copied {
  /** The complete file's temporary path at the destination. */
  readonly temporary: string;
  readonly mark: string;
  /** When reading began, before the first byte, ms since the epoch. */
  readonly readAt: number;
}

/** Before a staged file is published: says what it holds, since its mtime may not vouch for it. Call what comes back once it stands. */
export function beforePublishing(
  { path, from }: Pick<CopyRequest, 'path' | 'from'>,
  { source, readAt }: Staged,
  context: CopyContext,
): () => void {
  const { can } = context.destination;
  const stands = context.doubts?.publishing(path, {
    from,
    source,
    readAt,
    writtenAt: Date.now(),
    precision: precisionOf(context.source.can, can),
    keepsMtime: can.setStat !== 'none',
  });
  return stands ?? (() => {});
}

/** Brings one file to the destination under a temporary name, complete and checked. */
export function stageFile(request: CopyRequest, context: CopyContext): Promise<Staged> {
  const { size } = request.source;
  // a byte more is asked for than it has, so that the only read shows its end
  return size !== undefined && size < chunkSize(context)
    ? stageWhole(request, size, context)
    : stageChunks(request, context);
}

/** A file that fits one request: all of it in as few round trips as the sides allow. */
async function stageWhole(
  request: CopyRequest,
  size: number,
  context: CopyContext,
): Promise<Staged> {
  const { source, budget, buffers, signal, rules } = context;
  if (!budget.tryTake(size)) await budget.take(size);
  try {
    if (context.pass !== undefined) await context.pass(size);
    const buffer = buffers.take(size + 1);
    const readAt = Date.now();
    const read = await source.readWhole(request.from, buffer.subarray(0, size + 1), signal);
    const before = read.before ?? request.source;
    if (sizeOf(before, request) !== size) throw changed('it changed before it was read');
    checkSource(before, read.after);
    if (read.bytes !== size) throw changed('it holds more or less than its size tells');
    const data = buffer.subarray(0, size);
    const staged = await stage(request, before, readAt, context, async (target, attributes) => {
      const stored = await finish(target, attributes, size, context, data);
      context.onBytes(size);
      return { stored, hash: rules.verify === 'checksum' ? hashOf(data) : undefined };
    });
    buffers.give(buffer); // after an error it may still be on its way
    return staged;
  } finally {
    budget.give(size);
  }
}

/** A larger file: chunk by chunk, from where an earlier try left off. */
async function stageChunks(request: CopyRequest, context: CopyContext): Promise<Staged> {
  const { source, signal, largeFiles } = context;
  const readAt = Date.now();
  const from = await source.open(request.from, 'read', 0, signal);
  try {
    // a local look costs nothing; a remote one a round trip, and the scan's is as good
    const known = source.can.roundTrip > 0 && request.source.size !== undefined;
    const before: Stat = known ? request.source : await from.stat(signal);
    const size = sizeOf(before, request);
    await largeFiles.take(1);
    try {
      return await stage(request, before, readAt, context, (target, attributes) =>
        sendChunks(from, target, before, size, attributes, context),
      );
    } finally {
      largeFiles.give(1);
    }
  } finally {
    from.close().catch(() => {}); // nothing was written through it
  }
}

/** The size of what is to be read; an error where it is no file, or has no known end. */
function sizeOf(before: Stat, request: CopyRequest): number {
  if (before.kind !== 'file')
    throw new FerryError('changed', `it is a ${before.kind} now`, { path: request.from });
  if (before.size === undefined)
    throw new FerryError('io', 'the server does not tell its size, so its end is not known', {
      path: request.from,
      hint: 'nothing was published; fetch it from a server that tells sizes',
    });
  return before.size;
}

interface Sent {
  /** SHA-256 of what was read, where it was read in one go and is asked for. */
  readonly hash: string | undefined;
  /** The temporary file as the destination tells it at the end. */
  readonly stored: Stat | undefined;
}

/** Makes the temporary file, has `send` fill and end it, and checks it. */
async function stage(
  request: CopyRequest,
  before: Stat,
  readAt: number,
  context: CopyContext,
  send: (target: TemporaryFile, attributes: Attributes) => Promise<Sent>,
): Promise<Staged> {
  const { source, destination, rules } = context;
  const { path } = request;
  const size = before.size ?? 0;
  const mark = fingerprint([
    source.label,
    source.root,
    destination.label,
    destination.root,
    path,
    size,
    before.mtime,
    // bytes read while a change might not show are no beginning for what a later run reads
    before.identity ?? (mayChangeUnseen(before, context) ? rules.start : undefined),
  ]);
  const target = await openTemporary(request, mark, size, context);
  try {
    const sent = await send(target, attributesFor(before, request.destination, rules.modes));
    const verified =
      rules.verify === 'checksum'
        ? await verify(request, target, sent, context)
        : sent.stored?.size === undefined
          ? 'none'
          : 'size';
    return { bytes: size, verified, source: before, temporary: target.path, mark, readAt };
  } catch (error) {
    await target.handle.close().catch(() => {});
    if (size > resumeAbove && isPassing(error)) context.leftovers.set(mark, [target.path]);
    else context.orphans.add(target.path);
    throw error;
  }
}

/** The same for all tries of a run, so that a later one goes on with what an earlier one left. */
function mayChangeUnseen({ mtime }: Stat, context: CopyContext): boolean {
  const { start } = context.rules;
  const precision = precisionOf(context.source.can, context.destination.can);
  return mtime !== undefined && start < doubtfulUntil(mtime, start, precision);
}

/** Errors after which the same bytes can be gone on with. */
function isPassing(error: unknown): boolean {
  return !(error instanceof FerryError) || error.kind === 'network' || error.kind === 'timeout';
}

async function sendChunks(
  from: Handle,
  target: TemporaryFile,
  before: Stat,
  size: number,
  attributes: Attributes,
  context: CopyContext,
): Promise<Sent> {
  const { signal, rules } = context;
  if (target.start > 0) context.onBytes(target.start);
  let arrived = target.start;
  try {
    const hash = await moveChunks({
      from,
      to: target.handle,
      start: target.start,
      size,
      chunk: chunkSize(context),
      atOnce: chunksAtOnce(context),
      budget: context.budget,
      pass: context.pass,
      hash: rules.verify === 'checksum' && target.start === 0,
      signal,
      onBytes: (bytes) => {
        arrived += bytes;
        context.onBytes(bytes);
      },
    });
    checkSource(before, await from.stat(signal));
    const stored = await finish(target, attributes, size, context, undefined);
    return { hash, stored };
  } catch (error) {
    context.onBytes(-arrived);
    throw error;
  }
}

/** The source must be what it was when reading began. */
function checkSource(before: Stat, after: Stat): void {
  const same =
    before.size === after.size &&
    before.mtime === after.mtime &&
    (before.identity === undefined ||
      after.identity === undefined ||
      before.identity === after.identity);
  if (!same) throw changed('it changed while it was read');
}

function changed(message: string): FerryError {
  return new FerryError('changed', message, {
    hint: 'nothing of it was published; it is sent whole once it holds still',
  });
}

/** Makes sure that the stored bytes are those that were read. */
async function verify(
  request: CopyRequest,
  target: TemporaryFile,
  sent: Sent,
  context: CopyContext,
): Promise<'checksum'> {
  const { source, destination, signal } = context;
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
