/**
 * Who gets in over TCP. Every user of the machine reaches a port of loopback, and so does every page in
 * a browser there: the Host is checked against rebinding, the Origin against other sites, and all but
 * a probe and the page's own files needs a token, or a session that was begun with one.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Context, MiddlewareHandler } from 'hono';
import { getCookie } from 'hono/cookie';
import {
  type ApiRules,
  type ApiToken,
  hostAndPort,
  isLoopback,
  type ListenAddress,
} from '../../core/api-rules.js';
import { bareHost } from '../../core/host.js';
import { Refusal } from '../problem.js';
import type { ApiEnv, Caller } from './caller.js';
import { type RefusedLogin, RefusedLogins } from './refused-logins.js';
import { RequestRate } from './request-rate.js';
import type { NewSession, Sessions } from './sessions.js';
import { TokenFailures } from './token-failures.js';

/** What answers without a token: it says nothing but that it works. */
const openPaths: ReadonlySet<string> = new Set(['/healthz', '/readyz']);

/** The header with the half of a session that is no cookie. */
const keyHeader = 'x-ferryline-key';

export interface GuardOptions {
  readonly rules: () => ApiRules;
  readonly sessions: Sessions;
  /** Whether this is the path of one of the page's own files: they hold no data. */
  readonly isFile: (path: string) => boolean;
  /** Ms, of a clock that is never set. */
  readonly now: () => number;
  /** Of one caller. */
  readonly requestsPerMinute: number;
  /** What is to be recorded of refused logins. */
  readonly onRefused: (login: RefusedLogin) => void;
}

/** What a browser shows to begin a session. */
type Shown = { readonly code: string } | { readonly token: string };

export interface Guard {
  readonly letIn: MiddlewareHandler<ApiEnv>;
  /** Begins a session. Throws for what opens nothing, and after too many of these. */
  logIn(context: Context<ApiEnv>, shown: Shown): Promise<NewSession>;
}

/** Requests that whoever has no session may make, and whoever may only read. */
export const loginPath = '/api/v1/login';
export const logoutPath = '/api/v1/logout';

export function guard(options: GuardOptions): Guard {
  const { rules, sessions, isFile, now, onRefused } = options;
  const failures = new TokenFailures(now);
  const rate = new RequestRate(options.requestsPerMinute, now);
  const refused = new RefusedLogins(now, onRefused);
  /** Refuses what was shown and opens nothing; after too many from an address, without a word about it. */
  const refuse = (address: string, refusal: Refusal): never => {
    const tooMany = failures.refusal(address);
    if (tooMany === undefined) failures.add(address);
    refused.add(address, (tooMany ?? refusal).kind);
    throw tooMany ?? refusal;
  };
  const callerIn = async (context: Context<ApiEnv>): Promise<Caller> => {
    const { req } = context;
    const address = addressOf(context);
    const shown = tokenIn(req.header('authorization'));
    if (shown === undefined) {
      const cookie = getCookie(context, sessions.cookieName);
      const visitor = await sessions.find(cookie, req.header(keyHeader), rules().tokens);
      if (visitor === undefined) throw needsToken('this needs a token');
      return { ...visitor, via: 'http', address };
    }
    const token = find(rules().tokens, shown);
    if (token === undefined) return refuse(address, notAToken());
    return { name: token.name, role: token.role, via: 'http', address };
  };
  return {
    async letIn(context, next) {
      const { req } = context;
      const { listen, url } = rules();
      const host = req.header('host') ?? '';
      checkHost(host, listen, url);
      checkOrigin(req.header('origin'), host, url);
      const isRead = req.method === 'GET' || req.method === 'HEAD';
      if (isRead && openPaths.has(req.path)) return next();
      const address = addressOf(context);
      const isFreeRead =
        isFile(req.path) || (req.path === '/metrics' && isOnLoopback(address, host, url));
      if ((isRead && isFreeRead) || (req.method === 'POST' && req.path === loginPath)) {
        rate.take(address);
        return next();
      }
      const caller = await callerIn(context);
      // each session counts by itself, and so does each token
      const shown = req.header('authorization') ?? req.header('cookie') ?? '';
      rate.take(`${address} ${sha256(shown).toString('hex')}`);
      if (!isRead && caller.role !== 'operate' && req.path !== logoutPath)
        throw new Refusal('role', `the token ${caller.name} has the role view, which only reads`, {
          hint: 'use a token with the role operate',
        });
      context.set('caller', caller);
      context.set('stillIn', () => isStillIn(context, callerIn));
      return next();
    },
    async logIn(context, shown) {
      const address = addressOf(context);
      if ('code' in shown) {
        const session = await sessions.beginWithCode(shown.code);
        return session ?? refuse(address, usedCode());
      }
      const token = find(rules().tokens, shown.token);
      return token === undefined ? refuse(address, notAToken()) : sessions.beginWithToken(token);
    },
  };
}

