/**
 * Locks within a state folder: of a job (one run at a time on this machine) and of the daemon. Each
 * is a Unix socket that its holder listens on, so that the kernel, not a pid in a file, knows who is
 * alive: a process that ended in any way refuses connections from that moment on. This also works
 * where every process is pid 1, as in containers.
 *
 * STATE/locks/<hash of what is locked>/ holds sockets named 1, 2, 3 …: the highest is the lock, and
 * it is held as long as somebody listens on it. Whoever finds it silent takes the next number with
 * link(2), which only one process can. The highest number is never removed, so numbers never start
 * again from below; removing a stale socket instead would leave a moment in which a live lock has
 * no name.
 *
 * A daemon takes a lock for each run, and a socket costs more than all else of a lock. The lock of a
 * job that it runs is therefore a further name of the socket of its own lock: the number after a silent
 * one, which stays. To release it, the name is removed. Nobody has found it silent, so nobody counts on
 * its number, and the silent one is the highest again.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, linkSync, readdirSync, statSync, unlinkSync } from 'node:fs';
import { readdir, rename } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { FerryError } from '../core/errors.js';
import { lockFolder, locksFolder } from './layout.js';
import { makeFolder } from './make-folder.js';
import { openSocketFolder, type SocketFolder } from './socket-path.js';

export interface Lock {
  /** Releases the lock; a second call does nothing. */
  release(): Promise<void>;
}

/** A holder that sends no pid within this time is called `unknown`; that it accepts connections proves it alive. */
const pidWithinMs = 1000;

/** Takes a job's lock, without waiting. Errors: `busy`, naming the holder's pid, while another process (or this one) holds it; `io` when the state folder can't hold one. */
export async function acquireJobLock(state: string, job: string): Promise<Lock> {
  const again = daemons.get(state)?.takeAgain(folderOf(state, job));
  if (again !== undefined) return again;
  return acquire(state, job, `job ${job}`, (pid) => ({
    message: `job ${job} runs already, in process ${pid}`,
    hint: 'wait for that run to end, or stop that process',
  }));
}

/** Takes the lock of a state folder for a daemon. Errors: as above. */
export async function acquireDaemonLock(state: string): Promise<Lock> {
  const own = await acquire(state, daemonName, daemonName, (pid) => ({
    message: `a ferryline daemon runs already on the state folder ${state}, process ${pid}`,
    hint: 'stop that daemon, or give this one a state folder of its own in FERRYLINE_STATE_DIR',
  }));
  const daemon = new DaemonSocket(own);
  daemons.set(state, daemon);
  let released: Promise<void> | undefined;
  return {
    release() {
      if (daemons.get(state) === daemon) daemons.delete(state);
      released ??= daemon.release();
      return released;
    },
  };
}

/** The pid of the daemon that holds a state folder, `unknown` if it sends none; undefined if no daemon holds it. */
export async function daemonOf(state: string): Promise<string | undefined> {
  return holderOf(folderOf(state, daemonName));
}

/** The pid of a process that holds any lock of a state folder, as above. */
export async function anyHolderOf(state: string): Promise<string | undefined> {
  for (const lock of await readdir(locksFolder(state)).catch(() => [])) {
    const holder = await holderOf(lockFolder(state, lock));
    if (holder !== undefined) return holder;
  }
  return undefined;
}

async function holderOf(folder: string): Promise<string | undefined> {
  let sockets: SocketFolder | undefined;
  try {
    sockets = await openSocketFolder(folder);
    const highest = Math.max(0, ...numbersIn(folder));
    if (highest === 0) return undefined;
    const holder = await askHolder(sockets.address(String(highest)));
    return holder === 'silent' || holder === 'gone' ? undefined : holder;
  } catch {
    // The folder does not exist, or is another user's.
    return undefined;
  } finally {
    await sockets?.close();
  }
}

/** No job has a name with a space in it. */
const daemonName = 'the daemon';

