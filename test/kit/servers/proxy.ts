/** A TCP proxy on loopback that cuts, delays, slices or corrupts connections. `up` is towards the server. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface LineRules {
  /** Cuts the connection after this many bytes in that direction; these bytes still arrive. */
  readonly cutUp?: number;
  readonly cutDown?: number;
  /** Round trip, milliseconds: half of it each way. */
  readonly delay?: number;
  /** Sends one-byte segments in a direction after this many bytes in it. */
  readonly slice?: number;
  /** Flips the lowest bit of the byte at this offset. */
  readonly flipUp?: number;
  readonly flipDown?: number;
}

export interface Proxy {
  readonly host: '127.0.0.1';
  readonly port: number;
  /** Connections so far. */
  connections(): number;
  /** Connections open now. */
  open(): number;
  /** Bytes passed on so far, over all connections. */
  bytes(): { readonly up: number; readonly down: number };
  /** May be changed at any time, for connections still to come. */
  rules: (index: number) => LineRules;
  /** Goes silent: nothing passes any more, nothing is closed. */
  pause(): void;
  resume(): void;
  /** Connections open now stay silent for ever, as behind a router that forgot them; new ones pass. */
  abandon(): void;
  /** Cuts all connections open now. */
  cut(): void;
  /** Resolves once at least `bytes` have been passed in that direction, over all connections. */
  passed(direction: 'up' | 'down', bytes: number): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a proxy to a loopback port. `rules` are the same for every connection, or depend on its index, from 0. */
export async function startProxy(
  port: number,
  rules: LineRules | ((index: number) => LineRules) = {},
): Promise<Proxy> {
  const sockets = new Set<Socket>();
  const abandoned = new WeakSet<Socket>();
  const bytes = { up: 0, down: 0 };
  let connections = 0;
  let gate: { readonly promise: Promise<void>; readonly open: () => void } | undefined;
  let waiting: (() => void)[] = [];

  const passOn = async (from: Socket, to: Socket, direction: 'up' | 'down', line: LineRules) => {
    const cutAt = direction === 'up' ? line.cutUp : line.cutDown;
    const flipAt = direction === 'up' ? line.flipUp : line.flipDown;
    let at = 0;
    const wait = line.delay === undefined ? 0 : line.delay / 2;
    const send = async (chunk: Buffer) => {
      if (gate !== undefined) await gate.promise;
      if (abandoned.has(from)) await new Promise(() => {});
      let data = chunk;
      if (flipAt !== undefined && flipAt >= at && flipAt < at + data.length) {
        data = Buffer.from(data);
        data[flipAt - at] = (data[flipAt - at] ?? 0) ^ 1;
      }
      const last = cutAt !== undefined && at + data.length >= cutAt;
      if (last) data = data.subarray(0, cutAt - at);
      at += data.length;
      if (line.slice !== undefined && at > line.slice)
        for (const byte of data) await written(to, Buffer.from([byte]));
      else await written(to, data);
      bytes[direction] += data.length;
      for (const look of waiting) look();
      if (last) {
        from.destroy();
        to.destroy();
      }
    };
    // Chunks leave in order, each half a round trip after its arrival; waiting bytes are bounded.
    let tail: Promise<void> = Promise.resolve();
    let held = 0;
    const due = (time: number) =>
      new Promise((resolve) => setTimeout(resolve, Math.max(0, time - performance.now())));
    // without this option the end of one direction would close the other
    const chunks: AsyncIterable<Buffer> = from.iterator({ destroyOnReturn: false });
    for await (const chunk of chunks) {
      const time = performance.now() + wait;
      held += chunk.length;
      tail = tail.then(async () => {
        if (wait > 0) await due(time);
        if (!to.destroyed) await send(chunk);
        held -= chunk.length;
      });
      if (held > 16 * 1024 * 1024 || wait === 0) await tail;
    }
    await tail;
    to.end();
  };

  const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    const index = connections++;
    const line = proxy.rules(index);
    const upstream = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => sockets.delete(one));
    }
    const gone = () => {
      client.destroy();
      upstream.destroy();
    };
    passOn(client, upstream, 'up', line).catch(gone);
    passOn(upstream, client, 'down', line).catch(gone);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP address');

  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  const proxy: Proxy = {
    host: '127.0.0.1',
    port: address.port,
    connections: () => connections,
    open: () => sockets.size / 2,
    bytes: () => ({ ...bytes }),
    rules: typeof rules === 'function' ? rules : () => rules,
    pause() {
      if (gate !== undefined) return;
      let open = () => {};
      const promise = new Promise<void>((resolve) => {
        open = resolve;
      });
      gate = { promise, open };
    },
    resume() {
      gate?.open();
      gate = undefined;
    },
    abandon() {
      for (const socket of sockets) abandoned.add(socket);
      proxy.resume();
    },
    cut,
    passed(direction, count) {
      return new Promise((resolve) => {
        const look = () => {
          if (bytes[direction] < count) return;
          waiting = waiting.filter((other) => other !== look);
          resolve();
        };
        waiting.push(look);
        look();
      });
    },
    async stop() {
      if (!server.listening) return;
      proxy.resume();
      const closed = once(server, 'close');
      server.close();
      cut();
      await closed;
    },
  };
  return proxy;
}

/** Resolves when the bytes are written; on a closed socket, at once. */
function written(socket: Socket, data: Buffer): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) resolve();
    else socket.write(data, () => resolve());
  });
}
