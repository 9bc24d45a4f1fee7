/**
 * The connections of one process to a PostgreSQL, in the shape of a `pg` pool for BullMQ: nine for
 * statements, and one on which all its objects listen. BullMQ would keep a connection for each
 * object that listens, and a hundred of them would use up a server's.
 */
import { EventEmitter } from 'node:events';
import type { PgPool, PgQueryResult } from 'bullmq';
import pg from 'pg';
import { awayError, isConnectionError } from './failures.js';
import type { Reachability } from './reachability.js';

const statementsAtOnce = 9;
/** A statement without an answer by then fails, and its connection is replaced. */
const answerWithinMs = 11_000;
/** Where BullMQ's tables are. Set by a statement, since PgBouncer refuses it as a startup parameter. */
const setSchema = 'SET search_path TO bullmq';

export class BoundedPool extends EventEmitter implements PgPool {
  readonly #pool: pg.Pool;
  readonly #reachability: Reachability;
  readonly #listener: SharedListener;

  constructor(config: pg.ClientConfig, reachability: Reachability) {
    super();
    // Every object of BullMQ listens for errors.
    this.setMaxListeners(0);
    this.#reachability = reachability;
    const bounded = { ...config, query_timeout: answerWithinMs };
    this.#listener = new SharedListener(bounded, (error) => reachability.suspect(error));
    this.#pool = new pg.Pool({
      ...bounded,
      max: statementsAtOnce,
      onConnect: async (client) => {
        await client.query(setSchema);
      },
    });
    this.#pool.on('error', (error) => reachability.suspect(error));
  }

  /** While the server is away, statements fail at once instead of waiting for it in a row. */
  // biome-ignore lint/suspicious/noExplicitAny: as PgPool has it
  async query<R = any>(text: string, params?: readonly unknown[]): Promise<PgQueryResult<R>> {
    const { away } = this.#reachability;
    if (away !== undefined) throw awayError(away);
    try {
      return (await this.#pool.query(text, params as unknown[])) as unknown as PgQueryResult<R>;
    } catch (thrown) {
      const error = thrown as Error;
      if (!isConnectionError(error)) throw error;
      this.#reachability.suspect(error);
      throw awayError(error);
    }
  }

  /** A client for statements that need no connection of their own, and for notifications until it is released. */
  async connect(): Promise<ListeningClient> {
    return new ListeningClient(this, this.#listener);
  }

  /** A statement that asks whether the server is there. */
  direct(text: string): Promise<pg.QueryResult> {
    return this.#pool.query(text);
  }

  /** Replaces the connection to listen on if it gives no answer. */
  checkListener(): Promise<void> {
    return this.#listener.check();
  }

  async end(): Promise<void> {
    this.#listener.end();
    await this.#pool.end();
  }
}

/** The one connection on which a process listens; it exists while there is something to listen for. */
class SharedListener {
  readonly #config: pg.ClientConfig;
  readonly #onError: (error: Error) => void;
  readonly clients = new Set<ListeningClient>();
  #connection: Promise<pg.Client> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(config: pg.ClientConfig, onError: (error: Error) => void) {
    this.#config = config;
    this.#onError = onError;
  }

  /** Runs a statement on the connection, after those before it. */
  query(text: string): Promise<pg.QueryResult> {
    this.#connection ??= this.#connect();
    const connection = this.#connection;
    const statement = this.#last.then(async () => (await connection).query(text));
    this.#last = statement.catch(() => {});
    return statement;
  }

  /** Replaces a connection that gives no answer. */
  async check(): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined) return;
    await this.query('SELECT 1').catch((error: Error) => this.#lost(connection, error));
  }

  end(): void {
    const connection = this.#connection;
    this.clients.clear();
    if (connection !== undefined) this.#lost(connection, new Error('the queue was closed'));
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client(this.#config);
    const connection = (async () => {
      await client.connect();
      return client;
    })();
    connection.catch(() => {
      if (this.#connection === connection) this.#connection = undefined;
    });
    client.on('notification', ({ channel, payload = '' }) => {
      for (const one of this.clients) one.emit('notification', { channel, payload });
    });
    client.on('error', (error) => this.#lost(connection, error));
    return connection;
  }

  /** Everything that listened hears of it, and listens again on a new connection. */
  #lost(connection: Promise<pg.Client>, error: Error): void {
    void connection.then(destroy, () => {});
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    for (const one of [...this.clients]) one.emit('error', error);
    if (this.clients.size > 0) this.#onError(error);
  }
}

/** What `connect` resolves to: it shares its connection with all others. */
class ListeningClient extends EventEmitter {
  readonly #pool: BoundedPool;
  readonly #listener: SharedListener;

  constructor(pool: BoundedPool, listener: SharedListener) {
    super();
    this.setMaxListeners(0);
    this.#pool = pool;
    this.#listener = listener;
  }

  // biome-ignore lint/suspicious/noExplicitAny: as PgPool has it
  async query<R = any>(text: string, params?: readonly unknown[]): Promise<PgQueryResult<R>> {
    // BullMQ names the connection after a queue; this one is all queues'.
    if (/set_config\('application_name'/.test(text)) return { rows: [], rowCount: 0 };
    if (!/^\s*LISTEN\b/im.test(text)) return this.#pool.query<R>(text, params);
    this.#listener.clients.add(this);
    const { rows, rowCount } = await this.#listener.query(text);
    return { rows, rowCount };
  }

  release(): void {
    this.#listener.clients.delete(this);
  }
}

/** Closes a connection without waiting for the server, which may be silent. */
function destroy(client: pg.Client): void {
  client.on('error', () => {});
  (
    client as unknown as { connection: { stream: { destroy(): void } } }
  ).connection.stream.destroy();
}