function folderOf(state: string, what: string): string {
  return lockFolder(state, createHash('sha256').update(what).digest('hex').slice(0, 16));
}

type BusyError = (pid: string) => { readonly message: string; readonly hint: string };

async function acquire(
  state: string,
  what: string,
  who: string,
  busy: BusyError,
): Promise<HeldName> {
  const folder = folderOf(state, what);
  try {
    await makeFolder(folder);
    return (await daemons.get(state)?.take(folder, busy)) ?? (await takeOwn(folder, busy));
  } catch (thrown) {
    if (thrown instanceof FerryError) throw thrown;
    throw new FerryError(
      'io',
      `${who}: its lock can't be kept in ${folder}: ${(thrown as Error).message}`,
      {
        cause: thrown,
        hint: 'name a folder on a local disk in FERRYLINE_STATE_DIR',
      },
    );
  }
}

/** A lock, and the path that is its name. */
interface HeldName extends Lock {
  readonly folder: string;
  readonly path: string;
}

/** Takes a lock with a socket of its own, whose name stays when it is released. Errors: `busy`, and the system's. */
async function takeOwn(folder: string, busy: BusyError): Promise<HeldName> {
  const own = await listenIn(folder);
  try {
    for (;;) {
      const next = (await highestSilent(folder, busy)) + 1;
      const older = linkTo(folder, own.path, next);
      if (older === undefined) continue;
      for (const path of [own.path, ...older.map((number) => join(folder, String(number)))])
        removeNow(path);
      return { folder, path: join(folder, String(next)), release: own.close };
    }
  } catch (thrown) {
    await own.close();
    throw thrown;
  }
}

/** The highest number, which is silent; 0 in an empty folder. Errors: `busy`, and the system's. */
async function highestSilent(folder: string, busy: BusyError): Promise<number> {
  const sockets = await openSocketFolder(folder);
  try {
    for (;;) {
      const highest = Math.max(0, ...numbersIn(folder));
      if (highest === 0) return 0;
      const holder = await askHolder(sockets.address(String(highest)));
      if (holder === 'silent') return highest;
      if (holder === 'gone') continue;
      const { message, hint } = busy(holder);
      throw new FerryError('busy', message, { hint });
    }
  } finally {
    await sockets.close();
  }
}

/**
 * Makes a number a further name of a listening socket, which makes it a lock; resolves to the lower
 * numbers, or to undefined if another process was sooner. Like all that is done to names here it does
 * not yield: Node's threads take longer than the system.
 */
