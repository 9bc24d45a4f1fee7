/**
 * The other end of an SFTP channel, for tests: it sends and receives bytes. It shares no code with
 * src, so that both can't agree on the same mistake.
 */
import { type Duplex, duplexPair } from 'node:stream';
import { onTestFinished } from 'vitest';
import { FerryError } from '../../../src/core/errors.js';
import { SftpChannel } from '../../../src/endpoints/sftp/client/channel.js';
import type { ChannelOptions } from '../../../src/endpoints/sftp/client/exchange.js';

/** Bytes from hex digits and text in double quotes: `wire('00000002 "hi"')`. */
export function wire(text: string): Buffer {
  return Buffer.concat(
    [...text.matchAll(/"([^"]*)"|([0-9a-f]+)/g)].map(([, quoted, hex]) =>
      quoted === undefined ? Buffer.from(hex ?? '', 'hex') : Buffer.from(quoted, 'utf8'),
    ),
  );
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A string of the protocol: its length, its bytes. */
export function string(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([u32(bytes.length), bytes]);
}

/** A packet with an id (for VERSION: the version). Numbers become uint32, texts strings; buffers stay as they are. */
export function packet(
  type: number,
  id: number,
  ...fields: readonly (number | string | Buffer)[]
): Buffer {
  const body = fields.map((field) =>
    typeof field === 'number' ? u32(field) : typeof field === 'string' ? string(field) : field,
  );
  const rest = Buffer.concat([Buffer.from([type]), u32(id), ...body]);
  return Buffer.concat([u32(rest.length), rest]);
}

/** Replies by their names in the draft. */
export const say = {
  version: (...extensions: readonly string[]) => packet(2, 3, ...extensions),
  status: (id: number, code: number, message = '') => packet(101, id, code, message, ''),
  ok: (id: number) => packet(101, id, 0, 'Success', 'en'),
  eof: (id: number) => packet(101, id, 1, 'End of file', 'en'),
  handle: (id: number, handle: string | Buffer) => packet(102, id, string(handle)),
  data: (id: number, data: string | Buffer) => packet(103, id, string(data)),
  /** NAME with entries that have no attributes. */
  names: (id: number, ...names: readonly (string | Buffer)[]) =>
    packet(104, id, names.length, ...names.flatMap((name) => [string(name), '', 0])),
};

class Peer {
  /** Whole packets received, in order, INIT included. */
  readonly heard: Buffer[] = [];
  /** The very buffers that the client wrote to its stream. */
  readonly writes: Buffer[] = [];
  readonly stream: Duplex;
  #bytes: Buffer = Buffer.alloc(0);
  #wake: () => void = () => {};

  constructor(stream: Duplex) {
    this.stream = stream;
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      while (this.#bytes.length >= 4 && this.#bytes.length >= 4 + this.#bytes.readUInt32BE()) {
        const end = 4 + this.#bytes.readUInt32BE();
        this.heard.push(this.#bytes.subarray(0, end));
        this.#bytes = this.#bytes.subarray(end);
      }
      this.#wake();
    });
  }

  /** Waits until `count` packets have been received, INIT included. */
  async hears(count: number): Promise<void> {
    while (this.heard.length < count)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
  }

  /** Sends each buffer as a chunk of its own. */
  send(...chunks: readonly Buffer[]): void {
    for (const chunk of chunks) this.stream.write(chunk);
  }
}

export interface Conversation {
  readonly channel: SftpChannel;
  readonly peer: Peer;
  /** The client's end of the stream. */
  readonly stream: Duplex;
}

/** A channel and its peer, which has sent nothing yet. */
export function silentPeer(options: Partial<ChannelOptions> = {}): Conversation {
  const [stream, far] = duplexPair();
  const peer = new Peer(far);
  const write = stream.write.bind(stream);
  stream.write = ((chunk: Buffer, sent: () => void) => {
    peer.writes.push(chunk);
    return write(chunk, sent);
  }) as Duplex['write'];
  const channel = new SftpChannel(stream, { deadline: 60_000, ...options });
  onTestFinished(() => channel.close(new FerryError('network', 'the test is over')));
  return { channel, peer, stream };
}

/** A channel whose peer has sent VERSION. */
export async function conversation(options: Partial<ChannelOptions> = {}): Promise<Conversation> {
  const both = silentPeer(options);
  both.peer.send(say.version());
  await both.channel.ready;
  return both;
}

/** All ways to cut bytes in two, and then one byte at a time. */
export function* everyCut(bytes: Buffer): Generator<Buffer[]> {
  for (let at = 1; at < bytes.length; at++) yield [bytes.subarray(0, at), bytes.subarray(at)];
  yield [...bytes].map((byte) => Buffer.from([byte]));
}

/** Lets everything that is ready to run do so. */
export async function quiet(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Whether a promise is still waiting, done or failed, at any time. */
export function watch(promise: Promise<unknown>): { outcome: 'waiting' | 'done' | FerryError } {
  const watched: { outcome: 'waiting' | 'done' | FerryError } = { outcome: 'waiting' };
  promise.then(
    () => {
      watched.outcome = 'done';
    },
    (error: FerryError) => {
      watched.outcome = error;
    },
  );
  return watched;
}
