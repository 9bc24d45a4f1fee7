/** What can be read of jobs. */
import { createRoute, z } from '@hono/zod-openapi';
import { partsOf } from '../../core/job.js';
import { present } from '../../core/present.js';
import type { JobView } from '../../core/request.js';
import { zoneNamed } from '../../core/zone.js';
import type { RunTable } from '../../state/run-table.js';
import { slowLimit } from '../../state/slow-limit.js';
import { type Controls, noSuchJob } from '../control/controls.js';
import { jsonOf, refusedToo } from './answers.js';
import type { ApiApp } from './caller.js';
import { pageOf, pageQuery, slicePage } from './pages.js';
import type { Reads } from './reads.js';
import type { RunList } from './run-list.js';
import { checkJob, runFilters } from './run-routes.js';
import { outcomes, runItem } from './run-schemas.js';

export const pauseItem = z
  .object({
    scope: z.enum(['job', 'remote', 'all']),
    job: z.string().optional(),
    remote: z.string().optional(),
    since: z.string(),
    until: z.string().optional(),
    reason: z.string().optional(),
    by: z.string().optional(),
  })
  .openapi('Pause');

const jobItem = z
  .object({
    job: z.string(),
    description: z.string().optional(),
    operation: z.enum(['push', 'pull', 'mirror']),
    from: z
      .array(z.string())
      .openapi({ description: 'As jobs.yml has it; several targets have one each' }),
    to: z.array(z.string()),
    paused: z.boolean(),
    pause: pauseItem.optional(),
    nextSlot: z.string().optional(),
    timezone: z.string().optional().openapi({ description: 'That of its schedule' }),
    recent: z.array(z.enum(outcomes)).openapi({
      description: 'How its last 30 runs ended, the newest first',
    }),
    window: z
      .object({ hours: z.string(), open: z.boolean(), changesAt: z.string().optional() })
      .optional(),
    waiting: z.int(),
    active: z.array(z.string()).openapi({ description: 'The runs that are being carried out' }),
    last: z.object({ run: z.string(), outcome: z.enum(outcomes), endedAt: z.string() }).optional(),
    watch: z.enum(['watching', 'polling', 'degraded']).optional(),
    fileSystem: z.string().optional(),
    whyDegraded: z.string().optional(),
  })
  .openapi('Job');

const jobs = createRoute({
  method: 'get',
  path: '/api/v1/jobs',
  summary: 'The jobs of jobs.yml, by name',
  request: {
    query: z.strictObject({ ...pageQuery, q: z.string().min(1).max(200).optional() }),
  },
  responses: { 200: jsonOf(pageOf(jobItem, 'Jobs'), 'A page of jobs'), ...refusedToo },
});

const ofJob = z.object({ job: z.string().openapi({ description: 'The name of the job' }) });

const one = createRoute({
  method: 'get',
  path: '/api/v1/jobs/{job}',
  summary: 'A job',
  request: { params: ofJob },
  responses: { 200: jsonOf(jobItem, 'The job'), ...refusedToo },
});

const runsOfJob = createRoute({
  method: 'get',
  path: '/api/v1/jobs/{job}/runs',
  summary: 'The runs of a job, newest first',
  request: { params: ofJob, query: z.strictObject({ ...pageQuery, ...runFilters }) },
  responses: { 200: jsonOf(pageOf(runItem, 'Runs'), 'A page of runs'), ...refusedToo },
});

const statItem = z.object({
  run: z.string(),
  outcome: z.enum(outcomes),
  startedAt: z.string(),
  seconds: z.number(),
  bytes: z.number(),
  files: z.int().openapi({ description: 'Files copied' }),
});

const stats = createRoute({
  method: 'get',
  path: '/api/v1/jobs/{job}/stats',
  summary: 'The last 200 ended runs of a job, newest first, and how they ended',
  request: { params: ofJob },
  responses: {
    200: jsonOf(
      z
        .object({
          outcomes: z.record(z.enum(outcomes), z.int()),
          medianSeconds: z.number().optional(),
          slowSeconds: z.number().optional().openapi({
            description:
              'A run that takes longer is slow: by `slow` of the job, else after three times the median of the last 20 that succeeded and moved something; absent while fewer than five are known',
          }),
          runs: z.array(statItem),
        })
        .openapi('JobStats'),
      'The figures',
    ),
    ...refusedToo,
  },
});

