/**
 * PGlite, Postgres in this process, in the shape of a `pg` pool, so that BullMQ's Postgres code runs
 * on a folder. One session serves all callers: statements run one after another. They run in this
 * very thread, so the event loop gets a turn between them.
 */
import { EventEmitter } from 'node:events';
import type { PGlite } from '@electric-sql/pglite';
import type { PgPool, PgQueryResult } from 'bullmq';

type BrokenListener = (why: string, isDamage: boolean) => void;

/** Emits `ending` when `end` is called. */
export class PglitePool extends EventEmitter implements PgPool {
  readonly #db: PGlite;
  readonly #clients = new Set<PgliteClient>();
  #lastStatement: Promise<unknown> = Promise.resolve();
  #ended: Promise<void> | undefined;
  #broken: string | undefined;
  #onBroken: BrokenListener | undefined;

  constructor(db: PGlite) {
    super();
    // Every object of BullMQ listens for errors.
    this.setMaxListeners(0);
    this.#db = db;
    db.onNotification((channel, payload) => {
      for (const client of this.#clients) client.emit('notification', { channel, payload });
    });
  }

  // biome-ignore lint/suspicious/noExplicitAny: as PgPool has it
  query<R = any>(text: string, params?: readonly unknown[]): Promise<PgQueryResult<R>> {
    const statement = this.#lastStatement.then(async () => {
      await new Promise((next) => setImmediate(next));
      if (this.#broken !== undefined) throw new Error(this.#broken);
      return this.#run<R>(text, params);
    });
    this.#lastStatement = statement.catch(async (error) => {
      if (this.#ended !== undefined || this.#broken !== undefined) return;
      const failure = await failureOf(error, this.#db);
      if (failure === undefined) return;
      this.#broken = failure.why;
      this.#onBroken?.(failure.why, failure.isDamage);
    });
    return statement;
  }

  async connect(): Promise<PgliteClient> {
    const client = new PgliteClient(this, () => this.#clients.delete(client));
    this.#clients.add(client);
    return client;
  }

  end(): Promise<void> {
    this.emit('ending');
    this.#ended ??= this.#lastStatement.then(() =>
      this.#broken === undefined ? this.#db.close() : undefined,
    );
    return this.#ended;
  }

  /** Calls `listener` once when no statement can work any more: because of damage in the database's files, or because Postgres itself went down. */
  onBroken(listener: BrokenListener): void {
    this.#onBroken = listener;
  }

  /** Why no statement can work any more. */
  broken(): string | undefined {
    return this.#broken;
  }

  async #run<R>(text: string, params?: readonly unknown[]): Promise<PgQueryResult<R>> {
    // Only the simple protocol takes several statements at once.
    if (params === undefined || params.length === 0) {
      const results = await this.#db.exec(text);
      const last = results.at(-1);
      return { rows: (last?.rows ?? []) as R[], rowCount: last?.affectedRows ?? null };
    }
    const { rows, affectedRows } = await this.#db.query<R>(text, [...params]);
    return { rows, rowCount: affectedRows ?? rows.length };
  }
}

/** What `connect` resolves to: notifications arrive here until `release`. */
export class PgliteClient extends EventEmitter {
  readonly #pool: PglitePool;
  readonly #onRelease: () => void;

  constructor(pool: PglitePool, onRelease: () => void) {
    super();
    // Each waiter of each queue listens on the client it was given.
    this.setMaxListeners(0);
    this.#pool = pool;
    this.#onRelease = onRelease;
  }

  // biome-ignore lint/suspicious/noExplicitAny: as PgPool has it
  query<R = any>(text: string, params?: readonly unknown[]): Promise<PgQueryResult<R>> {
    return this.#pool.query<R>(text, params);
  }

  release(): void {
    this.#onRelease();
  }
}

/** What an error says about the whole database; undefined when only the statement failed. */
async function failureOf(
  error: unknown,
  db: PGlite,
): Promise<{ readonly why: string; readonly isDamage: boolean } | undefined> {
  const { code, message } = error as { code?: unknown; message?: string };
  // PostgreSQL manual, appendix A. XX: internal error; 58: the files are not as expected.
  if (typeof code === 'string')
    return /^(?:XX|58)/.test(code) ? { why: message ?? code, isDamage: true } : undefined;
  // An error without a code is not from Postgres, which may have gone down.
  try {
    await db.query('SELECT 1');
    return undefined;
  } catch {
    return { why: message ?? String(error), isDamage: false };
  }
}
