/** How answers are described: JSON, and the problems that any request may get. */
import { z } from '@hono/zod-openapi';

/** An answer of JSON, for the `responses` of a route. */
export function jsonOf<T extends z.ZodType>(schema: T, description: string) {
  return { description, content: { 'application/json': { schema } } };
}

const problem = z
  .object({
    type: z.string().openapi({ example: 'urn:ferryline:problem:unknown' }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    kind: z.string(),
    hint: z.string().optional(),
    path: z.string().optional(),
    code: z.string().optional(),
    id: z.string().optional(),
    errors: z
      .array(
        z.object({
          path: z.string(),
          message: z.string(),
          allowed: z.array(z.string()).optional(),
        }),
      )
      .optional(),
  })
  .openapi('Problem');

/** The error responses of every route (RFC 9457). */
export const refusedToo = {
  default: {
    description: 'A problem',
    content: { 'application/problem+json': { schema: problem } },
  },
};
