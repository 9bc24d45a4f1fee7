/** Hands the line that opens an SSH connection, `SSH-2.0-software` (RFC 4253 §4.2), to ssh2 in one piece. */
import type { Duplex } from 'node:stream';

/** Without an identification line in this many bytes, all is passed on for ssh2 to refuse. */
const largestHeldBytes = 64 * 1024;

const identification = /(?:^|\n)SSH-[^\n]*\n/;

/**
 * Holds back the data of `stream` until the server's identification line is complete, then passes
 * it on in one piece. ssh2 1.17 loses bytes of a line that comes in three or more segments, as it
 * may on a slow connection: the login then hangs, or its signature does not verify.
 */
export function joinIdentification(stream: Duplex): void {
  const emit = stream.emit.bind(stream) as (event: string | symbol, ...args: unknown[]) => boolean;
  let held = Buffer.alloc(0);
  let holding = true;
  const passOn = () => {
    holding = false;
    return held.length > 0 && emit('data', held);
  };
  stream.emit = (event: string | symbol, ...args: unknown[]): boolean => {
    if (!holding) return emit(event, ...args);
    if (event === 'data') {
      held = Buffer.concat([held, args[0] as Buffer]);
      return held.length < largestHeldBytes && !identification.test(held.toString('latin1'))
        ? true
        : passOn();
    }
    if (event === 'end' || event === 'close') passOn();
    return emit(event, ...args);
  };
}
