/**
 * The logins of this process: one warm session a remote, shared by its runs, each with a permit so
 * that a remote's `maxSessions` holds over all processes. An idle session keeps its permit for a
 * minute, since the next run may want it, and gives it up at once when another process asks.
 */
import { setMaxListeners } from 'node:events';
import { FerryError } from '../core/errors.js';
import type { Permit, TakePermit } from '../core/permit.js';
import type { Remote } from '../core/remote.js';
import type { SessionPool } from '../endpoints/sftp/pool.js';

export interface Logins {
  /** Waits until this process may be logged in on all of these remotes; resolves to what gives that back. Rejects with the signal's reason. */
  use(remotes: readonly Remote[], signal: AbortSignal): Promise<() => void>;
  /** Somebody waits for a permit of that name. */
  wanted(permit: string): void;
  /** The remotes have new definitions: sessions to others end when nobody uses them. */
  keepOnly(remotes: ReadonlyMap<string, Remote>): void;
  close(): Promise<void>;
}

/** Milliseconds an idle session is kept. */
const warm = 60_000;

function permitName(remote: Remote): string {
  return `remote-${remote.name}`;
}

interface Seat {
  readonly remote: Remote;
  /** Permits of the remote and its jump hosts; empty while this process may not be logged in. */
  permits: readonly Permit[];
  users: number;
  /** Whether it is given up as soon as nobody uses it; newcomers wait until it was taken anew. */
  leaving: boolean;
  taking: Promise<void> | undefined;
  /** Settles what waits for it to be given up. */
  left: (() => void)[];
  timer: NodeJS.Timeout | undefined;
}

export function createLogins(pool: SessionPool, take: TakePermit): Logins {
  const seats = new Map<string, Seat>();
  const closing = new AbortController();
  setMaxListeners(0, closing.signal);

  const seatOf = (remote: Remote): Seat => {
    let seat = seats.get(remote.name);
    const gone = seat?.permits.length === 0 && seat.taking === undefined && !seat.leaving;
    if (seat === undefined || gone) {
      seat = {
        remote,
        permits: [],
        users: 0,
        leaving: false,
        taking: undefined,
        left: [],
        timer: undefined,
      };
      seats.set(remote.name, seat);
    }
    return seat;
  };

  const leave = async (seat: Seat) => {
    clearTimeout(seat.timer);
    const { permits } = seat;
    seat.permits = [];
    // The login ends before somebody else may make one.
    await pool.drop(seat.remote);
    await Promise.all(permits.map((permit) => permit.release()));
    seat.leaving = false;
    for (const go of seat.left.splice(0)) go();
  };

  const giveUp = (seat: Seat) => {
    if (seat.permits.length === 0 || seat.leaving) return;
    seat.leaving = true;
    if (seat.users === 0) void leave(seat);
  };

  const rest = (seat: Seat) => {
    seat.timer = setTimeout(() => giveUp(seat), warm);
    seat.timer.unref();
  };

  const takeAll = async (seat: Seat) => {
    if (seat.leaving) await new Promise<void>((go) => seat.left.push(go));
    const taken: Permit[] = [];
    try {
      for (const { name, count } of permitsFor([seat.remote]))
        taken.push(await take(name, count, closing.signal));
    } catch (error) {
      await Promise.all(taken.map((permit) => permit.release()));
      throw error;
    }
    seat.permits = taken;
    for (const permit of taken)
      permit.lost.addEventListener('abort', () => giveUp(seat), { once: true });
    // Whoever asked for it may be gone.
    rest(seat);
  };

  const release = (seat: Seat) => {
    seat.users--;
    if (seat.users > 0) return;
    if (seat.leaving) void leave(seat);
    else rest(seat);
  };

  const join = async (remote: Remote, signal: AbortSignal): Promise<Seat> => {
    for (;;) {
      signal.throwIfAborted();
      const seat = seatOf(remote);
      if (seat.permits.length > 0 && !seat.leaving) {
        clearTimeout(seat.timer);
        seat.users++;
        return seat;
      }
      seat.taking ??= takeAll(seat).finally(() => {
        seat.taking = undefined;
      });
      await unlessAborted(seat.taking, signal);
    }
  };

  return {
    async use(remotes, signal) {
      for (const { name, count, times } of permitsFor(remotes)) {
        if (times > count)
          throw new FerryError(
            'config',
            `the run needs ${times} logins on ${name.slice('remote-'.length)} at once, whose maxSessions is ${count}`,
            { hint: 'raise maxSessions, or go another way to one of the remotes' },
          );
      }
      const mine: Seat[] = [];
      const back = () => {
        for (const seat of mine.splice(0)) release(seat);
      };
      try {
        for (const remote of byName(remotes)) mine.push(await join(remote, signal));
      } catch (error) {
        back();
        throw error;
      }
      return back;
    },
    wanted(permit) {
      for (const seat of seats.values())
        if (permitsFor([seat.remote]).some(({ name }) => name === permit)) giveUp(seat);
    },
    keepOnly(remotes) {
      for (const seat of seats.values()) {
        const now = remotes.get(seat.remote.name);
        if (JSON.stringify(now) !== JSON.stringify(seat.remote)) giveUp(seat);
      }
    },
    async close() {
      closing.abort(new Error('closed'));
      await Promise.all([...seats.values()].map((seat) => leave(seat)));
    },
  };
}

function byName(remotes: readonly Remote[]): Remote[] {
  const unique = new Map(remotes.map((remote) => [remote.name, remote]));
  return [...unique.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The permits that logins on these remotes need, jump hosts included, in name order. */
function permitsFor(remotes: readonly Remote[]) {
  const needed = new Map<string, { name: string; count: number; times: number }>();
  for (const remote of byName(remotes)) {
    for (let at: Remote | undefined = remote; at !== undefined; at = at.jump) {
      const name = permitName(at);
      const times = (needed.get(name)?.times ?? 0) + 1;
      needed.set(name, { name, count: at.maxSessions, times });
    }
  }
  return [...needed.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) return stop();
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
