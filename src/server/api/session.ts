/** Who the daemon takes a request to be from, and how a browser begins and ends a session. */
import { createRoute, z } from '@hono/zod-openapi';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { present } from '../../core/present.js';
import { Refusal } from '../problem.js';
import { callerOf } from './action-routes.js';
import { jsonOf, refusedToo } from './answers.js';
import type { ApiApp } from './caller.js';
import { type Guard, loginPath, logoutPath } from './guard.js';
import { type Sessions, sessionHours } from './sessions.js';

const who = {
  by: z.string().openapi({ description: 'The name of the token in jobs.yml, or `cli`' }),
  role: z.enum(['view', 'operate']),
};
const until = z.string().openapi({ description: 'When the session ends, ISO 8601, UTC' });

const session = createRoute({
  method: 'get',
  path: '/api/v1/session',
  summary: 'Whose token this is, and what it may do',
  responses: {
    200: jsonOf(
      z
        .object({ ...who, via: z.enum(['socket', 'http']), until: until.optional() })
        .openapi('Session'),
      'The session',
    ),
    ...refusedToo,
  },
});

const secret = z.string().min(1).max(1000);

const login = createRoute({
  method: 'post',
  path: loginPath,
  summary: 'Begin a session of a browser, with a code of `ferryline open` or a token',
  security: [],
  request: {
    body: {
      content: {
        'application/json': {
          schema: z
            .union([z.strictObject({ code: secret }), z.strictObject({ token: secret })])
            .openapi({ description: 'One of both' }),
        },
      },
      required: true,
    },
  },
  responses: {
    200: jsonOf(
      z
        .object({
          ...who,
          key: z.string().openapi({
            description:
              'Goes with each request as `X-Ferryline-Key`, beside the cookie that this answer sets',
          }),
          until,
        })
        .openapi('NewSession'),
      'It has begun',
    ),
    ...refusedToo,
  },
});

const logout = createRoute({
  method: 'post',
  path: logoutPath,
  summary: 'End the session of a browser',
  responses: { 200: jsonOf(z.object({}), 'It has ended'), ...refusedToo },
});

/** Adds the routes. `logIn` is absent on the socket, where nobody needs a session. */
export function addSession(
  app: ApiApp,
  sessions: Sessions,
  logIn: Guard['logIn'] | undefined,
): void {
  app.openapi(session, (context) => {
    const { name, role, via, until: end } = callerOf(context);
    const ends = end === undefined ? undefined : new Date(end).toISOString();
    return context.json({ by: name, role, via, ...present({ until: ends }) }, 200);
  });
  app.openapi(login, async (context) => {
    if (logIn === undefined) throw new Refusal('unknown', 'the socket needs no session');
    const begun = await logIn(context, context.req.valid('json'));
    setCookie(context, sessions.cookieName, begun.cookie, {
      path: '/',
      httpOnly: true,
      sameSite: 'Strict',
      maxAge: sessionHours * 3600,
      // browsers name their origin; it was checked to be ours
      secure: context.req.header('origin')?.startsWith('https:') === true,
    });
    const { name, role, until: end } = begun.visitor;
    const ends = new Date(end).toISOString();
    return context.json({ by: name, role, key: begun.key, until: ends }, 200);
  });
  app.openapi(logout, async (context) => {
    const cookie = getCookie(context, sessions.cookieName);
    if (cookie !== undefined) await sessions.end(cookie);
    deleteCookie(context, sessions.cookieName, { path: '/' });
    return context.json({}, 200);
  });
}
