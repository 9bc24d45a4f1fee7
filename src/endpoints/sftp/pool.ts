/**
 * Sessions shared by everything in this process that uses the same remote: one login, kept open, and
 * opened again when it is lost.
 */
import type { Remote } from '../../core/remote.js';
import { connect } from '../../ssh/connect.js';
import type { Connect, SessionLog } from '../../ssh/transport.js';
import { QueueDepth } from './client/queue-depth.js';
import { RequestGate } from './client/request-gate.js';
import { KeptSession } from './kept-session.js';
import { Quirks } from './quirks.js';
import type { OnEarly, Session } from './session.js';

export interface PoolOptions {
  readonly connect?: Connect;
  /** Receives the transcript of every session (`-vv`). */
  readonly transcript?: (
    remote: string,
    kind: 'status' | 'command' | 'response',
    text: string,
  ) => void;
  /** Receives what users should know of a session: that it is opened again, that the server limits it. */
  readonly notice?: (remote: string, text: string) => void;
}

interface PooledRemote {
  readonly kept: KeptSession;
  /** How many requests the server should have at once, whichever session sends them. */
  readonly depth: QueueDepth;
  readonly quirks: Quirks;
}

export class SessionPool {
  readonly #options: PoolOptions;
  /** By the remote's name. */
  readonly #remotes = new Map<string, PooledRemote>();

  constructor(options: PoolOptions = {}) {
    this.#options = options;
  }

  /**
   * The remote's session; logs in if there is none. A first login that fails for a passing reason is
   * tried once more; a lost session is opened again for at most 30 s. For `early` see `Session.open`.
   */
  async session(remote: Remote, signal: AbortSignal, early?: OnEarly): Promise<Session> {
    return this.live(remote) ?? this.#remote(remote).kept.session(remote, signal, early);
  }

  /** The remote's session if it is up now. */
  live(remote: Remote): Session | undefined {
    return this.#remotes.get(remote.name)?.kept.live;
  }

  /** How many requests the remote's server should have at once, whichever session sends them. */
  depth(remote: Remote): QueueDepth {
    return this.#remote(remote).depth;
  }

  /** What the remote's server was seen to do otherwise than it says. */
  quirks(remote: Remote): Quirks {
    return this.#remote(remote).quirks;
  }

  /** Called when an operation was answered: the time for opening a lost session starts anew. */
  worked(remote: Remote): void {
    this.#remotes.get(remote.name)?.kept.worked();
  }

  /** SSH logins made so far for these remotes, those on jump hosts and for new sessions included. */
  logins(remotes: Iterable<Remote>): number {
    let sum = 0;
    for (const name of new Set([...remotes].map((remote) => remote.name)))
      sum += this.#remotes.get(name)?.kept.logins ?? 0;
    return sum;
  }

  /** Ends the remote's session, if there is one; operations on it lose it. */
  async drop(remote: Remote): Promise<void> {
    await this.#remotes.get(remote.name)?.kept.drop();
  }

  /** Ends all sessions; resolves once the servers have ended them, too. */
  async close(): Promise<void> {
    await Promise.all([...this.#remotes.values()].map(({ kept }) => kept.close()));
    this.#remotes.clear();
  }

  /** Ends all sessions of a process that is about to exit; resolves once the goodbyes are sent. */
  async leave(): Promise<void> {
    this.close().catch(() => {});
    // what is written in one turn has reached the system before the next
    await new Promise((turn) => setImmediate(turn));
  }

  #remote({ name }: Remote): PooledRemote {
    const known = this.#remotes.get(name);
    if (known !== undefined) return known;
    const { transcript, notice } = this.#options;
    const log: SessionLog = (kind, text) => {
      if (kind === 'notice') notice?.(name, text);
      transcript?.(name, kind === 'notice' ? 'status' : kind, text);
    };
    const depth = new QueueDepth((limit) => log('notice', depthNotice(limit)));
    const kept = new KeptSession({
      connect: this.#options.connect ?? connect,
      log,
      gate: new RequestGate(depth),
      trace: transcript !== undefined,
    });
    const quirks = new Quirks((text) => log('notice', text));
    const added = { kept, depth, quirks };
    this.#remotes.set(name, added);
    return added;
  }
}

function depthNotice(limit: number): string {
  return limit === Number.POSITIVE_INFINITY
    ? 'this server is as fast with many requests at a time again; no limit is used any more'
    : `this server is fastest with ${limit} requests at a time; using that`;
}
