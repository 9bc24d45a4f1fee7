/** Makes the temporary file of a copy, has it filled and finished, and verifies it: what all ways to copy a file share. */
import type { Attributes, Stat } from '../../../core/entry.js';
import { FerryError } from '../../../core/errors.js';
import { promised } from '../../../core/promised.js';
import type { Handle } from '../../../endpoints/endpoint.js';
import { doubtfulUntil } from '../../../jobs/plan/doubt.js';
import { precisionOf } from '../plan-rules.js';
import { hashOfFile, sameContent } from './content.js';
import type { Copied, CopyContext, CopyRequest } from './copy-context.js';
import { attributesFor } from './finish.js';
import { openTemporary, resumeAboveBytes, type TemporaryFile } from './temporary.js';
import { markOf } from './temporary-names.js';
import { changed } from './unchanged.js';

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

export interface Sent {
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
export function stage(
  request: CopyRequest,
  { before, readAt, beside }: Reading,
  context: CopyContext,
  send: (target: TemporaryFile, attributes: Attributes) => Promise<Sent>,
): Promise<Staged> {
  const { rules } = context;
  const { path, destination } = request;
  const size = before.size ?? 0;
  // a later run must not resume bytes that were read while a change might not show
  const identity = before.identity ?? (mayChangeUnseen(before, context) ? rules.start : undefined);
  const mark = markOf(context.writer, [path, size, before.mtime, identity]);
  return openTemporary(request, mark, size, context, beside).then((target) => {
    const staged = (sent: Sent, verified: Copied['verified']): Staged => ({
      bytes: size,
      verified,
      source: before,
      grew: sent.grew,
      temporary: target.path,
      stored: sent.stored,
      mark,
      readAt,
      storedMtime: sent.stored?.mtime,
    });
    return promised(() => send(target, attributesFor(before, destination, rules.modes)))
      .then((sent) =>
        rules.verify === 'checksum'
          ? verify(request, target, size, sent, context).then((verified) => staged(sent, verified))
          : staged(sent, sent.stored?.size === undefined ? 'none' : 'size'),
      )
      .catch(async (error) => {
        await target.handle.close().catch(() => {});
        if (size > resumeAboveBytes && isPassing(error)) context.leftovers.set(mark, [target.path]);
        else context.orphans.add(target.path);
        throw error;
      });
  });
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
