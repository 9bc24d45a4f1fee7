/** Makes hard links on a server, and looks at each: `rclone serve sftp` says OK and makes nothing. */
import type { Stat } from '../../core/entry.js';
import { FerryError } from '../../core/errors.js';
import type { BareFailure } from './bare-failure.js';
import type { SftpChannel } from './client/channel.js';
import type { HandleLimit } from './handle-limit.js';
import { statEntry } from './stat.js';

export interface HardLink {
  /** Paths relative to the endpoint's root. */
  readonly from: string;
  readonly to: string;
  readonly full: (path: string) => string;
  readonly failure: BareFailure;
}

/** Sends the request and the look at its result together, in one round trip. */
export async function hardLink(
  { from, to, full, failure }: HardLink,
  channel: SftpChannel,
  handles: HandleLimit,
  signal: AbortSignal,
): Promise<Stat> {
  const target = full(to);
  const [refusal, seen] = await Promise.all([
    channel.hardlink(full(from), target, signal).then(
      () => undefined,
      (error: unknown) => ({ error }),
    ),
    statEntry(channel, handles, target, signal),
  ]);
  if (refusal !== undefined)
    throw await failure.explain(refusal.error, channel, handles, to, signal);
  // a server that does not keep requests in order may have looked first
  const made = seen ?? (await statEntry(channel, handles, target, signal));
  if (made !== undefined) return made;
  throw new FerryError('io', 'the server says that it made a hard link, but there is none', {
    code: 'ENOTSUP',
    path: to,
  });
}

export function noHardLinks(path: string): FerryError {
  return new FerryError('io', 'the server makes no hard links', { code: 'ENOTSUP', path });
}
