/** What can be read of runs. */
import { createRoute, z } from '@hono/zod-openapi';
import { namePattern } from '../../core/job.js';
import { type Controls, noSuchJob, noSuchRemote, noSuchRun } from '../control/controls.js';
import { jsonOf, refusedToo } from './answers.js';
import type { ApiApp } from './caller.js';
import { cursorOf, pageOf, pageQuery, placeIn, slicePage } from './pages.js';
import type { Reads } from './reads.js';
import type { RunFilter, RunList } from './run-list.js';
import { detailOf, failureItem, outcomes, runDetail, runItem, triggers } from './run-schemas.js';

/** Characters of a run's id: no dot and no slash, since it names files. */
const runIdPattern = /^[A-Za-z0-9-]{1,64}$/;

const moment = z.iso
  .datetime({ offset: true })
  .transform((text) => Date.parse(text))
  .optional();
const text = z.string().min(1).max(200).optional();

/** The filters of runs, beside the job. */
export const runFilters = {
  outcome: z.enum(outcomes).optional(),
  trigger: z.enum(triggers).optional(),
  worker: text,
  kind: text.openapi({ description: 'The kind of the error that ended it' }),
  since: moment.openapi({
    type: 'string',
    format: 'date-time',
    description: 'Requested, or of a slot, at this moment or later',
  }),
  until: moment.openapi({ type: 'string', format: 'date-time', description: 'Before this moment' }),
  q: text.openapi({ description: 'Text in its id, job, worker or error' }),
};

const runs = createRoute({
  method: 'get',
  path: '/api/v1/runs',
  summary: 'Runs, newest first',
  description:
    'With filters that few runs pass, a page may be short or empty and still have `next`.',
  request: { query: z.strictObject({ ...pageQuery, job: text, remote: text, ...runFilters }) },
  responses: { 200: jsonOf(pageOf(runItem, 'Runs'), 'A page of runs'), ...refusedToo },
});

const ofRun = z.object({ run: z.string().openapi({ description: 'The id of the run' }) });

const one = createRoute({
  method: 'get',
  path: '/api/v1/runs/{run}',
  summary: 'A run',
  request: { params: ofRun },
  responses: { 200: jsonOf(runDetail, 'The run'), ...refusedToo },
});

const failures = createRoute({
  method: 'get',
  path: '/api/v1/runs/{run}/failures',
  summary: 'The paths that a run did not do',
  request: { params: ofRun, query: z.strictObject(pageQuery) },
  responses: {
    200: jsonOf(
      pageOf(failureItem, 'Failures').extend({
        omitted: z.int().openapi({ description: 'How many more there were than are kept' }),
      }),
      'A page of failures',
    ),
    ...refusedToo,
  },
});

const logLine = z
  .looseObject({ event: z.string(), time: z.string() })
  .openapi('LogLine', { description: 'An event of the run, as `--json` prints it' });

const lines = (path: string, summary: string, name: string) =>
  createRoute({
    method: 'get',
    path,
    summary,
    description: 'Oldest first. It is kept by the worker that carried the run out.',
    request: { params: ofRun, query: z.strictObject(pageQuery) },
    responses: { 200: jsonOf(pageOf(logLine, name), 'A page of lines'), ...refusedToo },
  });
const log = lines('/api/v1/runs/{run}/log', 'The log of a run', 'LogLines');
const plan = lines(
  '/api/v1/runs/{run}/plan',
  'What a run planned: counts, and its digest',
  'Plans',
);

/** Adds the routes. */
export function addRunRoutes(
  app: ApiApp,
  { controls, reads }: { readonly controls: Controls; readonly reads: Reads },
  list: RunList,
): void {
  app.openapi(runs, async (context) => {
    const { limit, cursor, ...filter } = context.req.valid('query');
    await checkNames(filter, reads);
    return context.json(await list.page(filter, limit, cursor), 200);
  });
  app.openapi(one, async (context) => {
    const view = await controls.view(checkRun(context.req.valid('param').run));
    return context.json(detailOf(view), 200);
  });
  app.openapi(failures, async (context) => {
    const { report } = await controls.view(checkRun(context.req.valid('param').run));
    const found = (report?.failures ?? []).map(({ path, kind, message, target }) => {
      return { path, kind, message, ...(target !== undefined && { target }) };
    });
    const page = slicePage('failures', found, context.req.valid('query'));
    return context.json({ ...page, omitted: report?.failuresOmitted ?? 0 }, 200);
  });
  app.openapi(log, async (context) => {
    const run = checkRun(context.req.valid('param').run);
    return context.json(await linesOf(controls, run, 'log', context.req.valid('query')), 200);
  });
  app.openapi(plan, async (context) => {
    const run = checkRun(context.req.valid('param').run);
    return context.json(await linesOf(controls, run, 'plan', context.req.valid('query')), 200);
  });
}

/** The job and the remote of a filter exist, or a run of that job is still known. */
async function checkNames({ job, remote }: RunFilter, reads: Reads): Promise<void> {
  if (remote !== undefined && !reads.remotes().has(remote))
    throw noSuchRemote(remote, reads.remotes().keys());
  if (job !== undefined) await checkJob(job, reads);
}

/** Throws for a job that jobs.yml does not have, and of which no run is kept. */
export async function checkJob(job: string, reads: Reads): Promise<void> {
  if (!namePattern.test(job)) throw noSuchJob(job);
  if (!reads.jobs().has(job) && !(await reads.table()).hasJob(job))
    throw noSuchJob(job, reads.jobs().keys());
}

/** Throws for a text that is no run's id. */
export function checkRun(run: string): string {
  if (!runIdPattern.test(run)) throw noSuchRun(run);
  return run;
}

/** Lines of a run's log, or those of its plans alone; a cursor counts the lines of the log. */
async function linesOf(
  { log }: Pick<Controls, 'log'>,
  run: string,
  what: 'log' | 'plan',
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
) {
  const [from] = placeIn(what, z.tuple([z.int().min(0)]), cursor) ?? [0];
  const items: z.infer<typeof logLine>[] = [];
  let at = 0;
  for await (const line of log(run, false, new AbortController().signal)) {
    if (at++ < from) continue;
    if (items.length === limit) return { items, next: cursorOf(what, at - 1) };
    const event = JSON.parse(line);
    if (what === 'log' || event.event === 'plan') items.push(event);
  }
  return { items };
}
