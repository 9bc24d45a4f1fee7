/**
 * Sessions shared by everything in this process that talks to the same remote: one login, kept
 * warm, made again when it is lost.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { FerryError } from '../../core/errors.js';
import type { Remote } from '../../core/remote.js';
import { connect as connectRemote } from '../../ssh/connect.js';
import type { Connect, SessionLog } from '../../ssh/transport.js';
import { QueueDepth } from './client/queue-depth.js';
import { RequestGate } from './client/request-gate.js';
import { Session } from './session.js';

export interface SessionPool {
  /**
   * The remote's session; logs in where there is none. A first login that fails for a passing
   * reason is tried once more; a lost session is made again for at most 30 s.
   */
  session(remote: Remote, signal: AbortSignal): Promise<Session>;
  /** The remote's session if it is up right now. */
  live(remote: Remote): Session | undefined;
  /** How many requests the remote's server is to have at once, whichever session it is. */
  depth(remote: Remote): QueueDepth;
  /** Tells that an operation was answered: the patience with a lost session starts anew. */
  worked(remote: Remote): void;
  /** SSH logins made so far for these remotes, jump hosts and reconnects counted. */
  logins(remotes: Iterable<Remote>): number;
  /** Ends the remote's session, if there is one; whoever uses it meanwhile loses it. */
  drop(remote: Remote): Promise<void>;
  /** Ends all sessions; resolves when the servers have ended them, too. */
  close(): Promise<void>;
  /** The same for a process that is about to end: resolves when the goodbyes are on their way. */
  leave(): Promise<void>;
}

export interface PoolOptions {
  readonly connect?: Connect;
  /** Receives the transcript of every session (`-vv`). */
  readonly transcript?: (
    remote: string,
    kind: 'status' | 'command' | 'response',
    text: string,
  ) => void;
  /** Receives what its user should know of a session: that it is made again, that the server holds it back. */
  readonly notice?: (remote: string, text: string) => void;
}

interface Place {
  session: Session | undefined;
  opening: Promise<Session> | undefined;
  logins: number;
  readonly tell: SessionLog;
  /** Holds back what the server is not to have yet, over all sessions with it. */
  readonly gate: RequestGate;
  /** When the session was lost, ms; undefined once one has worked again. */
  lostAt: number | undefined;
  /** When and why a lost session was given up. */
  givenUp: { readonly at: number; readonly error: FerryError } | undefined;
}

/** Milliseconds from the loss of a session until one must have worked again. */
const patience = 30_000;
/** Milliseconds after giving up in which nobody tries again: all who waited are told the same. */
const echo = 1000;
/** Errors of a first login that trying again cannot mend: what they say is stable for minutes. */
const stable = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT']);

export function createPool(options: PoolOptions = {}): SessionPool {
  const connect = options.connect ?? connectRemote;
  const places = new Map<string, Place>();

  const placeOf = (remote: Remote): Place => {
    let place = places.get(remote.name);
    if (place === undefined) {
      const { transcript, notice } = options;
      const tell: SessionLog = (kind, text) => {
        if (kind === 'notice') notice?.(remote.name, text);
        transcript?.(remote.name, kind === 'notice' ? 'status' : kind, text);
      };
      place = {
        session: undefined,
        opening: undefined,
        logins: 0,
        tell,
        gate: new RequestGate(new QueueDepth((limit) => tell('notice', pace(limit)))),
        lostAt: undefined,
        givenUp: undefined,
      };
      places.set(remote.name, place);
    }
    return place;
  };

  const live = (remote: Remote): Session | undefined => {
    const session = places.get(remote.name)?.session;
    return session?.failure === undefined ? session : undefined;
  };

  const giveUp = (place: Place, error: FerryError) => {
    place.givenUp = { at: performance.now(), error };
    place.session = undefined;
    place.lostAt = undefined;
  };

  const open = async (remote: Remote, place: Place, signal: AbortSignal): Promise<Session> => {
    const { givenUp } = place;
    if (givenUp !== undefined) {
      if (performance.now() - givenUp.at < echo) throw givenUp.error;
      place.givenUp = undefined;
    }
    const before = place.session;
    await before?.close();
    if (before?.failure !== undefined) {
      place.lostAt ??= performance.now();
      // one that comes up each time and never works is lost, too
      if (performance.now() - place.lostAt > patience) {
        giveUp(place, before.failure);
        throw before.failure;
      }
    }
    const { tell, gate } = place;
    const trace = options.transcript !== undefined;
    const lostAt = place.lostAt ?? performance.now();
    for (let attempt = 0; ; attempt++) {
      try {
        const session = await Session.open(remote, connect, tell, signal, gate, trace);
        place.logins += session.transport.logins;
        place.session = session;
        return session;
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (!(error instanceof FerryError) || error.kind !== 'network') throw error;
        const wait = Math.min(250 * 2 ** attempt, 5000) * (0.75 + Math.random() / 2);
        const again =
          before === undefined
            ? attempt < 1 && !stable.has(error.code ?? '')
            : performance.now() - lostAt + wait < patience;
        if (!again) {
          if (before !== undefined) giveUp(place, error);
          throw error;
        }
        tell('notice', `${error.message}; trying again in ${Math.round(wait)} ms`);
        await delay(wait, undefined, { signal }).catch(() => {
          throw signal.reason;
        });
      }
    }
  };

  const close = async () => {
    await Promise.all(
      [...places.values()].map(async (place) => {
        const session = place.session ?? (await place.opening?.catch(() => undefined));
        await session?.close();
      }),
    );
    places.clear();
  };

  return {
    live,
    depth: (remote) => placeOf(remote).gate.depth,
    worked(remote) {
      const place = places.get(remote.name);
      if (place !== undefined) place.lostAt = undefined;
    },
    async session(remote, signal) {
      const up = live(remote);
      if (up !== undefined) return up;
      const place = placeOf(remote);
      place.opening ??= open(remote, place, signal).finally(() => {
        place.opening = undefined;
      });
      return place.opening;
    },
    logins(remotes) {
      let sum = 0;
      for (const name of new Set([...remotes].map((remote) => remote.name)))
        sum += places.get(name)?.logins ?? 0;
      return sum;
    },
    async drop(remote) {
      const place = places.get(remote.name);
      if (place === undefined) return;
      const session = (await place.opening?.catch(() => undefined)) ?? place.session;
      place.session = undefined;
      place.lostAt = undefined;
      await session?.close();
    },
    close,
    async leave() {
      close().catch(() => {});
      // what is written in one turn is with the system before the next one
      await new Promise((turn) => setImmediate(turn));
    },
  };
}

function pace(limit: number): string {
  return limit === Number.POSITIVE_INFINITY
    ? 'the server is as fast with many requests at once again: it gets as many as there are'
    : `the server does the most with few requests at once: it gets ${limit} from now on`;
}
