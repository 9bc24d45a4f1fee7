/**
 * How far ahead a server may send on a channel. ssh2 grants 2 MiB and renews them at the half,
 * which on a line of 50 ms is 20 MB/s; we take in whatever we asked for, so we grant more.
 */
import type { Client, ClientChannel } from 'ssh2';

/** Bytes granted: more than what a run has asked for at any time. */
const wanted = 32 * 1024 * 1024;

/** The parts of ssh2 1.17 that its published types leave out. */
interface Internals {
  readonly _protocol?: { channelWindowAdjust?(channel: number, bytes: number): void };
}
interface ChannelInternals {
  readonly incoming?: { window: number };
  readonly outgoing?: { readonly id: number; readonly state: string };
}

/** Grants a channel the wide window from now on. */
export function widenReceiveWindow(client: Client, channel: ClientChannel): void {
  const protocol = (client as unknown as Internals)._protocol;
  const { incoming, outgoing } = channel as unknown as ChannelInternals;
  if (protocol?.channelWindowAdjust === undefined || !incoming || !outgoing) return;
  const renew = () => {
    if (incoming.window > wanted / 2 || outgoing.state === 'closed') return;
    const more = wanted - incoming.window;
    incoming.window = wanted;
    protocol.channelWindowAdjust?.(outgoing.id, more);
  };
  renew();
  // ssh2 takes what came from the window, hands it over here, and would renew below 1 MiB only
  const push = channel.push.bind(channel);
  channel.push = (...chunk: Parameters<typeof push>) => {
    renew();
    return push(...chunk);
  };
}
