/** What can be done over the API: run, pause and resume a job; run again and cancel a run. */
import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { FerryError } from '../../core/errors.js';
import { namePattern } from '../../core/job.js';
import { present } from '../../core/present.js';
import { noSuchJob } from '../control/controls.js';
import type { Actions } from './actions.js';
import { jsonOf, refusedToo } from './answers.js';
import type { ApiApp, ApiEnv, Caller } from './caller.js';
import { pauseItem } from './job-routes.js';
import { checkRun } from './run-routes.js';

const ofJob = z.object({ job: z.string() });
const ofRun = z.object({ run: z.string() });

const keyed = z.object({
  'idempotency-key': z
    .string()
    .min(1)
    .max(200)
    .optional()
    .openapi({ description: 'One key makes one run, within 24 h, over restarts too' }),
});

const requested = z
  .object({
    run: z.string(),
    joined: z.boolean().openapi({ description: 'Whether it had been asked for before' }),
    opensAt: z.string().optional(),
  })
  .openapi('Requested');

/** An action's body; none is an empty one. */
function bodyOf<T extends z.ZodRawShape>(shape: T) {
  return { content: { 'application/json': { schema: z.strictObject(shape) } }, required: false };
}

const run = createRoute({
  method: 'post',
  path: '/api/v1/jobs/{job}/run',
  summary: 'Request a run of a job',
  request: { params: ofJob, headers: keyed, body: bodyOf({}) },
  responses: { 202: jsonOf(requested, 'It is in the queue'), ...refusedToo },
});

const rerun = createRoute({
  method: 'post',
  path: '/api/v1/runs/{run}/rerun',
  summary: 'Request the job of an ended run again',
  request: { params: ofRun, headers: keyed, body: bodyOf({}) },
  responses: { 202: jsonOf(requested, 'It is in the queue'), ...refusedToo },
});

const dryRun = createRoute({
  method: 'post',
  path: '/api/v1/jobs/{job}/dry-run',
  summary: 'Request a run that plans and changes nothing; its plan is read as that of any run',
  request: { params: ofJob, headers: keyed, body: bodyOf({}) },
  responses: { 202: jsonOf(requested, 'It is in the queue'), ...refusedToo },
});

const approve = createRoute({
  method: 'post',
  path: '/api/v1/runs/{run}/approve',
  summary: 'Carry out exactly the plan of a refused run, or refuse because a side has changed',
  request: {
    params: ofRun,
    body: {
      ...bodyOf({
        deletions: z
          .int()
          .min(0)
          .openapi({ description: '`deletes` of the plan, as the person typed it' }),
      }),
      required: true,
    },
  },
  responses: { 202: jsonOf(requested, 'The run that carries it out'), ...refusedToo },
});

const cancel = createRoute({
  method: 'post',
  path: '/api/v1/runs/{run}/cancel',
  summary: 'Stop a run; one that has ended stays as it is',
  request: { params: ofRun, body: bodyOf({}) },
  responses: {
    200: jsonOf(
      z.object({ was: z.enum(['waiting', 'active', 'ended']) }).openapi('Cancelled'),
      'In which state it was asked to stop',
    ),
    ...refusedToo,
  },
});

const pause = createRoute({
  method: 'post',
  path: '/api/v1/jobs/{job}/pause',
  summary: 'Let no run of a job start',
  request: {
    params: ofJob,
    body: bodyOf({
      until: z.iso.datetime({ offset: true }).optional(),
      reason: z.string().min(1).max(500).optional(),
    }),
  },
  responses: { 200: jsonOf(z.object({}), 'It is paused'), ...refusedToo },
});

const resume = createRoute({
  method: 'post',
  path: '/api/v1/jobs/{job}/resume',
  summary: 'Let runs of a job start again',
  request: {
    params: ofJob,
    body: bodyOf({
      catchUp: z
        .boolean()
        .optional()
        .openapi({ description: 'Make up for the latest slot since it was paused' }),
    }),
  },
  responses: {
    200: jsonOf(
      z
        .object({
          wasPaused: z.boolean(),
          pause: pauseItem.optional().openapi({ description: 'What still keeps it from running' }),
          caughtUp: z.array(z.object({ job: z.string(), run: z.string(), slot: z.string() })),
        })
        .openapi('Resumed'),
      'It may run, unless `pause` says what keeps it',
    ),
    ...refusedToo,
  },
});

/** Adds the routes. */
export function addActionRoutes(app: ApiApp, actions: Actions): void {
  app.openapi(run, async (context) => {
    const key = context.req.valid('header')['idempotency-key'];
    const job = jobOf(context.req.valid('param').job);
    return context.json(await actions.run(callerOf(context), job, key), 202);
  });
  app.openapi(rerun, async (context) => {
    const key = context.req.valid('header')['idempotency-key'];
    const ended = checkRun(context.req.valid('param').run);
    return context.json(await actions.rerun(callerOf(context), ended, key), 202);
  });
  app.openapi(dryRun, async (context) => {
    const key = context.req.valid('header')['idempotency-key'];
    const job = jobOf(context.req.valid('param').job);
    return context.json(await actions.dryRun(callerOf(context), job, key), 202);
  });
  app.openapi(approve, async (context) => {
    const refused = checkRun(context.req.valid('param').run);
    const { deletions } = context.req.valid('json');
    return context.json(await actions.approve(callerOf(context), refused, deletions), 202);
  });
  app.openapi(cancel, async (context) => {
    const wanted = checkRun(context.req.valid('param').run);
    return context.json(await actions.cancel(callerOf(context), wanted), 200);
  });
  app.openapi(pause, async (context) => {
    const job = jobOf(context.req.valid('param').job);
    const caller = callerOf(context);
    const { until, reason } = context.req.valid('json') ?? {};
    const end = until === undefined ? undefined : Date.parse(until);
    const details = present({ until: end, reason, by: caller.name });
    await actions.pause(caller, { scope: 'job', job }, details);
    return context.json({}, 200);
  });
  app.openapi(resume, async (context) => {
    const job = jobOf(context.req.valid('param').job);
    const caller = callerOf(context);
    const { catchUp = false } = context.req.valid('json') ?? {};
    const found = await actions.resume(caller, { scope: 'job', job }, caller.name, catchUp);
    const { wasPaused, pause: still, caughtUp } = found;
    const rest = { wasPaused, caughtUp: [...caughtUp] };
    return context.json({ ...rest, ...present({ pause: still }) }, 200);
  });
}

/** Who asks: the guard of each listener has set it. */
export function callerOf(context: Context<ApiEnv>): Caller {
  const caller = context.get('caller');
  if (caller === undefined) throw new FerryError('defect', 'a request without a caller');
  return caller;
}

function jobOf(job: string): string {
  if (!namePattern.test(job)) throw noSuchJob(job);
  return job;
}
