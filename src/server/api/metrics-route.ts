/** The metrics, for Prometheus and what reads its text. */
import { createRoute, z } from '@hono/zod-openapi';
import { refusedToo } from './answers.js';
import type { ApiApp } from './caller.js';

/** What there is to read. `isOpen`: as OpenMetrics has it. */
export interface MetricsReader {
  type(isOpen: boolean): string;
  /** Errors: `io`. */
  text(isOpen: boolean): AsyncIterable<string>;
}

const text = { schema: z.string() };

const metrics = createRoute({
  method: 'get',
  path: '/metrics',
  summary: 'The metrics, as Prometheus reads them; as OpenMetrics where `Accept` asks for it',
  description: 'On loopback it needs no token.',
  security: [{ token: [] }, {}],
  responses: {
    200: {
      description: 'The metrics',
      content: { 'text/plain': text, 'application/openmetrics-text': text },
    },
    ...refusedToo,
  },
});

/** Adds the route. */
export function addMetrics(app: ApiApp, reader: MetricsReader): void {
  app.openapi(metrics, async (context) => {
    const isOpen = (context.req.header('accept') ?? '').includes('application/openmetrics-text');
    const pieces = reader.text(isOpen)[Symbol.asyncIterator]();
    // an error before the first piece is a response of its own
    let next: IteratorResult<string> | undefined = await pieces.next();
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const { done, value } = next ?? (await pieces.next());
        next = undefined;
        if (done === true) controller.close();
        else controller.enqueue(encoder.encode(value));
      },
      async cancel() {
        await pieces.return?.();
      },
    });
    return context.body(body, 200, { 'content-type': reader.type(isOpen) });
  });
}
