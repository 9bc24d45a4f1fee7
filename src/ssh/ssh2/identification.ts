/**
 * Reads the line that opens an SSH connection, `SSH-2.0-software` (RFC 4253 §4.2): hands it to ssh2 in
 * one piece, and finds out that the peer speaks something else.
 */
import type { Duplex } from 'node:stream';
import type { FerryError } from '../../core/errors.js';
import { isOtherProtocol, notSsh } from '../not-ssh.js';

/** Without an identification line in this many bytes, the peer speaks something else. */
const largestHeldBytes = 64 * 1024;

const identification = /(?:^|\n)SSH-[^\n]*\n/;
export interface Identification {
  /** Resolves when the peer is known to speak something else; never rejects. */
  readonly foreign: Promise<FerryError>;
  /** What has come without an identification; empty once that is complete. */
  readonly held: Buffer;
}

/**
 * Holds back the data of `stream` until the server's identification line is complete, then passes
 * it on in one piece. ssh2 1.17 loses bytes of a line that comes in three or more segments, as it
 * may on a slow connection: the login then hangs, or its signature does not verify. Without that
 * line nothing is passed on.
 */
export function joinIdentification(stream: Duplex, where: string): Identification {
  const emit = stream.emit.bind(stream) as (event: string | symbol, ...args: unknown[]) => boolean;
  let held = Buffer.alloc(0);
  let holding = true;
  let foreign: (error: FerryError) => void = () => {};
  const found = new Promise<FerryError>((resolve) => {
    foreign = resolve;
  });
  stream.emit = (event: string | symbol, ...args: unknown[]): boolean => {
    if (!holding) return emit(event, ...args);
    if (event === 'data') {
      held = Buffer.concat([held, args[0] as Buffer]).subarray(0, largestHeldBytes);
      const text = held.toString('latin1');
      if (identification.test(text)) {
        holding = false;
        held = Buffer.alloc(0);
        return emit('data', Buffer.from(text, 'latin1'));
      }
      const isForeign = isOtherProtocol(held);
      if (held.length === largestHeldBytes || isForeign) foreign(notSsh(where, held));
      return true;
    }
    if ((event === 'end' || event === 'close') && held.length > 0) foreign(notSsh(where, held));
    return emit(event, ...args);
  };
  return {
    foreign: found,
    get held() {
      return held;
    },
  };
}
