/** Lists that are read page by page: how many, and from where on. A cursor is opaque to clients, and is checked like any text from outside. */
import { z } from '@hono/zod-openapi';
import { Refusal } from '../problem.js';

const mostItems = 500;
const defaultItems = 50;
/** Characters of a cursor; a longer one is none of ours. */
const longestCursor = 400;

/** The query of every list. */
export const pageQuery = {
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(mostItems)
    .default(defaultItems)
    .openapi({ description: 'Items of a page', type: 'integer' }),
  cursor: z
    .string()
    .optional()
    .openapi({ description: '`next` of the page before; the other parameters stay the same' }),
};

/** A page of items, as answers have it. */
export function pageOf<T extends z.ZodType>(item: T, name: string) {
  return z
    .object({
      items: z.array(item),
      next: z
        .string()
        .optional()
        .openapi({ description: 'The cursor of the next page; absent: this is the last' }),
      asOf: z.string().optional().openapi({
        description:
          'The queue can’t be reached: what is known of it is of this moment (ISO 8601, UTC)',
      }),
    })
    .openapi(name);
}

/** A cursor of the list of that name. */
export function cursorOf(list: string, ...place: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify([list, ...place])).toString('base64url');
}

/** The place that a cursor names; undefined without one. Throws for one that this list did not make. */
export function placeIn<T extends z.ZodType>(
  list: string,
  form: T,
  cursor: string | undefined,
): z.infer<T> | undefined {
  if (cursor === undefined) return undefined;
  const found = z
    .tuple([z.literal(list)])
    .rest(z.unknown())
    .safeParse(decoded(cursor)).data;
  const place = found && form.safeParse(found.slice(1));
  if (place?.success === true) return place.data;
  throw new Refusal('config', 'query.cursor: is not a cursor of this list', {
    errors: [{ path: 'query.cursor', message: 'is not a cursor of this list' }],
    hint: 'begin again without one',
  });
}

function decoded(cursor: string): unknown {
  if (cursor.length > longestCursor) return undefined;
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    return undefined;
  }
}

/** A page of a list that is all in memory, after the place of a cursor (a count of items). */
export function slicePage<T>(
  list: string,
  items: readonly T[],
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
): { items: T[]; next?: string } {
  const [from] = placeIn(list, z.tuple([z.int().min(0)]), cursor) ?? [0];
  const page = items.slice(from, from + limit);
  const end = from + page.length;
  return { items: page, ...(end < items.length && { next: cursorOf(list, end) }) };
}
