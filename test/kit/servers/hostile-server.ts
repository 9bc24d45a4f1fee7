/**
 * A server that misbehaves as a test tells it to: the in-process server, with a decision before every
 * request. `behave` may be changed at any time and may be async: its channel waits for it.
 * Ready-made misbehaviour is in hostile-replies.ts.
 */
import { mkdir, realpath } from 'node:fs/promises';
import { demoExtensions } from '../../../src/test-server/folder.js';
import { startSshServer } from '../../../src/test-server/ssh-server.js';
import {
  type Asked,
  type Behave,
  type Extensions,
  hostileFolder,
  type Misbehaving,
  type ServeChannel,
} from './hostile-folder.js';
import { type InProcess, type InProcessOptions, prepare, writeKnownHosts } from './in-process.js';

export type { Asked, Behave, Behaviour } from './hostile-folder.js';

export interface HostileServerOptions extends InProcessOptions {
  readonly behave?: Behave;
  readonly extensions?: Extensions;
}

export interface HostileServer extends InProcess, Misbehaving {}

/** Starts a hostile server of `root` (default: a fresh folder); the caller stops it. */
export async function startHostileServer(
  options: HostileServerOptions = {},
): Promise<HostileServer> {
  const { keys, client, folder, server: given } = await prepare(options);
  await mkdir(folder, { recursive: true });
  const root = await realpath(folder);
  const requests: Asked[] = [];
  let serve: ServeChannel | undefined;
  const server = await startSshServer({
    ...given,
    onSftp: (channel, socket) => serve?.(channel, socket, () => socket.destroy()),
  });

  const self: HostileServer = {
    ...server,
    username: given.username,
    password: given.password ?? '',
    keyFile: client.file,
    knownHostsFile: await writeKnownHosts(keys, server),
    folder,
    root: '/',
    log: () => requests.map(({ type, at }) => `${type} ${at}`).join('\n'),
    behave: options.behave ?? (() => 'normal'),
    concurrent: false,
    extensions: options.extensions ?? demoExtensions,
    requests,
  };
  serve = hostileFolder(root, self, (asked) => {
    requests.push({ ...asked, data: Buffer.alloc(0) });
  });
  return self;
}
