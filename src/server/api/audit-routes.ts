/** Who did what: the lines of audit.log. */
import { createRoute, z } from '@hono/zod-openapi';
import { present } from '../../core/present.js';
import { jsonOf, refusedToo } from './answers.js';
import type { ApiApp } from './caller.js';
import { cursorOf, pageOf, pageQuery, placeIn } from './pages.js';
import { moment } from './run-routes.js';

const auditItem = z
  .object({
    time: z.string().openapi({ description: 'ISO 8601, UTC' }),
    by: z.string().openapi({ description: 'The name of a token, `cli`, or `unknown`' }),
    via: z.enum(['socket', 'http']),
    address: z.string().optional(),
    action: z.string(),
    target: z
      .string()
      .optional()
      .openapi({ description: 'The job, the run, or `remote:NAME`, that it is about' }),
    result: z.string().openapi({
      description: '`asked`, then `done`, `joined`, or the kind of the problem',
    }),
    run: z.string().optional(),
    more: z.int().optional().openapi({
      description: 'Of refused logins: how many more there were since the line before',
    }),
  })
  .openapi('AuditLine');

type AuditItem = z.infer<typeof auditItem>;

const text = z.string().min(1).max(200).optional();

const audit = createRoute({
  method: 'get',
  path: '/api/v1/audit',
  summary: 'What was asked of this daemon and by whom, newest first',
  description:
    'Each daemon has what it was asked itself. With filters that few lines pass, a page may be short or empty and still have `next`.',
  request: {
    query: z.strictObject({
      ...pageQuery,
      by: text,
      action: text,
      target: text,
      result: text,
      since: moment.openapi({ type: 'string', format: 'date-time' }),
      until: moment.openapi({ type: 'string', format: 'date-time' }),
      q: text.openapi({ description: 'Text in any of its fields' }),
    }),
  },
  responses: { 200: jsonOf(pageOf(auditItem, 'Audit'), 'A page of lines'), ...refusedToo },
});

interface Place {
  readonly file: string;
  readonly offset: number;
}

/** Reads audit.log, newest first. Errors: the system's. */
export type ReadAudit = (wanted: {
  readonly limit: number;
  readonly from?: Place | undefined;
  readonly passes: (line: AuditItem) => boolean;
  readonly isPast: (line: AuditItem) => boolean;
}) => Promise<{ readonly lines: readonly AuditItem[]; readonly next?: Place }>;

const place = z.tuple([z.string().regex(/^\d{1,20}-[0-9a-f]{16}$/), z.int().min(0)]);

/** Adds the route. */
export function addAudit(app: ApiApp, read: ReadAudit): void {
  app.openapi(audit, async (context) => {
    const { limit, cursor, since, until, q, ...fields } = context.req.valid('query');
    const [file, offset] = placeIn('audit', place, cursor) ?? [];
    const wanted = Object.entries(present(fields)) as [keyof AuditItem, string][];
    const { lines, next } = await read({
      limit,
      from: file === undefined || offset === undefined ? undefined : { file, offset },
      isPast: ({ time }) => since !== undefined && Date.parse(time) < since,
      passes: (line) =>
        (until === undefined || Date.parse(line.time) < until) &&
        wanted.every(([field, value]) => line[field] === value) &&
        (q === undefined || says(line, q.toLowerCase())),
    });
    const rest = next && { next: cursorOf('audit', next.file, next.offset) };
    return context.json({ items: lines.map(itemOf), ...rest }, 200);
  });
}

function says(line: AuditItem, needle: string): boolean {
  return Object.values(line).some((value) => String(value).toLowerCase().includes(needle));
}

/** Known fields alone: a later version may have written more. */
function itemOf({ time, by, via, address, action, target, result, run, more }: AuditItem) {
  return { time, by, via, action, result, ...present({ address, target, run, more }) };
}
