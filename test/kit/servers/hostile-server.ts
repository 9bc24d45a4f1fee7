/**
 * A server that misbehaves as a test tells it to: the in-process server, with a decision before every
 * request. `behave` may be changed at any time and may be async: its channel waits for it.
 * Ready-made misbehaviour is in hostile-replies.ts.
 */
import { mkdir, realpath } from 'node:fs/promises';
import { answerFromFolder, demoExtensions } from '../../../src/test-server/folder.js';
import { type Request, serveSftp, statusReply } from '../../../src/test-server/sftp-server.js';
import { startSshServer } from '../../../src/test-server/ssh-server.js';
import { type InProcess, type InProcessOptions, prepare, writeKnownHosts } from './in-process.js';

/** A request as a test sees it. */
export interface Asked extends Request {
  /** Paths as text (UTF-8), absolute, `/` being the served folder. */
  readonly path: string;
  readonly to: string;
  /** With a handle: the path it was opened for; else `path`. */
  readonly at: string;
  /** How many requests of this type came before, over all connections since the start. */
  readonly nth: number;
  /** The connection's number, from 0. */
  readonly connection: number;
  /** The channel's number, from 0, over all connections. */
  readonly channel: number;
}

export type Behaviour =
  /** Do what the request asks. */
  | 'normal'
  /** Do nothing and don't answer. */
  | 'silent'
  /** Do what the request asks and don't answer. */
  | 'silent-after-doing'
  /** Do nothing and cut the connection. */
  | 'cut'
  /** Do what the request asks and cut the connection before the reply. */
  | 'cut-after-doing'
  /** Do nothing and send these bytes. */
  | Buffer
  /** Do nothing and send a STATUS with this code. */
  | { readonly refuse: number; readonly message?: string }
  /** Carry out another request and send its reply. */
  | { readonly instead: Request }
  /** Do what the request asks and send the altered reply. */
  | { readonly alter: (reply: Buffer) => Buffer };

export type Behave = (asked: Asked) => Behaviour | Promise<Behaviour>;

export interface HostileServerOptions extends InProcessOptions {
  readonly behave?: Behave;
  readonly extensions?: Extensions;
}

/** Offered in VERSION; `{}`: a server without any. */
type Extensions = Readonly<Record<string, string>>;

export interface HostileServer extends InProcess {
  behave: Behave;
  /** Whether requests of one channel that are in flight together are carried out together, each answered when it is done. */
  concurrent: boolean;
  /** May be changed at any time, for the channels still to come. */
  extensions: Extensions;
  /** All requests so far, without the bytes of WRITE. */
  readonly requests: readonly Asked[];
}

/** Starts a hostile server of `root` (default: a fresh folder); the caller stops it. */
export async function startHostileServer(
  options: HostileServerOptions = {},
): Promise<HostileServer> {
  const { keys, client, folder, server: given } = await prepare(options);
  await mkdir(folder, { recursive: true });
  const root = await realpath(folder);
  const requests: Asked[] = [];
  const nth = new Map<string, number>();
  const connections = new Map<object, number>();
  let channels = 0;

  const server = await startSshServer({
    ...given,
    onSftp: (channel, socket) => {
      const files = answerFromFolder(root, self.extensions);
      const handles = new Map<string, string>();
      const channelNumber = channels++;
      if (!connections.has(socket)) connections.set(socket, connections.size);
      const connection = connections.get(socket) ?? 0;

      const see = (request: Request): Asked => {
        const before = nth.get(request.type) ?? 0;
        nth.set(request.type, before + 1);
        const path = asText(request.path);
        return {
          ...request,
          path,
          to: asText(request.to),
          at: handles.get(request.handle) ?? path,
          nth: before,
          connection,
          channel: channelNumber,
        };
      };
      const carryOut = async (request: Request) => {
        const reply = await files.answer(request);
        const handle = handleIn(reply);
        if (handle !== undefined) handles.set(handle, asText(request.path));
        return reply;
      };
      const cut = () => {
        socket.destroy();
        channel.destroy();
        return undefined;
      };

      const answer = async (request: Request): Promise<Buffer | undefined> => {
        const asked = see(request);
        requests.push({ ...asked, data: Buffer.alloc(0) });
        const behaviour = await self.behave(asked);
        if (behaviour === 'normal') return carryOut(request);
        if (behaviour === 'silent') return undefined;
        if (behaviour === 'cut') return cut();
        if (behaviour === 'silent-after-doing') {
          await carryOut(request);
          return undefined;
        }
        if (behaviour === 'cut-after-doing') {
          await carryOut(request);
          return cut();
        }
        if (Buffer.isBuffer(behaviour)) return behaviour;
        if ('refuse' in behaviour)
          return statusReply(request.id, behaviour.refuse, behaviour.message);
        if ('instead' in behaviour) return carryOut(behaviour.instead);
        return behaviour.alter(await carryOut(request));
      };
      const answerTogether = async (request: Request) => {
        if (!self.concurrent) return answer(request);
        void answer(request).then((reply) => {
          if (reply !== undefined && channel.writable) channel.write(reply);
        });
        return undefined;
      };
      void serveSftp(channel, answerTogether).finally(files.close);
    },
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
  return self;
}

function asText(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** The handle in a HANDLE reply. */
function handleIn(reply: Buffer): string | undefined {
  if (reply[4] !== 102) return undefined;
  return reply.toString('latin1', 13, 13 + reply.readUInt32BE(9));
}
