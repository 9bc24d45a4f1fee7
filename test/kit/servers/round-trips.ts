/**
 * A line that counts round trips, whatever the machine's speed: each chunk carries the number of the trip
 * that it belongs to, and is held long enough for its sender to finish what it says at a time.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface CountingLine {
  readonly port: number;
  /** Round trips on the latest connection before the client has sent `bytes` in one go; Infinity if it never did. */
  beforeSending(bytes: number): number;
  /** Round trips on the latest connection until the server has sent `bytes` in one go; Infinity if it never did. */
  untilReceiving(bytes: number): number;
  /** Round trips on the latest connection so far. */
  trips(): number;
  stop(): Promise<void>;
}

/** Milliseconds in each direction: longer than anybody takes between two parts of one message. */
const heldMs = 120;

/** Starts a line to a loopback port. */
export async function startCountingLine(port: number): Promise<CountingLine> {
  const sockets = new Set<Socket>();
  /** Bytes of each trip, from the client and from the server. */
  let sent: number[] = [];
  let received: number[] = [];
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ port, host: '127.0.0.1', noDelay: true });
    const up: number[] = [];
    const down: number[] = [];
    sent = up;
    received = down;
    /** The latest trip of which the client, and the server, has got anything. */
    let atClient = 0;
    let atServer = 0;
    client.on('data', (chunk: Buffer) => {
      const trip = atClient + 1;
      up[trip] = (up[trip] ?? 0) + chunk.length;
      setTimeout(() => {
        atServer = Math.max(atServer, trip);
        upstream.write(chunk);
      }, heldMs);
    });
    upstream.on('data', (chunk: Buffer) => {
      const trip = atServer;
      down[trip] = (down[trip] ?? 0) + chunk.length;
      setTimeout(() => {
        atClient = Math.max(atClient, trip);
        client.write(chunk);
      }, heldMs);
    });
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => setTimeout(() => other.destroy(), heldMs));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const first = (trips: readonly number[], bytes: number) => {
    const trip = trips.findIndex((one) => one >= bytes);
    return trip < 0 ? Number.POSITIVE_INFINITY : trip;
  };
  return {
    port: (server.address() as AddressInfo).port,
    beforeSending: (bytes) => first(sent, bytes) - 1,
    untilReceiving: (bytes) => first(received, bytes),
    trips: () => sent.length - 1,
    async stop() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
