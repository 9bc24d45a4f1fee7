/** A line with a delay and no other limit: a TCP proxy that holds each chunk for half the round trip. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Line {
  readonly port: number;
  close(): Promise<void>;
}

/** Called with bytes that come from one side, when they come. */
export type OnBytes = (from: 'client' | 'server', bytes: number) => void;

/** Starts a proxy to a loopback port; `roundTrip` in milliseconds. */
export async function startLine(
  port: number,
  roundTrip: number,
  onBytes: OnBytes = () => {},
): Promise<Line> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    const upstream = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    for (const [side, from, to] of [
      ['client', client, upstream],
      ['server', upstream, client],
    ] as const) {
      from.on('data', (chunk: Buffer) => onBytes(side, chunk.length));
      sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => sockets.delete(from));
      passOn(from, to, roundTrip / 2);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/**
 * Chunks leave in order, each `wait` ms after it came. What a slow reader leaves unread waits here
 * as it would in a line's buffers: up to `most` bytes, then the sender is held up too.
 */
function passOn(from: Socket, to: Socket, wait: number): void {
  const held: { readonly chunk: Buffer | undefined; readonly due: number }[] = [];
  let waking = false;
  const wake = (after: number) => {
    if (waking) return;
    waking = true;
    setTimeout(send, after);
  };
  const send = () => {
    waking = false;
    for (let next = held[0]; next !== undefined; next = held[0]) {
      const left = next.due - performance.now();
      if (left > 0) {
        wake(left);
        return;
      }
      held.shift();
      if (to.destroyed) from.destroy();
      else if (next.chunk === undefined) to.end();
      else to.write(next.chunk, written);
    }
    if (to.writableLength > most) from.pause();
  };
  const written = () => {
    if (from.isPaused() && to.writableLength < most / 2) from.resume();
  };
  const hold = (chunk: Buffer | undefined) => {
    held.push({ chunk, due: performance.now() + wait });
    wake(wait);
  };
  from.on('data', hold);
  from.on('end', () => hold(undefined));
}

const most = 16 * 1024 * 1024;
