/** Who the daemon takes a request to be from. */
import { createRoute, z } from '@hono/zod-openapi';
import { callerOf } from './action-routes.js';
import { jsonOf, refusedToo } from './answers.js';
import type { ApiApp } from './caller.js';

const session = createRoute({
  method: 'get',
  path: '/api/v1/session',
  summary: 'Whose token this is, and what it may do',
  responses: {
    200: jsonOf(
      z
        .object({
          by: z.string().openapi({ description: 'The name of the token in jobs.yml, or `cli`' }),
          role: z.enum(['view', 'operate']),
          via: z.enum(['socket', 'http']),
        })
        .openapi('Session'),
      'The session',
    ),
    ...refusedToo,
  },
});

export function addSession(app: ApiApp): void {
  app.openapi(session, (context) => {
    const { name, role, via } = callerOf(context);
    return context.json({ by: name, role, via }, 200);
  });
}
