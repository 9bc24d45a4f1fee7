/** What can be read of a run that is kept by its worker alone: what failed, its plan, its log. */
import { createRoute, z } from '@hono/zod-openapi';
import { failuresListed, type Report } from '../../core/events.js';
import { present } from '../../core/present.js';
import { type PieceFilter, pieceOf, type RunPart } from '../../core/run-piece.js';
import type { Controls } from '../control/controls.js';
import type { Elsewhere } from '../run-parts.js';
import { jsonOf, refusedToo } from './answers.js';
import type { ApiApp } from './caller.js';
import { cursorOf, pageOf, pageQuery, placeIn } from './pages.js';
import type { Reads } from './reads.js';
import { checkRun, ofRun } from './run-routes.js';
import { failureItem } from './run-schemas.js';

const q = z
  .string()
  .min(1)
  .max(200)
  .optional()
  .openapi({ description: 'Text in what it says, in upper or lower case' });

const rest = z
  .object({
    message: z.string(),
    worker: z.string().optional(),
    seenAt: z.string().optional().openapi({ description: 'When it was last seen, ISO 8601, UTC' }),
  })
  .optional()
  .openapi({ description: 'Present where the worker that keeps it does not answer' });

const failures = createRoute({
  method: 'get',
  path: '/api/v1/runs/{run}/failures',
  summary: 'The paths that a run did not do',
  request: {
    params: ofRun,
    query: z.strictObject({ ...pageQuery, q, kind: z.string().max(40).optional() }),
  },
  responses: {
    200: jsonOf(
      pageOf(failureItem, 'Failures').extend({
        omitted: z.int().openapi({ description: 'How many more there were than are kept' }),
        rest,
      }),
      'A page of failures',
    ),
    ...refusedToo,
  },
});

const logLine = z
  .looseObject({ event: z.string(), time: z.string() })
  .openapi('LogLine', { description: 'An event of the run, as `--json` prints it' });

const kept =
  'Oldest first. It is kept by the worker that carried the run out, which is asked for it page by page; a page may be short and have `next`.';

const follow = z.enum(['true', 'false']).optional().openapi({
  description:
    '`true`: while the run goes on, `next` is there at the end, too; more lines may come',
});

const log = createRoute({
  method: 'get',
  path: '/api/v1/runs/{run}/log',
  summary: 'The log of a run',
  description: kept,
  request: {
    params: ofRun,
    query: z.strictObject({
      ...{ ...pageQuery, q, follow },
      level: z.enum(['info', 'warning', 'error']).optional().openapi({
        description: 'Lines of this level and of those above',
      }),
    }),
  },
  responses: {
    200: jsonOf(pageOf(logLine, 'LogLines').extend({ rest }), 'A page of lines'),
    ...refusedToo,
  },
});

const transcript = createRoute({
  method: 'get',
  path: '/api/v1/runs/{run}/transcript',
  summary: 'What a run and the servers said to each other',
  description: `It is kept where the daemon runs with \`-vv\`. ${kept}`,
  request: { params: ofRun, query: z.strictObject({ ...pageQuery, q, follow }) },
  responses: {
    200: jsonOf(pageOf(logLine, 'Transcript').extend({ rest }), 'A page of lines'),
    ...refusedToo,
  },
});

const plan = createRoute({
  method: 'get',
  path: '/api/v1/runs/{run}/plan',
  summary: 'What a run planned',
  description: `As \`plan --json\` prints it: \`plan\` has the numbers, and each \`action\` a path; \`omitted\` says how many of an action are not kept. ${kept}`,
  request: {
    params: ofRun,
    query: z.strictObject({
      ...{ ...pageQuery, q },
      action: z
        .enum(['mkdir', 'copy', 'attrs', 'rename', 'delete', 'conflict', 'skip', 'fail'])
        .optional(),
    }),
  },
  responses: {
    200: jsonOf(pageOf(logLine, 'Plan').extend({ rest }), 'A page of lines'),
    ...refusedToo,
  },
});

