/** The control socket in the state folder: its name, how to reach it, how to listen on it. */
import { chmod, type FileHandle, mkdir, open, rename, rm, unlink } from 'node:fs/promises';
import type { Server } from 'node:net';
import { join } from 'node:path';

const socketName = 'control.sock';
/** Only its owner may enter this folder; the socket is made in it and then moved to its name. */
const nursery = '.control.new';
/** Its name there: closing a server makes Node remove the name it was bound to, which must not be the one in use. */
const firstName = 'new';
/** sockaddr_un holds 108 bytes with its NUL; longer paths are reached through an open folder. */
const longestSocketPath = 100;

export interface Reach {
  /** The control socket's path, short enough for connect(2) until `close`. */
  readonly path: string;
  close(): Promise<void>;
}

/** The way to the control socket of a state folder. Rejects with the system's error when there is no such folder. */
export async function reachControlSocket(state: string): Promise<Reach> {
  const { folder, handle } = await shorten(state, socketName);
  return { path: join(folder, socketName), close: async () => handle?.close() };
}

/**
 * Has a server listen on the state folder's control socket, which nobody but its owner can open at
 * any moment (0600). It replaces what a dead daemon left there; the caller holds the folder's lock.
 * The function it resolves to takes the socket's name away, and has to come before the server's end.
 */
export async function listenPrivately(server: Server, state: string): Promise<() => Promise<void>> {
  await mkdir(state, { recursive: true, mode: 0o700 });
  const made = join(state, nursery);
  await rm(made, { recursive: true, force: true });
  await mkdir(made, { mode: 0o700 });
  const { folder, handle } = await shorten(made, firstName);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(join(folder, firstName), () => {
        server.off('error', reject);
        resolve();
      });
    });
    await chmod(join(made, firstName), 0o600);
    await rename(join(made, firstName), join(state, socketName));
  } catch (thrown) {
    server.close();
    throw thrown;
  } finally {
    await handle?.close();
    await rm(made, { recursive: true, force: true });
  }
  return () => unlink(join(state, socketName)).catch(ignoreMissing);
}

async function shorten(
  folder: string,
  name: string,
): Promise<{ folder: string; handle: FileHandle | undefined }> {
  if (Buffer.byteLength(join(folder, name)) <= longestSocketPath) {
    return { folder, handle: undefined };
  }
  const handle = await open(folder, 'r');
  return { folder: `/proc/self/fd/${handle.fd}`, handle };
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
