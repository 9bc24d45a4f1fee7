/** An HTTP server around an app, for the socket and for TCP: requests that end with their client, and an orderly close. */
import type { Server, ServerOptions } from 'node:http';
import type { Duplex } from 'node:stream';
import { createAdaptorServer, type HttpBindings } from '@hono/node-server';
import type { Context, Env, Hono } from 'hono';
import { FerryError } from '../core/errors.js';
import { acknowledgedHint } from './control/controls.js';

/** A signal that is aborted when the client hangs up, or the daemon stops. */
export type SignalOf = (context: Pick<Context<{ Bindings: HttpBindings }>, 'env'>) => AbortSignal;

export interface HttpServer {
  readonly server: Server;
  /** Takes no more connections and ends open requests with `network` errors. */
  close(): Promise<void>;
}

/** Responses that have not been sent this long after `close` are cut off. */
const sendWithinMs = 1000;

/** Makes the server; the caller has it listen. */
export function createHttpServer<E extends Env>(
  appOf: (signalOf: SignalOf) => Hono<E>,
  options: ServerOptions = {},
): HttpServer {
  const open = new Set<AbortController>();
  const app = appOf(({ env: { outgoing } }) => {
    const controller = new AbortController();
    const end = () => {
      open.delete(controller);
      controller.abort();
    };
    open.add(controller);
    if (outgoing.closed) end();
    else outgoing.once('close', end);
    return controller.signal;
  });
  const server = createAdaptorServer({
    fetch: app.fetch as Parameters<typeof createAdaptorServer>[0]['fetch'],
    overrideGlobalObjects: false,
    serverOptions: options,
  }) as Server;
  server.on('clientError', answerBroken);
  return {
    server,
    async close() {
      const closed = new Promise<void>((done) => server.close(() => done()));
      for (const controller of open) controller.abort(isStopping());
      server.closeIdleConnections();
      const timer = setTimeout(() => server.closeAllConnections(), sendWithinMs);
      await closed;
      clearTimeout(timer);
    },
  };
}

function isStopping(): FerryError {
  return new FerryError('network', 'the daemon is stopping', { hint: acknowledgedHint });
}

/** What is no request, or none that is complete in time, gets a bare status: nothing of it is repeated. */
function answerBroken(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const statuses: Readonly<Record<string, string>> = {
    HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
    ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  };
  const status = statuses[error.code ?? ''] ?? '400 Bad Request';
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}