/** Adds the routes. */
export function addRunPartRoutes(
  app: ApiApp,
  { controls, reads }: { readonly controls: Controls; readonly reads: Reads },
): void {
  const lines = async (part: RunPart, run: string, asked: Asked) => {
    await controls.view(checkRun(run));
    return pageOfPart(part, run, asked, reads);
  };
  app.openapi(failures, async (context) => {
    const { run } = context.req.valid('param');
    const { report } = await controls.view(checkRun(run));
    const { q, kind, ...page } = context.req.valid('query');
    const found = await failuresOf(report, { run, ...present({ q, kind }), ...page }, reads);
    return context.json({ ...found, omitted: omittedOf(report) }, 200);
  });
  app.openapi(log, async (context) => {
    const { follow: follows, level, q: text, ...page } = context.req.valid('query');
    const asked = { ...page, ...present({ level, q: text }), follow: follows === 'true' };
    return context.json(await lines('log', context.req.valid('param').run, asked), 200);
  });
  app.openapi(transcript, async (context) => {
    const { follow: follows, q: text, ...page } = context.req.valid('query');
    const asked = { ...page, ...present({ q: text }), follow: follows === 'true' };
    return context.json(await lines('transcript', context.req.valid('param').run, asked), 200);
  });
  app.openapi(plan, async (context) => {
    const { action, q: text, ...page } = context.req.valid('query');
    const asked = { ...page, ...present({ kind: action, q: text }) };
    return context.json(await lines('plan', context.req.valid('param').run, asked), 200);
  });
}

/** How many failures nobody keeps. */
function omittedOf(report: Report | undefined): number {
  if (report === undefined) return 0;
  const { failures: first, failuresOmitted, cut } = report;
  return cut === true
    ? Math.max(0, first.length + failuresOmitted - failuresListed)
    : failuresOmitted;
}

interface Asked extends PieceFilter {
  readonly limit: number;
  readonly cursor?: string | undefined;
  readonly follow?: boolean;
}

async function failuresOf(
  report: Report | undefined,
  { run, ...asked }: Asked & { readonly run: string },
  reads: Pick<Reads, 'part' | 'find'>,
) {
  const known = report?.failures ?? [];
  const own = (from: number) => pieceOf(known, { run, ...asked, from });
  const items = (lines: readonly string[]) =>
    lines.map((line): z.infer<typeof failureItem> => {
      const { path, kind, message, target } = JSON.parse(line);
      return { path, kind, message, ...(target !== undefined && { target }) };
    });
  if (report?.cut === true) {
    const found = await pageOfPart('failures', run, asked, reads);
    const lines = found.items.map((item) => JSON.stringify(item));
    if (found.rest === undefined) return { ...found, items: items(lines) };
    // Those of the report that came through the queue are known all the same.
    if (asked.cursor === undefined) return { items: items(own(0).lines), rest: found.rest };
    return { ...found, items: items(lines) };
  }
  const [from] = placeIn('failures', place, asked.cursor) ?? [0];
  const { lines, next, more } = own(from);
  return { items: items(lines), ...(more && { next: cursorOf('failures', next, '') }) };
}

/** Where a page begins, and the process that sent the one before; none: this one. */
const place = z.tuple([z.int().min(0), z.string().max(64)]);
/** Pieces that a page is made of at most, so that one with a filter that few lines pass comes in time. */
const mostPieces = 8;

async function pageOfPart(
  part: RunPart,
  run: string,
  { limit, cursor, follow: follows = false, ...filter }: Asked,
  reads: Pick<Reads, 'part' | 'find'>,
) {
  const [begin, sender] = placeIn(part, place, cursor) ?? [0, ''];
  let from = begin;
  let process = sender === '' ? undefined : sender;
  const items: z.infer<typeof logLine>[] = [];
  for (let pieces = 0; ; pieces++) {
    // Asked before the reading: what comes later is not missed.
    const goesOn = follows && !(await hasEnded(run, reads));
    const wanted = { ...filter, run, part, from, limit: limit - items.length };
    const { piece, elsewhere, ...found } = await reads.part(wanted, process);
    items.push(...piece.lines.map((line) => JSON.parse(line)));
    ({ next: from } = piece);
    ({ process } = found);
    if (elsewhere !== undefined) return { items, rest: restOf(elsewhere) };
    const isFull = items.length >= limit || pieces >= mostPieces;
    if (piece.more && !isFull) continue;
    const next = piece.more || goesOn ? cursorOf(part, from, process ?? '') : undefined;
    return { items, ...present({ next }) };
  }
}

async function hasEnded(run: string, reads: Pick<Reads, 'find'>): Promise<boolean> {
  const view = await reads.find(run);
  return view === undefined || view.state === 'ended';
}

function restOf({ worker, seenAt }: Elsewhere): z.infer<typeof rest> {
  if (worker === undefined) return { message: 'no process that answers has it' };
  const seen = seenAt === undefined ? 'which does not answer' : `last seen ${seenAt}`;
  return { worker, message: `the rest is on ${worker}, ${seen}`, ...present({ seenAt }) };
}
