/** The session with one remote: opened when it is needed, and again when it was lost. */
import { setTimeout as delay } from 'node:timers/promises';
import { FerryError } from '../../core/errors.js';
import type { Remote } from '../../core/remote.js';
import { type OnEarly, Session, type SessionOptions } from './session.js';

/** A lost session is given up if none has worked again after this long. */
const workingAgainWithinMs = 30_000;
/** For this long after that, nobody tries again: all who wait for the session get the same error. */
const sameErrorForMs = 1000;
/** The wait before a new attempt: the shortest, doubled by each attempt up to the longest, a quarter more or less. */
const waitMs = { shortest: 250, longest: 5000 };
/** Codes of errors that last for minutes, so that a first login is not tried twice. */
const lastingCodes = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
]);

export class KeptSession {
  readonly #options: SessionOptions;
  #session: Session | undefined;
  #opening: Promise<Session> | undefined;
  #logins = 0;
  /** When the session was lost, ms of `performance.now()`; undefined once one has worked again. */
  #lostAt: number | undefined;
  /** When and why a lost session was given up. */
  #givenUp: { readonly at: number; readonly error: FerryError } | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** The session, if it is up now. */
  get live(): Session | undefined {
    return this.#session?.failure === undefined ? this.#session : undefined;
  }

  /** SSH logins made so far, those on jump hosts and for new sessions included. */
  get logins(): number {
    return this.#logins;
  }

  /** The session; logs in if none is up. A caller that comes while one is being opened gets that one. */
  async session(remote: Remote, signal: AbortSignal, early?: OnEarly): Promise<Session> {
    if (this.live !== undefined) return this.live;
    this.#opening ??= this.#open(remote, signal, early).finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  /** Called when an operation was answered: the session no longer counts as lost. */
  worked(): void {
    this.#lostAt = undefined;
  }

  /** Ends the session, also one that is being opened, and forgets that it was lost. */
  async drop(): Promise<void> {
    const session = (await this.#opening?.catch(() => undefined)) ?? this.#session;
    this.#session = undefined;
    this.#lostAt = undefined;
    await session?.close();
  }

  /** Ends the session, also one that is being opened. */
  async close(): Promise<void> {
    const session = this.#session ?? (await this.#opening?.catch(() => undefined));
    await session?.close();
  }

  async #open(remote: Remote, signal: AbortSignal, early?: OnEarly): Promise<Session> {
    this.#throwIfGivenUp();
    const before = this.#session;
    await before?.close();
    if (before?.failure !== undefined) {
      this.#lostAt ??= performance.now();
      // a session that is opened each time but never works counts as lost, too
      if (performance.now() - this.#lostAt > workingAgainWithinMs) {
        this.#giveUp(before.failure);
        throw before.failure;
      }
    }
    const lostAt = this.#lostAt ?? performance.now();
    for (let attempt = 0; ; attempt++) {
      try {
        const session = await Session.open(
          remote,
          this.#options,
          signal,
          attempt === 0 ? early : undefined,
        );
        this.#logins += session.transport.logins;
        this.#session = session;
        return session;
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (!(error instanceof FerryError) || error.kind !== 'network') throw error;
        const middle = Math.min(waitMs.shortest * 2 ** attempt, waitMs.longest);
        const wait = middle * (0.75 + Math.random() / 2);
        const again =
          before === undefined
            ? attempt < 1 && !lastingCodes.has(error.code ?? '')
            : performance.now() - lostAt + wait < workingAgainWithinMs;
        if (!again) {
          if (before !== undefined) this.#giveUp(error);
          throw error;
        }
        this.#options.log('notice', `${error.message}; trying again in ${Math.round(wait)} ms`);
        await delay(wait, undefined, { signal }).catch(() => {
          throw signal.reason;
        });
      }
    }
  }

  #throwIfGivenUp(): void {
    if (this.#givenUp === undefined) return;
    if (performance.now() - this.#givenUp.at < sameErrorForMs) throw this.#givenUp.error;
    this.#givenUp = undefined;
  }

  #giveUp(error: FerryError): void {
    this.#givenUp = { at: performance.now(), error };
    this.#session = undefined;
    this.#lostAt = undefined;
  }
}
