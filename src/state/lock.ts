/**
 * Locks within a state folder: of a job (one run at a time on this machine) and of the daemon. Each
 * is a Unix socket that the holder listens on, so that the kernel, not a pid in a file, tells who is
 * alive: a process that ended in whatever way refuses connections from that moment on, also where
 * every process is pid 1, as in containers.
 *
 * STATE/locks/<hash of what is locked>/ holds sockets named 1, 2, 3 …: the highest is the lock, and
 * it is held as long as somebody listens on it. Whoever finds it silent takes the next number with
 * link(2), which only one can. The highest number is never removed, so that the order can't go
 * back; taking a stale socket away instead would leave a moment in which a live lock has no name.
 */
import { createHash, randomBytes } from 'node:crypto';
import { type FileHandle, link, mkdir, open, readdir, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { FerryError } from '../core/errors.js';

export interface Lock {
  /** Gives the lock back; a second call does nothing. */
  release(): Promise<void>;
}

/** sockaddr_un holds 108 bytes with its NUL; longer paths are reached through an open folder. */
const longestSocketPath = 100;
/** Milliseconds to wait for the holder to tell its pid; that it took the connection is proof enough. */
const patience = 1000;

/** Takes a job's lock, without waiting. Errors: `busy`, naming the holder's pid, while another process (or this one) holds it; `io` when the state folder can't hold one. */
export function acquireJobLock(state: string, job: string): Promise<Lock> {
  return acquire(state, job, `job ${job}`, (pid) => ({
    message: `job ${job} runs already, in process ${pid}`,
    hint: 'wait for that run to end, or stop that process',
  }));
}

/** Takes the lock of a state folder for a daemon. Errors: as above. */
export function acquireDaemonLock(state: string): Promise<Lock> {
  return acquire(state, daemonName, daemonName, (pid) => ({
    message: `a ferryline daemon runs already on the state folder ${state}, process ${pid}`,
    hint: 'stop that one, or give this one a folder of its own in FERRYLINE_STATE_DIR',
  }));
}

/** The pid of the daemon that holds a state folder, `unknown` when it does not tell; undefined: none does. */
export async function daemonOf(state: string): Promise<string | undefined> {
  const folder = folderOf(state, daemonName);
  let handle: FileHandle | undefined;
  try {
    if (isLong(folder)) handle = await open(folder, 'r');
    const highest = Math.max(0, ...(await numbersIn(folder)));
    if (highest === 0) return undefined;
    const holder = await askHolder(addressIn(folder, handle)(String(highest)));
    return holder === 'silent' || holder === 'gone' ? undefined : holder;
  } catch {
    // No folder, or another user's: nobody that can be told of.
    return undefined;
  } finally {
    await handle?.close();
  }
}

/** No job has a name with a space in it. */
const daemonName = 'the daemon';

function folderOf(state: string, what: string): string {
  return join(state, 'locks', createHash('sha256').update(what).digest('hex').slice(0, 16));
}

const isLong = (folder: string) => Buffer.byteLength(folder) + 24 > longestSocketPath;

function addressIn(folder: string, handle: FileHandle | undefined): (name: string) => string {
  return (name) =>
    handle === undefined ? join(folder, name) : `/proc/self/fd/${handle.fd}/${name}`;
}

type Busy = (pid: string) => { readonly message: string; readonly hint: string };

async function acquire(state: string, what: string, who: string, busy: Busy): Promise<Lock> {
  const folder = folderOf(state, what);
  let handle: FileHandle | undefined;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if (isLong(folder)) handle = await open(folder, 'r');
    return await take(folder, busy, handle);
  } catch (thrown) {
    await handle?.close();
    if (thrown instanceof FerryError) throw thrown;
    throw new FerryError(
      'io',
      `${who}: its lock can't be kept in ${folder}: ${(thrown as Error).message}`,
      {
        cause: thrown,
        hint: 'give a folder on a local disk in FERRYLINE_STATE_DIR',
      },
    );
  }
}

async function take(folder: string, busy: Busy, handle: FileHandle | undefined): Promise<Lock> {
  const address = addressIn(folder, handle);
  const mine = `new-${randomBytes(6).toString('hex')}`;
  const server = await listen(address(mine));
  const close = () => new Promise<void>((done) => server.close(() => done()));
  try {
    const number = await claim(folder, busy, mine, address);
    await unlink(join(folder, mine));
    for (const older of await numbersIn(folder)) {
      if (older < number) await unlinkQuietly(join(folder, String(older)));
    }
  } catch (thrown) {
    // Closing also removes the name it was bound to.
    await close();
    throw thrown;
  }
  let released: Promise<void> | undefined;
  return {
    release() {
      released ??= close().then(() => handle?.close());
      return released;
    },
  };
}

/** Gives the listening socket `mine` the next number, and returns that. */
async function claim(
  folder: string,
  busy: Busy,
  mine: string,
  address: (name: string) => string,
): Promise<number> {
  for (;;) {
    const highest = Math.max(0, ...(await numbersIn(folder)));
    if (highest > 0) {
      const holder = await askHolder(address(String(highest)));
      if (holder === 'gone') continue;
      if (holder !== 'silent') {
        const { message, hint } = busy(holder);
        throw new FerryError('busy', message, { hint });
      }
    }
    const next = highest + 1;
    try {
      await link(join(folder, mine), join(folder, String(next)));
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw thrown;
    }
    // Whoever looked at the folder long ago may have taken a number below the lock's.
    if (Math.max(...(await numbersIn(folder))) === next) return next;
    await unlink(join(folder, String(next)));
  }
}

/** A folder this small is read in one system call, so that the list is of one moment. */
async function numbersIn(folder: string): Promise<number[]> {
  return (await readdir(folder)).filter((name) => /^[1-9]\d*$/.test(name)).map(Number);
}

async function unlinkQuietly(path: string): Promise<void> {
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
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

/** The pid of whoever listens there (`unknown` when it doesn't tell), `silent` for nobody, `gone` for no socket. */
function askHolder(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let pid = '';
    const end = (answer: string) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setEncoding('utf8');
    socket.setTimeout(patience, () => end('unknown'));
    socket.on('data', (text: string) => {
      pid += text;
    });
    socket.on('end', () => end(/^\d+$/.test(pid) ? pid : 'unknown'));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') end('silent');
      else if (error.code === 'ENOENT') end('gone');
      // A full backlog or a connection cut by the holder: somebody is there.
      else if (error.code === 'EAGAIN' || error.code === 'ECONNRESET') end('unknown');
      else reject(error);
    });
  });
}
