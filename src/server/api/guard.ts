/**
 * Who gets in over TCP. Every user of the machine reaches a port of loopback, and so does every page in
 * a browser there: the Host is checked against rebinding, the Origin against other sites, and all but
 * a probe needs a token.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import {
  type ApiRules,
  type ApiToken,
  hostAndPort,
  isLoopback,
  type ListenAddress,
} from '../../core/api-rules.js';
import { bareHost } from '../../core/host.js';
import { Refusal } from '../problem.js';
import type { ApiEnv } from './caller.js';
import { TokenFailures } from './token-failures.js';

/** What answers without a token: it says nothing but that it works. */
const openPaths: ReadonlySet<string> = new Set(['/healthz', '/readyz']);

export interface GuardOptions {
  readonly rules: () => ApiRules;
  /** Ms, of a clock that is never set. */
  readonly now: () => number;
}

export function guard({ rules, now }: GuardOptions): MiddlewareHandler<ApiEnv> {
  const failures = new TokenFailures(now);
  return async (context, next) => {
    const { req } = context;
    const { listen, url, tokens } = rules();
    const host = req.header('host') ?? '';
    checkHost(host, listen, url);
    checkOrigin(req.header('origin'), host, url);
    const isRead = req.method === 'GET' || req.method === 'HEAD';
    if (isRead && openPaths.has(req.path)) return next();
    const address = context.env.incoming.socket.remoteAddress ?? '';
    const shown = tokenIn(req.header('authorization'));
    if (shown === undefined) throw needsToken('this needs a token');
    failures.check(address);
    const token = find(tokens, shown);
    if (token === undefined) {
      failures.add(address);
      throw needsToken('this token is not one of api.tokens in jobs.yml');
    }
    if (!isRead && token.role !== 'operate')
      throw new Refusal('role', `the token ${token.name} has the role view, which only reads`, {
        hint: 'use a token with the role operate',
      });
    context.set('caller', { name: token.name, role: token.role, via: 'http', address });
    return next();
  };
}

/** Loopback by any port, so that a forwarded one works; the address of `listen`; that of `url`. */
function checkHost(host: string, listen: ListenAddress | undefined, url: string | undefined): void {
  const name = bareHost(host.replace(/:\d{1,5}$/, '')).toLowerCase();
  if (isLoopback(name) || (listen && host === hostAndPort(listen))) return;
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

function needsToken(message: string): Refusal {
  return new Refusal('token', message, {
    hint: 'send one of api.tokens in jobs.yml as `Authorization: Bearer TOKEN`',
    headers: { 'www-authenticate': 'Bearer realm="ferryline"' },
  });
}
