/**
 * Who is logged in on the page. A session has two halves: a cookie, which a browser sends to every port
 * of its host, and a key, which the page keeps in its origin's storage. Either alone opens nothing. Only
 * hashes are kept, also on the disk, so that a session lasts over a restart of the daemon.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { ApiRole, ApiToken } from '../../core/api-rules.js';
import { readKeptFile, writeKeptFile } from '../../state/kept-file.js';
import { sessionsFile } from '../../state/layout.js';

/** A session begun with a token ends with it; one of `ferryline open` has none. */
interface KeptSession {
  /** SHA-256, hex. */
  readonly key: string;
  /** Ms since the epoch. */
  readonly until: number;
  readonly token?: {
    readonly name: string /** SHA-256 of the cookie and the token, hex. */;
    readonly hash: string;
  };
}

export interface Visitor {
  /** `cli`, or the name of the token in jobs.yml. */
  readonly name: string;
  readonly role: ApiRole;
  /** When the session ends, ms since the epoch. */
  readonly until: number;
}

/** A session as the browser gets it, once. */
export interface NewSession {
  readonly cookie: string;
  readonly key: string;
  readonly visitor: Visitor;
}

export interface SessionsParts {
  readonly state: string;
  readonly onWarning: (message: string) => void;
  /** Ms since the epoch. */
  readonly now?: () => number;
}

export const sessionHours = 12;
const lastsMs = sessionHours * 3600_000;
const codeLastsMs = 60_000;
/** Sessions that are kept; beyond them the oldest ends. */
const mostSessions = 1000;
/** Codes that wait to be used; beyond them the oldest opens nothing any more. */
const mostCodes = 100;
const secretBytes = 32;

export class Sessions {
  readonly #parts: SessionsParts;
  readonly #now: () => number;
  /** Names the cookie: daemons on other ports of this host have cookies of other names. */
  readonly cookieName: string;
  /** By the hash of their cookie, the oldest first. */
  readonly #kept = new Map<string, KeptSession>();
  #loaded: Promise<void> | undefined;
  /** By the hash of a code: when it ends, and who waits for its use. */
  readonly #codes = new Map<string, { readonly until: number; readonly used: () => void }>();

  constructor(parts: SessionsParts) {
    this.#parts = parts;
    this.#now = parts.now ?? Date.now;
    this.cookieName = `ferryline-${sha256(parts.state).slice(0, 8)}`;
  }

  /** A code that begins one session within 60 s. `used` resolves to whether it did, at the latest after `waitMs`. */
  makeCode(waitMs: number): { readonly code: string; readonly used: Promise<boolean> } {
    const now = this.#now();
    for (const [hash, { until }] of this.#codes)
      if (until <= now || this.#codes.size >= mostCodes) this.#codes.delete(hash);
    const code = secret();
    const used = new Promise<boolean>((resolve) => {
      const timer = setTimeout(resolve, waitMs, false).unref();
      const use = () => {
        clearTimeout(timer);
        resolve(true);
      };
      this.#codes.set(sha256(code), { until: now + codeLastsMs, used: use });
    });
    return { code, used };
  }

  /** Begins a session of the daemon's own user; undefined if the code opens nothing. */
  async beginWithCode(code: string): Promise<NewSession | undefined> {
    const hash = sha256(code);
    const found = this.#codes.get(hash);
    this.#codes.delete(hash);
    if (found === undefined || found.until <= this.#now()) return undefined;
    const session = await this.#begin(undefined);
    found.used();
    return session;
  }

  beginWithToken(token: ApiToken): Promise<NewSession> {
    return this.#begin(token);
  }

  /** Who has both halves of a session that has not ended; `tokens`: those in use. */
  async find(
    cookie: string | undefined,
    key: string | undefined,
    tokens: readonly ApiToken[],
  ): Promise<Visitor | undefined> {
    if (cookie === undefined || key === undefined) return undefined;
    await this.#load();
    const hash = sha256(cookie);
    const found = this.#kept.get(hash);
    if (found === undefined || found.until <= this.#now()) return undefined;
    if (!timingSafeEqual(Buffer.from(found.key, 'hex'), Buffer.from(sha256(key), 'hex')))
      return undefined;
    return visitorOf(found, cookie, tokens);
  }

  /** Ends a session. */
  async end(cookie: string): Promise<void> {
    await this.#load();
    if (this.#kept.delete(sha256(cookie))) await this.#write();
  }

  async #begin(token: ApiToken | undefined): Promise<NewSession> {
    await this.#load();
    const [cookie, key] = [secret(), secret()];
    const until = this.#now() + lastsMs;
    for (const [hash, session] of this.#kept)
      if (session.until <= this.#now() || this.#kept.size >= mostSessions) this.#kept.delete(hash);
    const of = token && { token: { name: token.name, hash: sha256(`${cookie} ${token.token}`) } };
    const kept = { key: sha256(key), until, ...of };
    this.#kept.set(sha256(cookie), kept);
    await this.#write();
    const { name = 'cli', role = 'operate' } = token ?? {};
    return { cookie, key, visitor: { name, role, until } };
  }

  /** A folder that can't be read or written has sessions that end with the process. */
  #load(): Promise<void> {
    const { state, onWarning } = this.#parts;
    this.#loaded ??= readKeptFile(sessionsFile(state), isKept, onWarning).then(
      (found) => {
        for (const [hash, session] of found) this.#kept.set(hash, session);
      },
      (error: Error) => onWarning(`the sessions of the page can't be read: ${error.message}`),
    );
    return this.#loaded;
  }

  async #write(): Promise<void> {
    const { state, onWarning } = this.#parts;
    await writeKeptFile(sessionsFile(state), this.#kept).catch((error: Error) =>
      onWarning(
        `a session of the page ends with this process, since it can't be kept: ${error.message}`,
      ),
    );
  }
}

/** Its role is that of its token now; a token that is gone, or has another value, ends it. */
function visitorOf(
  { token, until }: KeptSession,
  cookie: string,
  tokens: readonly ApiToken[],
): Visitor | undefined {
  if (token === undefined) return { name: 'cli', role: 'operate', until };
  const found = tokens.find(({ name }) => name === token.name);
  if (found === undefined || sha256(`${cookie} ${found.token}`) !== token.hash) return undefined;
  return { name: found.name, role: found.role, until };
}

function secret(): string {
  return randomBytes(secretBytes).toString('base64url');
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function isKept(value: unknown): value is KeptSession {
  const { key, until, token } = (value ?? {}) as Partial<KeptSession>;
  const isToken =
    token === undefined || (typeof token?.name === 'string' && typeof token.hash === 'string');
  return (
    typeof key === 'string' && /^[0-9a-f]{64}$/.test(key) && typeof until === 'number' && isToken
  );
}
