/**
 * The logins of this process: one warm session for each remote, shared by its runs and covered by
 * permits, so that a remote's `maxSessions` holds over all processes. An idle session keeps its
 * permits for a minute, since the next run may need it, and gives them up at once when another
 * process waits for one.
 */
import { setMaxListeners } from 'node:events';
import { unlessAborted } from '../core/abort.js';
import { FerryError } from '../core/errors.js';
import type { Permit, TakePermit, TryPermit } from '../core/permit.js';
import type { Remote } from '../core/remote.js';
import type { SessionPool } from '../endpoints/sftp/pool.js';

/** Milliseconds an idle session is kept before it is closed. */
const keepIdleMs = 60_000;

/** This process's login on one remote. */
interface Login {
  readonly remote: Remote;
  /** Permits of the remote and its jump hosts; empty while this process may not be logged in. */
  permits: readonly Permit[];
  users: number;
  /** Whether it ends as soon as nobody uses it; newcomers wait until its permits are taken again. */
  leaving: boolean;
  /** Settles when the permits have been taken, or could not be. */
  taking: Promise<void> | undefined;
  /** A try to take them without waiting, which resolves to the missing one. */
  trying: Promise<string | undefined> | undefined;
  /** Called once the login has ended. */
  leftListeners: (() => void)[];
  timer: NodeJS.Timeout | undefined;
}

export class Logins {
  readonly #pool: SessionPool;
  readonly #take: TakePermit;
  /** By remote name. */
  readonly #logins = new Map<string, Login>();
  readonly #closing = new AbortController();