function linkTo(folder: string, socket: string, number: number): number[] | undefined {
  const path = join(folder, String(number));
  try {
    linkSync(socket, path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw thrown;
  }
  try {
    const numbers = numbersIn(folder);
    // A process that listed the folder long ago may have linked a number below the lock's.
    if (Math.max(...numbers) === number) return numbers.filter((one) => one < number);
  } catch (thrown) {
    removeNow(path);
    throw thrown;
  }
  removeNow(path);
  return undefined;
}

/** The socket of a daemon's lock, and the locks of jobs that are further names of it. */
class DaemonSocket {
  readonly #own: HeldName;
  readonly #inode: number;
  /** By lock folder: the silent number that stays there. */
  readonly #silent = new Map<string, number>();
  /** Names that could not be removed when they were released. */
  readonly #stuck = new Set<string>();
  #names = 0;
  #isLeft = false;

  constructor(own: HeldName) {
    this.#own = own;
    this.#inode = statSync(own.path).ino;
  }

  /** Takes a lock that this daemon had before, without asking anybody; undefined if others had it since. */
  takeAgain(folder: string): HeldName | undefined {
    const silent = this.#silent.get(folder);
    if (silent === undefined) return undefined;
    this.#silent.delete(folder);
    try {
      return this.#takeAfter(folder, silent);
    } catch {
      return undefined;
    }
  }

  /** Takes a lock; undefined where it needs a socket of its own: its folder has no silent one yet. Errors: `busy`, and the system's. */
  async take(folder: string, busy: BusyError): Promise<HeldName | undefined> {
    for (const path of this.#stuck) this.#remove(path);
    for (;;) {
      const silent = await highestSilent(folder, busy);
      if (silent === 0 || !existsSync(this.#own.path)) return undefined;
      const taken = this.#takeAfter(folder, silent);
      if (taken !== undefined) return taken;
    }
  }

  /** Releases the daemon's lock. Runs that it could not end keep theirs: the last one closes the socket. Never rejects. */
  async release(): Promise<void> {
    this.#isLeft = true;
    if (this.#names === 0) return this.#own.release();
    // A socket of its own takes the name, and is silent once it is closed.
    const other = await listenIn(this.#own.folder).catch(() => undefined);
    if (other === undefined) return;
    await rename(other.path, this.#own.path).catch(() => {});
    await other.close();
  }

  #takeAfter(folder: string, silent: number): HeldName | undefined {
    const older = linkTo(folder, this.#own.path, silent + 1);
    if (older === undefined) return undefined;
    const path = join(folder, String(silent + 1));
    if (!older.includes(silent)) {
      removeNow(path);
      return undefined;
    }
    for (const number of older) if (number !== silent) removeNow(join(folder, String(number)));
    this.#names++;
    let isReleased = false;
    return {
      folder,
      path,
      release: async () => {
        if (isReleased) return;
        isReleased = true;
        this.#remove(path);
        this.#silent.set(folder, silent);
        this.#names--;
        if (this.#isLeft && this.#names === 0) await this.#own.release();
      },
    };
  }

  /** Removes a released name; one that can't be removed, as on a disk that failed, is tried again. */
  #remove(path: string): void {
    this.#stuck.add(path);
    try {
      // Somebody may have removed the folder, and another process have the number since.
      const there = statSync(path, { throwIfNoEntry: false });
      if (there?.ino === this.#inode) unlinkSync(path);
      this.#stuck.delete(path);
    } catch {
      // see above
    }
  }
}

/** By state folder: the daemon that this process is. */
const daemons = new Map<string, DaemonSocket>();

/** Listens on a new socket that has no number yet. */
async function listenIn(folder: string): Promise<{ path: string; close(): Promise<void> }> {
  const name = `new-${randomBytes(6).toString('hex')}`;
  const sockets = await openSocketFolder(folder);
  try {
    const server = await listen(sockets.address(name));
    let closed: Promise<void> | undefined;
    return {
      path: join(folder, name),
      // Closing also removes the name it was bound to.
      close() {
        closed ??= new Promise<void>((done) => server.close(() => done())).then(() =>
          sockets.close(),
        );
        return closed;
      },
    };
  } catch (thrown) {
    await sockets.close();
    throw thrown;
  }
}

/** A folder this small is listed by one system call, so the numbers are of one moment. */
function numbersIn(folder: string): number[] {
  return readdirSync(folder)
    .filter((name) => /^[1-9]\d*$/.test(name))
    .map(Number);
}

/** Removes a name that may be gone. Throws the system's error. */
function removeNow(path: string): void {
  try {
    unlinkSync(path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown;
  }
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.end(String(process.pid));
    });
    server.unref();
    server.once('error', reject);
    server.listen(path, () => resolve(server));
  });
}

/** The pid of the process that listens there (`unknown` if it sends none), `silent` if none does, `gone` if there is no socket. */
function askHolder(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let pid = '';
    const end = (answer: string) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setEncoding('utf8');
    socket.setTimeout(pidWithinMs, () => end('unknown'));
    socket.on('data', (text: string) => {
      pid += text;
    });
    socket.on('end', () => end(/^\d+$/.test(pid) ? pid : 'unknown'));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') end('silent');
      else if (error.code === 'ENOENT') end('gone');
      // The backlog is full, or the holder cut the connection: either way it is alive.
      else if (error.code === 'EAGAIN' || error.code === 'ECONNRESET') end('unknown');
      else reject(error);
    });
  });
}
