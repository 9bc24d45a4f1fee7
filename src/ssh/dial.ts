/** Opens the TCP connection to a server, with Nagle's algorithm off and keepalive on; explains why one can't be opened. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { abortable } from '../core/abort.js';
import { FerryError } from '../core/errors.js';
import { escapeText, formatDuration } from '../core/text.js';
import { connectLending } from './lent-buffer.js';

/** What the error codes of connect(2) and getaddrinfo(3) mean, and what to do. */
const reasons: Readonly<Record<string, readonly [why: string, hint: string]>> = {
  ECONNREFUSED: ['connection refused', 'check host and port, and that the SSH server is running'],
  ENOTFOUND: ['no such host name', 'check the spelling of `host` and that DNS works here'],
  EAI_AGAIN: ['the name could not be looked up', 'check that DNS works here'],
  EHOSTUNREACH: ['no route to the host', 'check the network, VPN or firewall'],
  ENETUNREACH: ['the network is unreachable', 'check the network, VPN or firewall'],
  ECONNRESET: ['the connection was reset', 'a firewall or the server closed it; try again later'],
};

/**
 * Connects within `deadlineMs`. Rejects with a `network` error, whose message begins with `where`,
 * or with the signal's reason.
 */
export function dial(
  host: string,
  port: number,
  where: string,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<Socket> {
  return abortable(signal, (resolve, reject) => {
    const socket = connectLending({ host, port, noDelay: true, keepAlive: true });
    const settle = () => {
      clearTimeout(timer);
      socket.off('error', failed);
    };
    const giveUp = () => {
      settle();
      socket.on('error', () => {});
      socket.destroy();
    };
    const failed = (error: NodeJS.ErrnoException) => {
      giveUp();
      reject(unreachable(where, error));
    };
    const timer = setTimeout(() => {
      giveUp();
      reject(
        new FerryError('network', `${where} did not answer within ${formatDuration(deadlineMs)}`, {
          code: 'ETIMEDOUT',
          hint: 'check host and port, and that no firewall drops the packets',
        }),
      );
    }, deadlineMs);
    socket.once('error', failed);
    socket.once('connect', () => {
      settle();
      resolve(socket);
    });
    return giveUp;
  });
}

function unreachable(where: string, error: NodeJS.ErrnoException): FerryError {
  const [why, hint] = reasons[error.code ?? ''] ?? [error.message, 'check host and port'];
  return new FerryError('network', `${where} can't be reached: ${escapeText(why)}`, {
    code: error.code ?? 'ECONNLOST',
    hint,
    cause: error,
  });
}

/**
 * Makes everything that is written in one turn of the event loop leave with one writev(2). ssh2
 * writes each packet by itself, and every system call may wake the other side for a part of a message.
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
