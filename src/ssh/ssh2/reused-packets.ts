/**
 * Uses the buffers of large packets again once the network has taken them. ssh2 allocates one for each
 * packet, 1 GiB of them for 1 GiB up; V8 counts them and collects all of its heap over and over in
 * some runs. Reused are packets that a cipher encrypts in place, as those in native code do. A buffer used
 * too early would end the connection, since the server checks each packet.
 */
import type { Duplex } from 'node:stream';
import type { Client } from 'ssh2';

/** Smaller packets are parts of larger buffers, which Node makes. */
const leastBytes = 4096;
/** Bytes of free packets that are kept. */
const keptBytes = 4 * 1024 * 1024;
/** Length and number of padding bytes (RFC 4253 §6), which depend on the payload's length alone. */
const headBytes = 5;

/** The parts of ssh2 1.17 that its published types leave out. */
interface Internals {
  readonly _protocol?: {
    readonly _kexinit?: unknown;
    readonly _cipher?: object;
    readonly _packetRW?: { readonly write?: PacketWriter };
  };
}
interface PacketWriter {
  /** A packet with its head and padding, for a payload of so many bytes; without them during a key exchange, unless `force` is set. */
  alloc(payload: number, force?: boolean): Buffer;
}

/** Packets for payloads of one length. */
interface Shelf {
  readonly head: Buffer;
  readonly free: Buffer[];
}

/** Has a client use packets again once `stream`, to which it writes, has called back. */
export function reusePackets(client: Client, stream: Duplex): void {
  const protocol = (client as unknown as Internals)._protocol;
  const writer = protocol?._packetRW?.write;
  if (protocol === undefined || typeof writer?.alloc !== 'function') return;
  const make = writer.alloc.bind(writer);
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
  let cipher = protocol._cipher;
  let shelves = new Map<number, Shelf>();
  let kept = 0;
  const empty = () => {
    shelves = new Map();
    kept = 0;
  };

  /** The packet that was made last: it is encrypted and written before the next one is made. */
  let last: { readonly packet: Buffer; readonly payload: number } | undefined;
  writer.alloc = (payload, force) => {
    last = undefined;
    if (payload < leastBytes || force || protocol._kexinit !== undefined)
      return make(payload, force);
    if (protocol._cipher !== cipher) empty(); // its packets have other heads
    cipher = protocol._cipher;
    const shelf = shelves.get(payload);
    let packet = shelf?.free.pop();
    if (shelf === undefined || packet === undefined) {
      packet = make(payload);
      if (shelf === undefined)
        shelves.set(payload, { head: Buffer.from(packet.subarray(0, headBytes)), free: [] });
    } else {
      kept -= packet.length;
      shelf.head.copy(packet); // the padding is what it was encrypted to, which is as random
    }
    last = { packet, payload };
    return packet;
  };

  stream.write = (...args: unknown[]) => {
    if (last === undefined || args[0] !== last.packet) return write(...args);
    const { packet, payload } = last;
    last = undefined;
    const shelf = shelves.get(payload);
    return write(packet, (error?: Error | null) => {
      if (error || shelf !== shelves.get(payload)) return;
      kept += packet.length;
      shelf?.free.push(packet);
      if (kept > keptBytes) empty(); // of lengths that no longer come, perhaps
    });
  };
}
