/** The in-process server of src/test-server as one of the kit's servers. Its folder is `/` to clients. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  makeKeyPair,
  type SshServer,
  type SshServerOptions,
  startDemoServer,
} from '../../../src/test-server/ssh-server.js';
import { temporaryFolder } from '../files/temporary.js';
import { makeKey } from './keys.js';
import type { RealServer } from './real-server.js';

export interface InProcess extends RealServer, Omit<SshServer, 'host' | 'port' | 'stop'> {
  readonly password: string;
}

export type InProcessOptions = Omit<Partial<SshServerOptions>, 'onSftp'> & {
  readonly root?: string;
};

/** Makes what an in-process server and its client need: keys, a user and a folder. */
export async function prepare(options: InProcessOptions) {
  const keys = await temporaryFolder();
  const client = makeKey(join(keys, 'client'));
  return {
    keys,
    client,
    folder: options.root ?? join(keys, 'root'),
    server: {
      username: 'partner',
      password: 'open sesame',
      publicKey: client.publicKey,
      hostKey: makeKeyPair().privateKey,
      ...options,
    },
  };
}

/** Writes a known_hosts file that names a server; resolves to its path. */
export async function writeKnownHosts(keys: string, server: SshServer): Promise<string> {
  const file = join(keys, 'known_hosts');
  await writeFile(file, `[127.0.0.1]:${server.port} ${server.hostKey}\n`);
  return file;
}

/** Starts a server of `root` (default: a fresh folder), by key or password; the caller stops it. */
export async function startInProcess(options: InProcessOptions = {}): Promise<InProcess> {
  const { keys, client, folder, server: given } = await prepare(options);
  const server = await startDemoServer({ ...given, root: folder });
  return {
    ...server,
    username: given.username,
    password: given.password ?? '',
    keyFile: client.file,
    knownHostsFile: await writeKnownHosts(keys, server),
    folder,
    root: '/',
    log: () => '',
  };
}
