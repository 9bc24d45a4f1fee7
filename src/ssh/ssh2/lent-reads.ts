/**
 * Lets ssh2 work on bytes that the next read from the socket overwrites. ssh2 decrypts where they are
 * and hands file data on at once, but it keeps slices of other packets, and of a packet whose tag has
 * not come. So the one way from its ciphers to the rest of it copies each payload, but for the data of
 * channels whose reader uses it up at once; and what a cipher itself still holds after a read is copied.
 */
import type { Readable } from 'node:stream';
import type { Client, ClientChannel } from 'ssh2';
import { handOn, lentBufferOf } from '../lent-buffer.js';

/** RFC 4254 §5.2 */
const channelData = 94;

type OnPayload = (payload: Buffer) => unknown;

/** The parts of ssh2 1.17 that its published types leave out. */
interface Decipher {
  _onPayload: OnPayload;
}
interface Internals {
  readonly _protocol?: { _decipher?: Decipher };
  readonly _chanMgr?: { get(id: number): object | undefined };
}

const takers = new WeakSet<object>();

/** Has a channel pass its data on as it comes. Whoever listens must use it up during the event. */
export function takeLentBytes(channel: ClientChannel): void {
  const push = channel.push.bind(channel);
  channel.push = (chunk: Buffer | null) =>
    chunk === null ? push(null) : handOn(channel, chunk, push);
  takers.add(channel);
}

/** Has a client that is logged in read into its socket's one buffer, if it has one. */
export function lendReads(client: Client, stream: Readable): void {
  const lent = lentBufferOf(stream);
  const { _protocol: protocol, _chanMgr: channels } = client as unknown as Internals;
  if (lent === undefined || !channels || typeof protocol?._decipher?._onPayload !== 'function')
    return;
  const isTaken = (payload: Buffer) =>
    payload[0] === channelData &&
    payload.length > 5 &&
    takers.has(channels.get(payload.readUInt32BE(1)) ?? {});
  const copying =
    (onPayload: OnPayload): OnPayload =>
    (payload) =>
      onPayload(lent.has(payload) && !isTaken(payload) ? Buffer.from(payload) : payload);
  // a key exchange replaces both: the receiver of payloads when it begins, the cipher when it ends
  intercept(protocol as Required<typeof protocol>, '_decipher', (decipher) => {
    intercept(decipher, '_onPayload', copying);
    return decipher;
  });
  lent.lend(() => {
    const state = protocol._decipher as unknown as Record<string, unknown>;
    for (const key in state) if (lent.has(state[key])) state[key] = Buffer.from(state[key]);
  });
}

/** Passes the present value of a property, and each that is set, through `change`. */
function intercept<Key extends string, Value>(
  object: Record<Key, Value>,
  key: Key,
  change: (value: Value) => Value,
): void {
  let value = change(object[key]);
  Object.defineProperty(object, key, {
    get: () => value,
    set: (next: Value) => {
      value = change(next);
    },
  });
}
