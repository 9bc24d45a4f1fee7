/**
 * How many bytes a server may send on a channel before we grant more. ssh2 grants 2 MiB and renews
 * them at the half, which limits a connection of 50 ms to 20 MB/s. All that comes was requested by
 * us, so a wide window is safe.
 */
import type { Client, ClientChannel } from 'ssh2';

/** More than a run ever has requested at a time, so that the window never holds a server back. */
const windowBytes = 32 * 1024 * 1024;

/** The parts of ssh2 1.17 that its published types leave out. */
interface WindowInternals {
  readonly _protocol?: { channelWindowAdjust?(channel: number, bytes: number): void };
}
interface ChannelInternals {
  readonly incoming?: { window: number };
  readonly outgoing?: { readonly id: number; readonly state: string };
}

/** Grants a channel the wide window from now on. */
export function widenReceiveWindow(client: Client, channel: ClientChannel): void {
  const protocol = (client as unknown as WindowInternals)._protocol;
  const { incoming, outgoing } = channel as unknown as ChannelInternals;
  if (protocol?.channelWindowAdjust === undefined || !incoming || !outgoing) return;
  const renew = () => {
    if (incoming.window > windowBytes / 2 || outgoing.state === 'closed') return;
    const more = windowBytes - incoming.window;
    incoming.window = windowBytes;
    protocol.channelWindowAdjust?.(outgoing.id, more);
  };
  renew();
  // ssh2 subtracts received bytes from the window before it pushes them; itself it renews below 1 MiB
  const push = channel.push.bind(channel);
  channel.push = (...chunk: Parameters<typeof push>) => {
    renew();
    return push(...chunk);
  };
}