/** Outcomes that a list shows of each job. */
const mostRecent = 30;
/** What a job without `slow` is measured by; nobody is told of its runs. */
const usuallySlow = { times: 3 };
/** Runs that figures are made of. */
const mostStats = 200;

/** Adds the routes. */
export function addJobRoutes(
  app: ApiApp,
  { controls, reads }: { readonly controls: Controls; readonly reads: Reads },
  list: RunList,
): void {
  app.openapi(jobs, async (context) => {
    const { q, ...page } = context.req.valid('query');
    const { views, asOf } = await jobViews(controls, list);
    const found = views.filter(({ job, description }) =>
      `${job}\n${description ?? ''}`.toLowerCase().includes((q ?? '').toLowerCase()),
    );
    const { items, next } = slicePage('jobs', found, page);
    const table = await reads.table();
    const shown = items.map((view) => itemOfJob(view, reads, table));
    return context.json({ items: shown, ...present({ next, asOf }) }, 200);
  });
  app.openapi(one, async (context) => {
    const name = context.req.valid('param').job;
    const { views } = await jobViews(controls, list);
    const view = views.find(({ job }) => job === name);
    if (view === undefined) throw noSuchJob(name, reads.jobs().keys());
    return context.json(itemOfJob(view, reads, await reads.table()), 200);
  });
  app.openapi(runsOfJob, async (context) => {
    const { job } = context.req.valid('param');
    const { limit, cursor, ...filter } = context.req.valid('query');
    await checkJob(job, reads);
    return context.json(await list.page({ ...filter, job }, limit, cursor), 200);
  });
  app.openapi(stats, async (context) => {
    const { job } = context.req.valid('param');
    await checkJob(job, reads);
    return context.json(await statsOf(job, reads), 200);
  });
}

/** The jobs by name; what the queue would say of them is missing while it is out of reach. */
async function jobViews(controls: Controls, list: RunList) {
  const [{ jobs: found }, { asOf }] = await Promise.all([controls.status(), list.unfinished()]);
  const views = [...found].sort((one, other) => (one.job < other.job ? -1 : 1));
  return { views, asOf };
}

function itemOfJob(view: JobView, reads: Reads, table: RunTable): z.infer<typeof jobItem> {
  const { job, description, operation, paused, pause, nextSlot, window, waiting, active } = view;
  const { last, watch, fileSystem, whyDegraded } = view;
  const definition = reads.jobs().get(job);
  const parts = definition === undefined ? [] : partsOf(definition);
  const recent = table.newest({ job, limit: mostRecent, idle: true });
  const timezone = definition && zoneNamed(definition.starts.timezone).name;
  const labels = (side: 'from' | 'to') => [...new Set(parts.map((part) => part[side].label))];
  return {
    ...{ job, operation, from: labels('from'), to: labels('to'), paused, waiting },
    active: [...active],
    recent: recent.map(({ outcome }) => outcome),
    ...present({
      description,
      pause,
      nextSlot,
      timezone,
      window,
      last,
      watch,
      fileSystem,
      whyDegraded,
    }),
  };
}

async function statsOf(job: string, reads: Reads) {
  const table = await reads.table();
  const newest = table.newest({ job, limit: mostStats, idle: true });
  const runs: z.infer<typeof statItem>[] = [];
  const counted = { succeeded: 0, incomplete: 0, failed: 0, refused: 0, cancelled: 0 };
  for (const { run, dryRun } of newest) {
    if (dryRun === true) continue;
    const report = await reads.report(run);
    if (report === undefined) continue;
    const { outcome, startedAt, seconds, bytes, files } = report;
    counted[outcome]++;
    runs.push({ run, outcome, startedAt, seconds, bytes, files: files.copied });
  }
  const all = runs.map(({ seconds }) => seconds).sort((one, other) => one - other);
  const medianSeconds = all[Math.floor(all.length / 2)];
  const rule = reads.jobs().get(job)?.incidents.slow ?? usuallySlow;
  const limit = slowLimit(job, rule, table);
  const slowSeconds = limit && limit.ms / 1000;
  return { outcomes: counted, runs, ...present({ medianSeconds, slowSeconds }) };
}
