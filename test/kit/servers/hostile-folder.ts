/**
 * The folder behind a hostile server: it asks `behave` before each request, and does or answers what that
 * says. It serves any stream: hostile-server.ts puts SSH before it, direct-server.ts nothing.
 */
import type { Duplex } from 'node:stream';
import { answerFromFolder } from '../../../src/test-server/folder.js';
import { type Request, serveSftp, statusReply } from '../../../src/test-server/sftp-server.js';

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

/** Offered in VERSION; `{}`: a server without any. */
export type Extensions = Readonly<Record<string, string>>;

/** What a test decides, and sees. */
export interface Misbehaving {
  behave: Behave;
  /** Whether requests of one channel that are in flight together are carried out together, each answered when it is done. */
  concurrent: boolean;
  /** May be changed at any time, for the channels still to come. */
  extensions: Extensions;
  /** All requests so far, without the bytes of WRITE. */
  readonly requests: readonly Asked[];
}

/** Serves one channel of a connection, of which it knows how to cut it. */
export type ServeChannel = (channel: Duplex, connection: object, cut: () => void) => void;

/** Serves `root` (absolute, its links resolved) as `self` says at each request; `seen` receives them. */
export function hostileFolder(
  root: string,
  self: Pick<Misbehaving, 'behave' | 'concurrent' | 'extensions'>,
  seen: (asked: Asked) => void,
): ServeChannel {
  const nth = new Map<string, number>();
  const connections = new Map<object, number>();
  let channels = 0;

  return (channel, connectionObject, cutConnection) => {
    const files = answerFromFolder(root, self.extensions);
    const handles = new Map<string, string>();
    const channelNumber = channels++;
    if (!connections.has(connectionObject)) connections.set(connectionObject, connections.size);
    const connection = connections.get(connectionObject) ?? 0;

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
      cutConnection();
      channel.destroy();
      return undefined;
    };

    const answer = async (request: Request): Promise<Buffer | undefined> => {
      const asked = see(request);
      seen(asked);
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
  };
}

function asText(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** The handle in a HANDLE reply. */
function handleIn(reply: Buffer): string | undefined {
  if (reply[4] !== 102) return undefined;
  return reply.toString('latin1', 13, 13 + reply.readUInt32BE(9));
}
