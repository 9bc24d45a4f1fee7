/** The API over TCP, where jobs.yml says: it follows reloads, and closes with the daemon. */
import type { AddressInfo } from 'node:net';
import { type ApiRules, hostAndPort, type ListenAddress } from '../../core/api-rules.js';
import { FerryError } from '../../core/errors.js';
import { createHttpServer, type HttpServer } from '../http-server.js';
import { type ApiParts, createApi } from './app.js';
import { guard } from './guard.js';
import { isPageFile } from './page-files.js';

export interface ApiListenerParts extends ApiParts {
  /** The rules in use at the time. */
  readonly rules: () => ApiRules;
  readonly log: { info(message: string): void; warn(message: string): void };
  /** Other limits than those below, for tests. */
  readonly limits?: Partial<typeof limits>;
}

/** What is slower, larger or more is cut off, or refused. Times in ms. */
const limits = {
  /** Bytes. */
  maxHeaderSize: 16 * 1024,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 1000,
  connections: 200,
  /** Of one caller. */
  requestsPerMinute: 600,
};

export class ApiListener {
  readonly #parts: ApiListenerParts;
  #open: (HttpServer & { readonly wanted: string }) | undefined;

  constructor(parts: ApiListenerParts) {
    this.#parts = parts;
  }

  /** `http://127.0.0.1:7022`; undefined while it does not listen. */
  address(): string | undefined {
    const found = this.#open?.server.address() as AddressInfo | null | undefined;
    if (!found) return undefined;
    return `http://${hostAndPort({ host: found.address, port: found.port })}`;
  }

  /**
   * Listens where the rules say. An address that can't be had ends the start if jobs.yml names it
   * (`config`); the default one is done without, so that several daemons start on one machine.
   */
  async begin(): Promise<void> {
    const { listen, isChosen } = this.#parts.rules();
    if (listen === undefined) return;
    try {
      await this.#listen(listen);
    } catch (thrown) {
      if (isChosen) throw thrown;
      this.#parts.log.info(withoutApi((thrown as Error).message));
    }
  }

  /** jobs.yml was reloaded: moves to another address; where that can't be had, it stays. Never rejects. */
  async use({ listen, isChosen }: ApiRules): Promise<void> {
    const before = this.#open;
    if (listen === undefined) {
      this.#open = undefined;
      await before?.close();
      return;
    }
    if (before?.wanted === hostAndPort(listen)) return;
    try {
      await this.#listen(listen);
      await before?.close();
    } catch (thrown) {
      // the default one is tried again, and nothing new to say of it
      if (before === undefined && !isChosen) return;
      const stays = this.address();
      const rest = stays === undefined ? '' : `; it goes on at ${stays}`;
      this.#parts.log.warn(`${(thrown as Error).message}${rest}`);
    }
  }

  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.close();
  }

  async #listen(wanted: ListenAddress): Promise<void> {
    const { rules, sessions, actions, log } = this.#parts;
    const { connections, requestsPerMinute, ...ofServer } = { ...limits, ...this.#parts.limits };
    const now = () => performance.now();
    const entrance = guard({
      ...{ rules, sessions, isFile: isPageFile, now, requestsPerMinute },
      onRefused: (login) => actions.refusedLogin(login),
    });
    const http = createHttpServer(() => createApi(this.#parts, entrance), ofServer);
    http.server.maxConnections = connections;
    await new Promise<void>((resolve, reject) => {
      http.server.once('error', (error: NodeJS.ErrnoException) =>
        reject(cantListen(wanted, error)),
      );
      http.server.listen({ ...wanted, exclusive: true }, resolve);
    });
    this.#open = { ...http, wanted: hostAndPort(wanted) };
    log.info(`the API answers on ${this.address()}`);
  }
}

function cantListen(wanted: ListenAddress, error: NodeJS.ErrnoException): FerryError {
  const why =
    error.code === 'EADDRINUSE' ? 'another process has that port' : `the system says ${error.code}`;
  return new FerryError('config', `the API can't listen on ${hostAndPort(wanted)}: ${why}`, {
    ...(error.code && { code: error.code }),
    cause: error,
    hint: 'name another address as api.listen in jobs.yml, or write `api: false`',
  });
}

function withoutApi(why: string): string {
  return `${why}; this daemon answers on its socket only. Name another address as api.listen in jobs.yml, or write \`api: false\``;
}
