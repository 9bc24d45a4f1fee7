/** What can be read of runs. */
import { createRoute, z } from '@hono/zod-openapi';
import { namePattern } from '../../core/job.js';
import { type Controls, noSuchJob, noSuchRemote, noSuchRun } from '../control/controls.js';
import { jsonOf, refusedToo } from './answers.js';
import type { ApiApp } from './caller.js';
import { pageOf, pageQuery } from './pages.js';
import { type Reads, wholeView } from './reads.js';
import type { RunFilter, RunList } from './run-list.js';
import { detailOf, outcomes, runDetail, runItem, triggers } from './run-schemas.js';

/** Characters of a run's id: no dot and no slash, since it names files. */
const runIdPattern = /^[A-Za-z0-9-]{1,64}$/;

export const moment = z.iso
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

export const ofRun = z.object({ run: z.string().openapi({ description: 'The id of the run' }) });

const one = createRoute({
  method: 'get',
  path: '/api/v1/runs/{run}',
  summary: 'A run',
  request: { params: ofRun },
  responses: { 200: jsonOf(runDetail, 'The run'), ...refusedToo },
});

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
    return context.json(detailOf(await wholeView(view, reads)), 200);
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
