/** The control socket in the state folder: how to reach it, how to listen on it. */
import { chmod, mkdir, rename, rm, unlink } from 'node:fs/promises';
import type { Server } from 'node:net';
import { basename, join } from 'node:path';
import { controlSocket, newControlSocketFolder } from '../../state/layout.js';
import { makeFolder } from '../../state/make-folder.js';
import { openSocketFolder } from '../../state/socket-path.js';

/** Its name while it is made: closing a server makes Node remove the name it was bound to, which must not be the one in use. */
const firstName = 'new';

export interface Reach {
  /** The control socket's path, short enough for connect(2) until `close`. */
  readonly path: string;
  close(): Promise<void>;
}

/** How to reach the control socket of a state folder. Rejects with the system's error when there is no such folder. */
export async function reachControlSocket(state: string): Promise<Reach> {
  const { address, close } = await openSocketFolder(state);
  return { path: address(basename(controlSocket(state))), close };
}

/**
 * Makes a server listen on the state folder's control socket, which nobody but its owner can open at
 * any moment (0600). It replaces one that a dead daemon left; the caller holds the folder's lock.
 * The returned function removes the socket's name, and has to be called before the server is closed.
 */
export async function listenPrivately(server: Server, state: string): Promise<() => Promise<void>> {
  const path = controlSocket(state);
  await makeFolder(state);
  // Only its owner may enter this folder; the socket is made in it and then moved to its name.
  const nursery = newControlSocketFolder(state);
  await rm(nursery, { recursive: true, force: true });
  await mkdir(nursery, { mode: 0o700 });
  const sockets = await openSocketFolder(nursery);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(sockets.address(firstName), () => {
        server.off('error', reject);
        resolve();
      });
    });
    await chmod(join(nursery, firstName), 0o600);
    await rename(join(nursery, firstName), path);
  } catch (thrown) {
    server.close();
    throw thrown;
  } finally {
    await sockets.close();
    await rm(nursery, { recursive: true, force: true });
  }
  return () => unlink(path).catch(ignoreMissing);
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
