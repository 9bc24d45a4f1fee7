/** What can be read of the daemon and its group: now, the schedule, slots that did not run, workers, remotes. */
import { createRoute, z } from '@hono/zod-openapi';
import { partsOf } from '../../core/job.js';
import { present } from '../../core/present.js';
import type { DaemonStatus, ServedControls } from '../control/controls.js';
import { jsonOf, refusedToo } from './answers.js';
import type { ApiApp } from './caller.js';
import { incidentItem } from './incident-routes.js';
import { pauseItem } from './job-routes.js';
import { lastDay, lastDayOf } from './last-day.js';
import { pageOf, pageQuery, slicePage } from './pages.js';
import type { Reads } from './reads.js';
import type { RunList } from './run-list.js';
import { itemOf, outcomes, runItem } from './run-schemas.js';

const now = createRoute({
  method: 'get',
  path: '/api/v1/now',
  summary: 'What is wrong, what runs, what comes next',
  responses: {
    200: jsonOf(
      z
        .object({
          time: z.string(),
          version: z.string(),
          startedAt: z.string(),
          roles: z.array(z.string()),
          queue: z.object({
            kind: z.enum(['embedded', 'redis', 'postgres']),
            state: z.enum(['up', 'down']),
            message: z.string().optional(),
          }),
          config: z.object({
            file: z.string(),
            loadedAt: z.string(),
            error: z.string().optional(),
          }),
          warnings: z.array(z.string()),
          pauses: z.array(pauseItem),
          incidents: z.array(incidentItem).openapi({ description: 'Those that are open' }),
          jobs: z.int(),
          notSucceeded: z
            .array(
              z.object({
                job: z.string(),
                run: z.string(),
                outcome: z.enum(outcomes),
                endedAt: z.string(),
              }),
            )
            .openapi({ description: 'The jobs whose last run did not succeed' }),
          active: z.array(runItem),
          waiting: z.int().openapi({ description: 'How many runs wait' }),
          lastDay,
          next: z
            .array(z.object({ job: z.string(), slot: z.string() }))
            .openapi({ description: 'The next slots, at most 20' }),
          asOf: z.string().optional(),
        })
        .openapi('Now'),
      'Now',
    ),
    ...refusedToo,
  },
});

const scheduled = z.object({
  job: z.string(),
  timezone: z.string(),
  window: z.string().optional(),
  slots: z.array(z.string()).openapi({ description: 'The next five, ISO 8601, UTC' }),
});

const schedule = createRoute({
  method: 'get',
  path: '/api/v1/schedule',
  summary: 'The next slots of each job with a schedule, by name',
  request: { query: z.strictObject(pageQuery) },
  responses: { 200: jsonOf(pageOf(scheduled, 'Schedule'), 'A page of jobs'), ...refusedToo },
});

const slotItem = z.object({
  job: z.string(),
  slot: z.string().openapi({ description: 'ISO 8601, UTC; of several the last one' }),
  from: z.string().optional().openapi({ description: 'The first of several' }),
  count: z.int().optional(),
  why: z.string(),
});

const slots = createRoute({
  method: 'get',
  path: '/api/v1/slots',
  summary: 'Slots that made no run, newest first',
  request: { query: z.strictObject({ ...pageQuery, job: z.string().max(64).optional() }) },
  responses: { 200: jsonOf(pageOf(slotItem, 'Slots'), 'A page of slots'), ...refusedToo },
});

const workerItem = z.object({
  id: z.string(),
  host: z.string(),
  pid: z.int(),
  version: z.string(),
  roles: z.array(z.string()),
  names: z.array(z.string()),
  digest: z.string().openapi({ description: 'What its jobs.yml means, as a hash' }),
  runs: z.array(z.string()),
  startedAt: z.string(),
  seenAt: z.string(),
});

const workers = createRoute({
  method: 'get',
  path: '/api/v1/workers',
  summary: 'The processes on the queue',
  request: { query: z.strictObject(pageQuery) },
  responses: { 200: jsonOf(pageOf(workerItem, 'Workers'), 'A page of processes'), ...refusedToo },
});

const remoteItem = z.object({
  remote: z.string(),
  host: z.string(),
  port: z.int(),
  username: z.string(),
  maxSessions: z.int(),
  jobs: z.array(z.string()).openapi({ description: 'The jobs with a side on it' }),
  pause: pauseItem.optional(),
});

const remotes = createRoute({
  method: 'get',
  path: '/api/v1/remotes',
  summary: 'The remotes of jobs.yml, by name',
  request: { query: z.strictObject(pageQuery) },
  responses: { 200: jsonOf(pageOf(remoteItem, 'Remotes'), 'A page of remotes'), ...refusedToo },
});

