/**
 * Which run a request with an Idempotency-Key made. The id is written down before the request is in the
 * queue, so that the same key after a crash finds it, or adds it under the same id.
 */
import { createHash } from 'node:crypto';
import { FerryError } from '../../core/errors.js';
import type { Claims } from '../../queue/claims.js';
import { readKeptFile, writeKeptFile } from '../../state/kept-file.js';
import { requestKeysFile } from '../../state/layout.js';

interface KeyedRun {
  readonly run: string;
  /** Ms since the epoch. */
  readonly at: number;
  /** Whether the queue has acknowledged it. */
  readonly isSafe: boolean;
}

export interface RequestKeysParts {
  readonly state: string;
  readonly newRunId: () => string;
  /** Whether a run is in the queue or has a report. Errors: `network`. */
  readonly exists: (run: string) => Promise<boolean>;
  /** What other daemons on the queue know of keys. Errors: `network`. */
  readonly claims: Pick<Claims, 'claim' | 'safe'>;
  readonly onWarning: (message: string) => void;
}

const keptMs = 24 * 3600_000;
/** Keys that are remembered; beyond them the oldest is forgotten. */
const mostKeys = 10_000;

export class RequestKeys {
  readonly #parts: RequestKeysParts;
  #known: Promise<Map<string, KeyedRun>> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: RequestKeysParts) {
    this.#parts = parts;
  }

  /**
   * Makes the run of a key with `add`, once; resolves to its id, and whether there was one before.
   * `scope`: whose key it is, and for what. Requests with keys follow one another. Errors: those of `add`;
   * the system's where the key can't be kept.
   */
  once(
    scope: readonly string[],
    key: string,
    add: (run: string) => Promise<unknown>,
  ): Promise<{ readonly run: string; readonly joined: boolean }> {
    const id = createHash('sha256')
      .update(JSON.stringify([...scope, key]))
      .digest('hex');
    const turn = this.#last.catch(() => {}).then(() => this.#once(id, add));
    this.#last = turn;
    return turn;
  }

  async #once(id: string, add: (run: string) => Promise<unknown>) {
    const { state, newRunId, exists, claims } = this.#parts;
    const known = await this.#read();
    const now = Date.now();
    const found = known.get(id);
    const before = found !== undefined && now - found.at < keptMs ? found : undefined;
    if (before?.isSafe || (before && (await exists(before.run))))
      return { run: before.run, joined: true };
    const own = before?.run ?? newRunId();
    // of several daemons that are asked at once, the run of the first one is that of all
    const { run, isSafe } = await claims.claim(id, own);
    const joined = run !== own;
    if (isSafe || (joined && (await exists(run)))) return { run, joined: true };
    for (const [other, { at }] of known)
      if (now - at >= keptMs || known.size >= mostKeys) known.delete(other);
    known.set(id, { run, at: now, isSafe: false });
    await writeKeptFile(requestKeysFile(state), known).catch((thrown: Error) => {
      throw notKept(thrown);
    });
    await add(run);
    await claims.safe(id).catch(() => {});
    known.set(id, { run, at: now, isSafe: true });
    // A key that is not known as safe is looked for in the queue.
    await writeKeptFile(requestKeysFile(state), known).catch(() => {});
    return { run, joined };
  }

  async #read(): Promise<Map<string, KeyedRun>> {
    const { state, onWarning } = this.#parts;
    this.#known ??= readKeptFile(requestKeysFile(state), isKeyedRun, onWarning);
    return this.#known.catch((error) => {
      this.#known = undefined;
      throw error;
    });
  }
}

function notKept(thrown: Error): FerryError {
  return new FerryError('io', `the key of this request can't be kept: ${thrown.message}`, {
    cause: thrown,
    hint: 'make room, or look at the rights of the state folder; nothing was requested',
  });
}

function isKeyedRun(value: unknown): value is KeyedRun {
  const { run, at, isSafe } = (value ?? {}) as Partial<KeyedRun>;
  return typeof run === 'string' && typeof at === 'number' && typeof isSafe === 'boolean';
}
