/** The stream of events that a page reads with fetch: its key is a header, which EventSource can't send. */
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { createRoute, z } from '@hono/zod-openapi';
import { refusedToo } from './answers.js';
import type { ApiApp } from './caller.js';
import type { LiveEvents } from './live.js';

const events = createRoute({
  method: 'get',
  path: '/api/v1/events',
  summary: 'What changes, as server-sent events',
  description:
    '`runs`, `pauses`, `workers`, `config`, `queue`, `incidents` and `messages` say that something of theirs has changed; `progress` has the newest states of runs, up to four times a second. `Last-Event-ID` goes on after an event of the last five minutes; `reset` says that more was missed. A comment comes every 15 s.',
  request: { headers: z.object({ 'last-event-id': z.string().max(100).optional() }) },
  responses: {
    200: {
      description: 'Events (HTML standard §9.2)',
      content: { 'text/event-stream': { schema: z.string() } },
    },
    ...refusedToo,
  },
});

/** Adds the route. */
export function addEvents(app: ApiApp, live: LiveEvents): void {
  app.openapi(events, (context) => {
    const { outgoing } = context.env;
    outgoing.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      // a proxy that gathers answers would hold events back
      'x-accel-buffering': 'no',
    });
    const stillIn = context.get('stillIn') ?? (async () => true);
    const stop = live.watch(outgoing, context.req.header('last-event-id'), stillIn);
    outgoing.once('close', stop);
    return RESPONSE_ALREADY_SENT as never;
  });
}
