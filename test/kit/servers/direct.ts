/**
 * A hostile folder reached without SSH or sockets: a `Connect` for SessionPool whose channels are streams in
 * this process. A login costs nothing, so that thousands of runs fit into a minute.
 */
import { duplexPair } from 'node:stream';
import { FerryError } from '../../../src/core/errors.js';
import type { Connect } from '../../../src/ssh/transport.js';
import type { ServeChannel } from './hostile-folder.js';

export interface DirectOptions {
  readonly serve: ServeChannel;
  /** How the server names its software. */
  readonly software: string;
  /** Channels of one connection; a further one is refused. */
  readonly channels: number;
}

/** Each login is a connection of its own, which `serve` may cut. */
export function connectDirectly({ serve, software, channels }: DirectOptions): Connect {
  return async (_remote, _log, signal) => {
    signal.throwIfAborted();
    const connection = {};
    const open: ReturnType<typeof duplexPair>[number][] = [];
    let end: (why: FerryError) => void = () => {};
    const ended = new Promise<FerryError>((resolve) => {
      end = resolve;
    });
    const cut = () => {
      for (const stream of open) stream.destroy();
      end(new FerryError('network', 'the connection was cut', { code: 'ECONNRESET' }));
    };
    const openChannel = () => {
      const [near, far] = duplexPair();
      open.push(near, far);
      near.once('close', () => far.destroy());
      far.once('close', () => near.destroy());
      // a socket copies what it is given; the client writes its next requests into the same buffer
      const write = near.write.bind(near) as (chunk: Buffer, sent?: () => void) => boolean;
      near.write = ((chunk: Buffer, sent?: () => void) =>
        write(Buffer.from(chunk), sent)) as typeof near.write;
      serve(far, connection, cut);
      return near;
    };
    return {
      first: openChannel(),
      serverSoftware: software,
      logins: 1,
      ended,
      async openChannel() {
        if (open.length / 2 < channels) return openChannel();
        throw new FerryError('io', 'the server allows no further channel');
      },
      async close() {
        for (const stream of open) stream.destroy();
        end(new FerryError('network', 'the connection was closed'));
      },
    };
  };
}
