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
 */
import { createHash, randomBytes } from 'node:crypto';
import { link, readdir, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { FerryError } from '../core/errors.js';
import { lockFolder, locksFolder } from './layout.js';
import { makeFolder } from './make-folder.js';
import { removeFile } from './remove-file.js';
import { openSocketFolder, type SocketFolder } from './socket-path.js';

export interface Lock {
  /** Releases the lock; a second call does nothing. */
  release(): Promise<void>;
}

/** A holder that sends no pid within this time is called `unknown`; that it accepts connections proves it alive. */
const pidWithinMs = 1000;

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
    hint: 'stop that daemon, or give this one a state folder of its own in FERRYLINE_STATE_DIR',
  }));
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
    const highest = Math.max(0, ...(await numbersIn(folder)));
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

async function acquire(state: string, what: string, who: string, busy: BusyError): Promise<Lock> {
  const folder = folderOf(state, what);
  let sockets: SocketFolder | undefined;
  try {
    await makeFolder(folder);
    sockets = await openSocketFolder(folder);
    return await take(folder, sockets, busy);
  } catch (thrown) {
    await sockets?.close();
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

async function take(folder: string, sockets: SocketFolder, busy: BusyError): Promise<Lock> {
  const ours = `new-${randomBytes(6).toString('hex')}`;
  const server = await listen(sockets.address(ours));
  const close = () => new Promise<void>((done) => server.close(() => done()));
  try {
    const older = await claim(folder, sockets, ours, busy);
    await unlink(join(folder, ours));
    for (const number of older) await removeFile(join(folder, String(number)));
  } catch (thrown) {
    // Closing also removes the name it was bound to.
    await close();
    throw thrown;
  }
  let released: Promise<void> | undefined;
  return {
    release() {
      released ??= close().then(() => sockets.close());
      return released;
    },
  };
}

/** Links the listening socket `ours` to the next number; resolves to the older ones. */
async function claim(
  folder: string,
  sockets: SocketFolder,
  ours: string,
  busy: BusyError,
): Promise<number[]> {
  for (;;) {
    const highest = Math.max(0, ...(await numbersIn(folder)));
    if (highest > 0) {
      const holder = await askHolder(sockets.address(String(highest)));
      if (holder === 'gone') continue;
      if (holder !== 'silent') {
        const { message, hint } = busy(holder);
        throw new FerryError('busy', message, { hint });
      }
    }
    const next = highest + 1;
    try {
      await link(join(folder, ours), join(folder, String(next)));
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw thrown;
    }
    // A process that listed the folder long ago may have linked a number below the lock's.
    const numbers = await numbersIn(folder);
    if (Math.max(...numbers) === next) return numbers.filter((number) => number < next);
    await unlink(join(folder, String(next)));
  }
}

/** A folder this small is listed by one system call, so the numbers are of one moment. */
async function numbersIn(folder: string): Promise<number[]> {
  return (await readdir(folder)).filter((name) => /^[1-9]\d*$/.test(name)).map(Number);
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