/** Slots that are looked at for a page: the newest ones that the queue keeps. */
const mostSlots = 5000;
const mostNext = 20;

/** Adds the routes. */
export function addStateRoutes(
  app: ApiApp,
  { controls, reads }: { readonly controls: ServedControls; readonly reads: Reads },
  list: RunList,
): void {
  app.openapi(now, async (context) => context.json(await nowOf(controls, reads, list), 200));
  app.openapi(schedule, async (context) => {
    const { signal } = new AbortController();
    const found = (await controls.next([], signal)).jobs.flatMap((one) => {
      const { job, timezone, window, slots: next } = one;
      return next === undefined
        ? []
        : [{ job, timezone, slots: [...next], ...present({ window }) }];
    });
    return context.json(
      slicePage('schedule', byName(found, 'job'), context.req.valid('query')),
      200,
    );
  });
  app.openapi(slots, async (context) => {
    const { job, ...page } = context.req.valid('query');
    const { asOf } = await list.unfinished();
    const skipped = asOf === undefined ? await reads.skipped(job, mostSlots) : [];
    const found = skipped
      .map(({ job: name, slot, from, count, why }) => {
        return { job: name, slot, why, ...present({ from, count }) };
      })
      .sort((one, other) => (`${one.slot} ${one.job}` < `${other.slot} ${other.job}` ? 1 : -1));
    return context.json({ ...slicePage('slots', found, page), ...present({ asOf }) }, 200);
  });
  app.openapi(workers, async (context) => {
    const known = (await controls.status()).workers ?? [];
    const found = known.map(({ id, host, pid, version, roles, names, digest, runs, ...times }) => {
      const { startedAt, seenAt } = times;
      const lists = { roles: [...roles], names: [...names], runs: [...runs] };
      return { id, host, pid, version, digest, startedAt, seenAt, ...lists };
    });
    return context.json(slicePage('workers', byName(found, 'id'), context.req.valid('query')), 200);
  });
  app.openapi(remotes, async (context) => {
    const { pauses = [] } = await controls.status();
    const using = jobsByRemote(reads);
    const found = [...reads.remotes().values()].map((remote) => {
      const { name, host, port, username, maxSessions } = remote;
      const pause = pauses.find((one) => one.scope === 'remote' && one.remote === name);
      const jobs = [...(using.get(name) ?? [])].sort();
      return { remote: name, host, port, username, maxSessions, jobs, ...present({ pause }) };
    });
    const page = slicePage('remotes', byName(found, 'remote'), context.req.valid('query'));
    return context.json(page, 200);
  });
}

async function nowOf(controls: ServedControls, reads: Reads, list: RunList) {
  const [status, { views, asOf }, last] = await Promise.all([
    controls.status(),
    list.unfinished(),
    lastDayOf(reads, Date.now()),
  ]);
  const { version, startedAt, roles, queue, config, warnings = [], pauses = [], jobs } = status;
  const next = jobs
    .flatMap(({ job, nextSlot }) => (nextSlot === undefined ? [] : [{ job, slot: nextSlot }]))
    .sort((one, other) => (one.slot < other.slot ? -1 : 1));
  return {
    ...{ time: new Date().toISOString(), version, startedAt, queue, config, jobs: jobs.length },
    ...{ roles: [...roles], warnings: [...warnings], pauses: [...pauses] },
    // biome-ignore lint/suspicious/noExplicitAny: the answer's type has lists that may be changed
    incidents: [...(status.incidents ?? [])] as any[],
    notSucceeded: notSucceeded(jobs),
    active: views.filter(({ state }) => state === 'active').map(itemOf),
    waiting: views.filter(({ state }) => state === 'waiting' || state === 'delayed').length,
    lastDay: last,
    next: next.slice(0, mostNext),
    ...present({ asOf }),
  };
}

function notSucceeded(jobs: DaemonStatus['jobs']) {
  return jobs.flatMap(({ job, last }) =>
    last === undefined || last.outcome === 'succeeded' ? [] : [{ job, ...last }],
  );
}

function jobsByRemote(reads: Reads): Map<string, Set<string>> {
  const using = new Map<string, Set<string>>();
  for (const job of reads.jobs().values())
    for (const { from, to } of partsOf(job))
      for (const remote of [from.remote, to.remote])
        if (remote !== undefined)
          using.set(remote.name, (using.get(remote.name) ?? new Set()).add(job.name));
  return using;
}

function byName<K extends string, T extends Readonly<Record<K, string>>>(items: T[], key: K): T[] {
  return items.sort((one, other) => (one[key] < other[key] ? -1 : 1));
}
