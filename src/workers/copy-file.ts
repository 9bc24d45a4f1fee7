/**
 * How one file is written: a temporary name beside the final one, chunks many in flight, size and
 * mtime checked, the source looked at again, then the final name replaced. At every instant the
 * final name holds the whole old bytes, the whole new bytes, or nothing where nothing was.
 * docs/files-and-deletions.md tells it for people.
 */
import type { Attributes, Stat } from '../core/entry.js';
import { FerryError } from '../core/errors.js';
import type { Handle } from '../endpoints/endpoint.js';
import { moveChunks } from './chunks.js';
import { hashOf, hashOfFile, sameContent } from './content.js';
import type { Copied, CopyContext, CopyRequest } from './copy-context.js';
import { all, attributesFor, finish } from './finish.js';
import { fingerprint } from './names.js';
import { openTemporary, publish, resumeAbove, type Target } from './temporary.js';

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
  const known = source.can.roundTrip > 0 && request.source.size !== undefined;
  const before: Stat = known ? request.source : await from.stat(signal);
  if (before.kind !== 'file')
    throw new FerryError('changed', `it is a ${before.kind} now`, { path: request.from });
  if (before.size === undefined)
    throw new FerryError('io', 'the server does not tell its size, so its end is not known', {
      path: request.from,
      hint: 'nothing was published; fetch it from a server that tells sizes',
    });
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
  const { size } = before;
  const attributes = attributesFor(before, request.destination, rules.modes);
  const small = size <= Math.min(source.can.maxRead, destination.can.maxWrite, largestChunk);
  const target = await openTemporary(request, mark, size, context);
  try {
    const sent = small
      ? await sendWhole(from, target, before, attributes, context)
      : await sendChunks(from, target, before, attributes, context);
    const verified = await verify(request, target, sent, context);
    return { bytes: size, verified, source: before, temporary: target.path, mark };
  } catch (error) {
    await target.handle.close().catch(() => {});
    if (size > resumeAbove && isPassing(error)) context.leftovers.set(mark, [target.path]);
    else context.orphans.add(target.path);
    throw error;
  }
}

/** Errors after which the same bytes can be gone on with. */
function isPassing(error: unknown): boolean {
  return !(error instanceof FerryError) || error.kind === 'network' || error.kind === 'timeout';
}

interface Sent {
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
    checkSource(before, after);
    for (const throttle of throttles) await throttle.pass(size, signal);
    const stored = await finish(target, attributes, before, context, data);
    context.onBytes(size);
    return { stored, hash: rules.verify === 'checksum' ? hashOf(data) : undefined };
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
): Promise<Sent> {
  const { signal, rules } = context;
  if (target.start > 0) context.onBytes(target.start);
  let arrived = target.start;
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
    checkSource(before, await from.stat(signal));
    const stored = await finish(target, attributes, before, context, undefined);
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