/** Whether a request that goes on would still be let in. */
async function isStillIn(
  context: Context<ApiEnv>,
  callerIn: (context: Context<ApiEnv>) => Promise<Caller>,
): Promise<boolean> {
  return callerIn(context).then(
    () => true,
    () => false,
  );
}

function addressOf(context: Context<ApiEnv>): string {
  return context.env.incoming.socket.remoteAddress ?? '';
}

/** Whether a request comes from this machine: through a proxy here it may come from anywhere, and `url` says that there is one. */
export function isOnLoopback(address: string, host: string, url: string | undefined): boolean {
  const from = address.replace(/^::ffff:/, '');
  return url === undefined && isLoopback(from) && isLoopback(nameIn(host));
}

/** The name in a Host header, without its port. */
function nameIn(host: string): string {
  return bareHost(host.replace(/:\d{1,5}$/, '')).toLowerCase();
}

/** Loopback by any port, so that a forwarded one works; the address of `listen`; that of `url`. */
function checkHost(host: string, listen: ListenAddress | undefined, url: string | undefined): void {
  if (isLoopback(nameIn(host)) || (listen && host === hostAndPort(listen))) return;
  if (url !== undefined && host.toLowerCase() === new URL(url).host) return;
  throw new Refusal('host', 'this daemon does not answer for the host of this request', {
    hint:
      url === undefined
        ? 'name the address that people use as api.url in jobs.yml'
        : `use ${url}, as api.url in jobs.yml says`,
  });
}

/** A browser names the site that a request comes from; programs name none. */
function checkOrigin(origin: string | undefined, host: string, url: string | undefined): void {
  if (origin === undefined) return;
  const own = [`http://${host}`, `https://${host}`];
  if (url !== undefined) own.push(new URL(url).origin);
  if (own.includes(origin)) return;
  throw new Refusal('origin', 'requests from pages of other sites are refused');
}

/** The token of an Authorization header (RFC 6750 §2.1). */
function tokenIn(header: string | undefined): string | undefined {
  return /^bearer +([!-~]+)$/i.exec(header ?? '')?.[1];
}

/** How long it takes says nothing of the tokens. */
function find(tokens: readonly ApiToken[], shown: string): ApiToken | undefined {
  const digest = sha256(shown);
  return tokens.filter(({ token }) => timingSafeEqual(sha256(token), digest))[0];
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function notAToken(): Refusal {
  return needsToken('this token is not one of api.tokens in jobs.yml');
}

function usedCode(): Refusal {
  return new Refusal('token', 'this address was used already, or is older than 60 s', {
    hint: '`ferryline open` makes another one',
  });
}

function needsToken(message: string): Refusal {
  return new Refusal('token', message, {
    hint: 'send one of api.tokens in jobs.yml as `Authorization: Bearer TOKEN`',
    headers: { 'www-authenticate': 'Bearer realm="ferryline"' },
  });
}