  constructor(pool: SessionPool, take: TakePermit) {
    this.#pool = pool;
    this.#take = take;
    setMaxListeners(0, this.#closing.signal);
  }

  /**
   * Waits until this process may be logged in on all of these remotes; resolves to a function that
   * ends the use. Rejects with the signal's reason, and with a `config` error if a remote's
   * `maxSessions` can never be enough.
   */
  async use(remotes: readonly Remote[], signal: AbortSignal): Promise<() => void> {
    refuseImpossible(remotes);
    const used: Login[] = [];
    const release = () => {
      for (const login of used.splice(0)) this.#release(login);
    };
    try {
      for (const remote of byName(remotes)) used.push(await this.#join(remote, signal));
    } catch (error) {
      release();
      throw error;
    }
    return release;
  }

  /**
   * The same without waiting, all or none: resolves to the name of a permit that is missing, or to
   * a function that ends the use. Errors: `config`, `network`.
   */
  async tryUse(remotes: readonly Remote[], tryTake: TryPermit): Promise<string | (() => void)> {
    refuseImpossible(remotes);
    const used: { readonly login: Login; readonly isNew: boolean }[] = [];
    const release = () => {
      for (const { login } of used.splice(0)) this.#release(login);
    };
    const undo = () => {
      const fresh = used.filter(({ isNew }) => isNew);
      release();
      // Others may need what was taken for this try alone.
      for (const { login } of fresh) if (login.users === 0) this.#giveUp(login);
    };
    try {
      for (const remote of byName(remotes)) {
        const isNew = this.#loginOn(remote).permits.length === 0;
        const login = await this.#tryJoin(remote, tryTake);
        if (typeof login === 'string') {
          undo();
          return login;
        }
        used.push({ login, isNew });
      }
    } catch (error) {
      undo();
      throw error;
    }
    return release;
  }

  /** Gives up logins that hold this permit once they are idle: another process waits for it. */
  wanted(permit: string): void {
    for (const login of this.#logins.values())
      if (permitsFor([login.remote]).some(({ name }) => name === permit)) this.#giveUp(login);
  }

  /** Takes the remotes' new definitions: logins on other ones end once they are idle. */
  keepOnly(remotes: ReadonlyMap<string, Remote>): void {
    for (const login of this.#logins.values()) {
      const now = remotes.get(login.remote.name);
      if (JSON.stringify(now) !== JSON.stringify(login.remote)) this.#giveUp(login);
    }
  }

  /** How many logins are open, or may be, by the remote's name; jump hosts are counted. */
  open(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { permits, remote } of this.#logins.values())
      if (permits.length > 0)
        for (let at: Remote | undefined = remote; at !== undefined; at = at.jump)
          counts.set(at.name, (counts.get(at.name) ?? 0) + 1);
    return counts;
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('closed'));
    await Promise.all([...this.#logins.values()].map((login) => this.#leave(login)));
  }

  async #join(remote: Remote, signal: AbortSignal): Promise<Login> {
    for (;;) {
      signal.throwIfAborted();
      const login = this.#loginOn(remote);
      if (login.permits.length > 0 && !login.leaving) {
        clearTimeout(login.timer);
        login.users++;
        return login;
      }
      login.taking ??= this.#takePermits(login).finally(() => {
        login.taking = undefined;
      });
      await unlessAborted(login.taking, signal);
    }
  }

  async #tryJoin(remote: Remote, tryTake: TryPermit): Promise<Login | string> {
    const login = this.#loginOn(remote);
    if (login.permits.length === 0 && !login.leaving && login.taking === undefined) {
      login.trying = this.#tryPermits(login, tryTake).finally(() => {
        login.trying = undefined;
        login.taking = undefined;
      });
      login.taking = login.trying.then(() => {});
      login.taking.catch(() => {}); // the one who tries gets it
    }
    const missing = await login.trying;
    if (missing !== undefined) return missing;
    if (login.permits.length === 0 || login.leaving) return `remote-${remote.name}`;
    clearTimeout(login.timer);
    login.users++;
    return login;
  }

  #loginOn(remote: Remote): Login {
    const known = this.#logins.get(remote.name);
    const isEnded = known?.permits.length === 0 && known.taking === undefined && !known.leaving;
    if (known !== undefined && !isEnded) return known;
    const login: Login = {
      remote,
      permits: [],
      users: 0,
      leaving: false,
      taking: undefined,
      trying: undefined,
      leftListeners: [],
      timer: undefined,
    };
    this.#logins.set(remote.name, login);
    return login;
  }

  async #takePermits(login: Login): Promise<void> {
    if (login.leaving) await new Promise<void>((resolve) => login.leftListeners.push(resolve));
    const taken: Permit[] = [];
    try {
      for (const { name, count } of permitsFor([login.remote]))
        taken.push(await this.#take(name, count, this.#closing.signal));
    } catch (error) {
      await Promise.all(taken.map((permit) => permit.release()));
      throw error;
    }
    this.#taken(login, taken);
  }

  async #tryPermits(login: Login, tryTake: TryPermit): Promise<string | undefined> {
    const taken: Permit[] = [];
    const giveBack = () => Promise.all(taken.map((permit) => permit.release()));
    try {
      for (const { name, count } of permitsFor([login.remote])) {
        const permit = await tryTake(name, count);
        if (permit === undefined) {
          await giveBack();
          return name;
        }
        taken.push(permit);
      }
    } catch (error) {
      await giveBack();
      throw error;
    }
    this.#taken(login, taken);
    return undefined;
  }

  #taken(login: Login, taken: readonly Permit[]): void {
    login.permits = taken;
    for (const permit of taken)
      permit.lost.addEventListener('abort', () => this.#giveUp(login), { once: true });
    // the run that asked for it may be gone
    this.#leaveWhenIdle(login);
  }

  #release(login: Login): void {
    login.users--;
    if (login.users > 0) return;
    if (login.leaving) void this.#leave(login);
    else this.#leaveWhenIdle(login);
  }

  #leaveWhenIdle(login: Login): void {
    login.timer = setTimeout(() => this.#giveUp(login), keepIdleMs);
    login.timer.unref();
  }

  /** Ends a login now, or once its last user is gone. */
  #giveUp(login: Login): void {
    if (login.permits.length === 0 || login.leaving) return;
    login.leaving = true;
    if (login.users === 0) void this.#leave(login);
  }

  async #leave(login: Login): Promise<void> {
    clearTimeout(login.timer);
    const { permits } = login;
    login.permits = [];
    // the session closes before another process may open one
    await this.#pool.drop(login.remote);
    await Promise.all(permits.map((permit) => permit.release()));
    login.leaving = false;
    for (const listener of login.leftListeners.splice(0)) listener();
  }
}

/** Throws if a remote's `maxSessions` can never be enough. */
function refuseImpossible(remotes: readonly Remote[]): void {
  for (const { name, count, times } of permitsFor(remotes)) {
    if (times <= count) continue;
    throw new FerryError(
      'config',
      `the run needs ${times} logins at once on ${name.slice('remote-'.length)}, whose maxSessions is ${count}`,
      { hint: 'raise maxSessions, or reach one of the remotes by another jump host' },
    );
  }
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
      const name = `remote-${at.name}`;
      const times = (needed.get(name)?.times ?? 0) + 1;
      needed.set(name, { name, count: at.maxSessions, times });
    }
  }
  return [...needed.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
