/** What a server says while it logs us in besides its answers: with which words it hangs up, and whether it asks without end. */
import type { Client } from 'ssh2';
import { FerryError } from '../../core/errors.js';

/** Why the server ended the connection, by RFC 4253 §11.1. */
export interface LastWords {
  code?: number;
  text?: string;
}

/** Rounds of questions in one login; a server that asks more is refused. */
const mostRounds = 10;

type Handler = (protocol: unknown, ...rest: unknown[]) => void;

/** The part of ssh2 1.17 that its published types leave out. */
interface HandlerInternals {
  readonly _protocol?: { readonly _handlers?: Record<string, Handler> };
}

/** Keeps a server's last words, which ssh2 drops where it calls them ordinary, and ends endless questions. */
export function watchPeer(
  client: Client,
  where: string,
  check: { readonly last: LastWords; refuse(error: FerryError): void },
): void {
  const handlers = (client as unknown as HandlerInternals)._protocol?._handlers;
  if (handlers === undefined) return;
  before(handlers, 'DISCONNECT', (code, text) => {
    check.last.code ??= Number(code);
    check.last.text ??= typeof text === 'string' ? text : '';
  });
  let rounds = 0;
  before(handlers, 'USERAUTH_INFO_REQUEST', () => {
    if (++rounds <= mostRounds) return;
    check.refuse(
      new FerryError('auth', `${where} asks questions without end during the login`, {
        hint: 'log in with a key, or ask who runs the server',
      }),
    );
  });
}

function before(
  handlers: Record<string, Handler>,
  name: string,
  act: (...rest: unknown[]) => void,
): void {
  const handler = handlers[name];
  handlers[name] = (protocol, ...rest) => {
    act(...rest);
    handler?.(protocol, ...rest);
  };
}
