/** Opens the TCP connection to a server: Nagle off, keepalive on, errors in plain words. */
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { FerryError } from '../core/errors.js';
import { escapeText, formatDuration } from '../core/text.js';

const hints: Readonly<Record<string, readonly [why: string, hint: string]>> = {
  ECONNREFUSED: ['connection refused', 'check host and port, and that the SSH server is running'],
  ENOTFOUND: ['no such host name', 'check the spelling of `host` and that DNS works here'],
  EAI_AGAIN: ['the name could not be looked up', 'check that DNS works here'],
  EHOSTUNREACH: ['no route to the host', 'check the network, VPN or firewall'],
  ENETUNREACH: ['the network is unreachable', 'check the network, VPN or firewall'],
  ECONNRESET: ['the connection was reset', 'a firewall or the server closed it; try again later'],
};

/**
 * Connects within `deadline` ms. Rejects with a `network` error, `where` first in its message, or
 * with the signal's reason.
 */
export function dial(
  host: string,
  port: number,
  where: string,
  deadline: number,
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const socket = connect({ host, port, noDelay: true, keepAlive: true });
    const settle = (outcome: () => void) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      socket.removeListener('error', failed);
      outcome();
    };
    const refuse = (error: unknown) =>
      settle(() => {
        socket.on('error', () => {});
        socket.destroy();
        reject(error);
      });
    const abort = () => refuse(signal.reason);
    const failed = (error: NodeJS.ErrnoException) => {
      const [why, hint] = hints[error.code ?? ''] ?? [error.message, 'check host and port'];
      refuse(
        new FerryError('network', `${where} can't be reached: ${escapeText(why)}`, {
          code: error.code ?? 'ECONNLOST',
          hint,
          cause: error,
        }),
      );
    };
    const timer = setTimeout(
      () =>
        refuse(
          new FerryError('network', `${where} did not answer within ${formatDuration(deadline)}`, {
            code: 'ETIMEDOUT',
            hint: 'check host and port, and that no firewall drops the packets',
          }),
        ),
      deadline,
    );
    signal.addEventListener('abort', abort, { once: true });
    socket.once('error', failed);
    socket.once('connect', () => settle(() => resolve(socket)));
  });
}

/**
 * Makes everything that is written in one turn leave with one writev(2). ssh2 writes each packet
 * by itself, and every system call on a socket may wake the other side for a piece of the whole.
 */
export function joinWrites(stream: Duplex): void {
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
  let corked = false;
  const uncork = () => {
    corked = false;
    stream.uncork();
  };
  stream.write = (...args: unknown[]) => {
    if (!corked) {
      corked = true;
      stream.cork();
      process.nextTick(uncork);
    }
    return write(...args);
  };
}
