/**
 * A TCP socket that reads into one buffer over and over, which saves an allocation and a copy for each
 * read. Its `data` events have copies, as any socket's, until somebody who knows all that listens asks
 * for the bytes to be lent: then they are valid only during the event.
 */
import { connect, type Socket, type TcpNetConnectOpts } from 'node:net';
import type { Readable } from 'node:stream';

/** Bytes of one read at most. */
const bufferBytes = 256 * 1024;

export interface LentBuffer {
  /** Whether a value is bytes that the next read overwrites. */
  has(value: unknown): value is Uint8Array;
  /** Lends all bytes from now on; `taken` is called after each event. */
  lend(taken: () => void): void;
}

const buffers = new WeakMap<Readable, LentBuffer>();

/** The buffer that a stream reads into; undefined where it is not of `connectLending`. */
export function lentBufferOf(stream: Readable): LentBuffer | undefined {
  return buffers.get(stream);
}

/** Connects as `connect` of node:net does. */
export function connectLending(options: TcpNetConnectOpts): Socket {
  const buffer = Buffer.allocUnsafeSlow(bufferBytes);
  let onTaken: (() => void) | undefined;
  const take = (bytes: number): boolean => {
    const chunk = buffer.subarray(0, bytes);
    if (onTaken === undefined) return socket.push(Buffer.from(chunk));
    const goesOn = handOn(socket, chunk, (copy) => socket.push(copy));
    onTaken();
    return goesOn;
  };
  const socket = connect({ ...options, onread: { buffer, callback: take } });
  buffers.set(socket, {
    has: (value): value is Uint8Array =>
      value instanceof Uint8Array && value.buffer === buffer.buffer,
    lend: (taken) => {
      onTaken = taken;
    },
  });
  return socket;
}

/** Hands lent bytes to a flowing stream's listeners, and copies them where the stream holds data back. Returns what `push` does: whether more may come. */
export function handOn(stream: Readable, chunk: Buffer, push: (copy: Buffer) => boolean): boolean {
  const passes = stream.readableFlowing === true && stream.readableLength === 0;
  if (!passes || stream.listenerCount('data') === 0) return push(Buffer.from(chunk));
  stream.emit('data', chunk);
  return true;
}
