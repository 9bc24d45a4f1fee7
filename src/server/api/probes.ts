/** What probes ask: whether the process works, and whether its queue answers. Anybody may ask, so it names nothing. */
import { createRoute, z } from '@hono/zod-openapi';
import type { ServedControls } from '../control/controls.js';
import { jsonOf } from './answers.js';
import type { ApiApp } from './caller.js';

const health = createRoute({
  method: 'get',
  path: '/healthz',
  summary: 'Whether the process works',
  security: [],
  responses: { 200: jsonOf(z.object({ alive: z.literal(true) }), 'It works') },
});

const ready = z.object({
  queue: z.object({
    kind: z.enum(['embedded', 'redis', 'postgres']),
    state: z.enum(['up', 'down']),
  }),
});

const readiness = createRoute({
  method: 'get',
  path: '/readyz',
  summary: 'Whether the queue answers',
  security: [],
  responses: {
    200: jsonOf(ready, 'It answers'),
    503: jsonOf(ready, 'It does not'),
  },
});

export function addProbes(app: ApiApp, controls: Pick<ServedControls, 'queue'>): void {
  app.openapi(health, (context) => context.json({ alive: true as const }, 200));
  app.openapi(readiness, (context) => {
    const { kind, state } = controls.queue();
    return context.json({ queue: { kind, state } }, state === 'up' ? 200 : 503);
  });
}
