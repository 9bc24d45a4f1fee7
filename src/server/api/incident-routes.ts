/** What needs somebody: incidents, silences, messages about them, and what people do with them. */
import { createRoute, z } from '@hono/zod-openapi';
import { FerryError } from '../../core/errors.js';
import { namePattern } from '../../core/job.js';
import { noticeWords } from '../../core/notify.js';
import { present } from '../../core/present.js';
import { type IncidentControls, noSuch } from '../incident-controls.js';
import { callerOf } from './action-routes.js';
import type { Actions } from './actions.js';
import { jsonOf, refusedToo } from './answers.js';
import type { ApiApp } from './caller.js';
import { cursorOf, pageOf, pageQuery, placeIn } from './pages.js';

const causes = noticeWords.filter((word) => word !== 'recovered');
const time = z.string().openapi({ description: 'ISO 8601, UTC' });

const silenceItem = z
  .object({
    id: z.string(),
    scope: z.enum(['job', 'remote', 'all']),
    name: z.string().optional().openapi({ description: 'The job or the remote' }),
    since: time,
    until: time,
    by: z.string(),
    reason: z.string().optional(),
    endedAt: time.optional(),
    active: z.boolean(),
  })
  .openapi('Silence');

export const incidentItem = z
  .object({
    id: z.string(),
    cause: z.enum(causes),
    state: z.enum(['open', 'closed']),
    job: z.string().optional(),
    description: z.string().optional(),
    remote: z.string().optional(),
    kind: z.string().optional().openapi({ description: 'The kind of the error' }),
    subject: z.string().optional().openapi({ description: 'Of one about the daemons: what' }),
    message: z.string(),
    hint: z.string().optional(),
    run: z.string().optional().openapi({ description: 'The newest run with the cause' }),
    count: z.int().openapi({ description: 'How often it occurred' }),
    openedAt: time,
    lastAt: time,
    closedAt: time.optional(),
    closedBy: z.string().optional(),
    lastSuccess: time.optional(),
    failures: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
    failuresOmitted: z.int().optional(),
    acknowledged: z.object({ at: time, by: z.string() }).optional(),
    silenced: silenceItem.optional(),
    told: z
      .array(z.object({ channel: z.string(), at: time, recoveredAt: time.optional() }))
      .openapi({ description: 'Who was told of it, and of its end' }),
  })
  .openapi('Incident');

const step = z.object({
  at: time,
  step: z.enum(['opened', 'again', 'told', 'reminded', 'acknowledged', 'closed']),
  run: z.string().optional(),
  channel: z.string().optional(),
  by: z.string().optional(),
  why: z.string().optional(),
});

const messageItem = z
  .object({
    id: z.string(),
    channel: z.string(),
    steps: z.array(z.object({ incident: z.string(), step: z.string() })),
    madeAt: time,
    state: z.enum(['waiting', 'sent', 'dead']),
    endedAt: time.optional(),
    tries: z.int().optional().openapi({ description: 'Attempts that failed so far' }),
    why: z.string().optional().openapi({ description: 'Why it has not arrived' }),
  })
  .openapi('Message');

const ofIncident = z.object({ incident: z.string().max(64) });
const done = jsonOf(
  z.object({ done: z.boolean().openapi({ description: 'false: it was so before' }) }),
  'It is done',
);

const incidents = createRoute({
  method: 'get',
  path: '/api/v1/incidents',
  summary: 'What needs somebody, and what did, newest first',
  request: {
    query: z.strictObject({
      ...pageQuery,
      state: z.enum(['open', 'closed']).optional(),
      cause: z.enum(causes).optional(),
      job: z.string().max(64).optional(),
      remote: z.string().max(64).optional(),
    }),
  },
  responses: { 200: jsonOf(pageOf(incidentItem, 'Incidents'), 'A page'), ...refusedToo },
});

const incident = createRoute({
  method: 'get',
  path: '/api/v1/incidents/{incident}',
  summary: 'One incident, step by step',
  request: { params: ofIncident },
  responses: {
    200: jsonOf(incidentItem.extend({ steps: z.array(step) }).openapi('WholeIncident'), 'It'),
    ...refusedToo,
  },
});

const acknowledge = createRoute({
  method: 'post',
  path: '/api/v1/incidents/{incident}/acknowledge',
  summary: 'Take care of an incident: nobody is reminded of it',
  request: { params: ofIncident },
  responses: { 200: done, ...refusedToo },
});

const silences = createRoute({
  method: 'get',
  path: '/api/v1/silences',
  summary: 'What nobody is told, newest first, ended silences too',
  request: { query: z.strictObject(pageQuery) },
  responses: { 200: jsonOf(pageOf(silenceItem, 'Silences'), 'A page'), ...refusedToo },
});

const silence = createRoute({
  method: 'post',
  path: '/api/v1/silences',
  summary: 'Tell nobody about a job, a remote or all for a while',
  request: {
    body: {
      content: {
        'application/json': {
          schema: z.strictObject({
            scope: z.enum(['job', 'remote', 'all']),
            name: z.string().regex(namePattern).optional(),
            until: z.iso.datetime({ offset: true }),
            reason: z.string().min(1).max(500).optional(),
          }),
        },
      },
      required: true,
    },
  },
  responses: { 200: jsonOf(silenceItem, 'It holds'), ...refusedToo },
});

const endSilence = createRoute({
  method: 'post',
  path: '/api/v1/silences/{silence}/end',
  summary: 'End a silence: what is open and was told nobody is told once',
  request: { params: z.object({ silence: z.string().max(64) }) },
  responses: { 200: done, ...refusedToo },
});

const messages = createRoute({
  method: 'get',
  path: '/api/v1/messages',
  summary: 'Messages to channels, newest first',
  request: {
    query: z.strictObject({
      ...pageQuery,
      channel: z.string().max(64).optional(),
      state: z.enum(['waiting', 'sent', 'dead']).optional(),
    }),
  },
  responses: { 200: jsonOf(pageOf(messageItem, 'Messages'), 'A page'), ...refusedToo },
});

const send = createRoute({
  method: 'post',
  path: '/api/v1/messages/{message}/send',
  summary: 'Send a message that is dead once more',
  request: { params: z.object({ message: z.string().max(300) }) },
  responses: { 200: jsonOf(z.object({}), 'It is tried again'), ...refusedToo },
});

const test = createRoute({
  method: 'post',
  path: '/api/v1/channels/{channel}/test',
  summary: 'Send a message that says that nothing is wrong',
  request: { params: z.object({ channel: z.string().max(64) }) },
  responses: {
    200: jsonOf(z.object({ message: z.string() }).openapi('Tested'), 'It is on its way'),
    ...refusedToo,
  },
});

/** Adds the routes. */
export function addIncidentRoutes(
  app: ApiApp,
  {
    incidents: controls,
    actions,
  }: { readonly incidents: IncidentControls; readonly actions: Actions },
): void {
  app.openapi(incidents, async (context) => {
    const { limit, cursor, ...filter } = context.req.valid('query');
    const found = (await controls.incidents()).filter(
      (one) =>
        (filter.state ?? one.state) === one.state &&
        (filter.cause ?? one.cause) === one.cause &&
        (filter.job ?? one.job) === one.job &&
        (filter.remote ?? one.remote) === one.remote,
    );
    return context.json(pageAfter('incidents', found, 'openedAt', limit, cursor), 200);
  });
  app.openapi(incident, async (context) => {
    const found = await controls.incident(context.req.valid('param').incident);
    return context.json(plain(found), 200);
  });
  app.openapi(acknowledge, async (context) => {
    const { incident: id } = context.req.valid('param');
    const caller = callerOf(context);
    const isNew = await actions.through(caller, 'acknowledge', id, () =>
      controls.acknowledge(id, caller.name),
    );
    return context.json({ done: isNew }, 200);
  });
  app.openapi(silences, async (context) => {
    const { limit, cursor } = context.req.valid('query');
    const found = await controls.silences();
    return context.json(pageAfter('silences', found, 'since', limit, cursor), 200);
  });
  app.openapi(silence, async (context) => {
    const { until, reason, ...scope } = context.req.valid('json');
    const caller = callerOf(context);
    const target = scope.name === undefined ? scope.scope : `${scope.scope}/${scope.name}`;
    if ((scope.scope === 'all') !== (scope.name === undefined))
      throw new FerryError(
        'config',
        'a silence of a job or a remote names it, and one of all does not',
      );
    const made = await actions.through(caller, 'silence', target, () =>
      controls.silence(present(scope), Date.parse(until), caller.name, reason),
    );
    return context.json(made, 200);
  });
  app.openapi(endSilence, async (context) => {
    const { silence: id } = context.req.valid('param');
    const isNew = await actions.through(callerOf(context), 'end silence', id, () =>
      controls.endSilence(id),
    );
    return context.json({ done: isNew }, 200);
  });
  app.openapi(messages, async (context) => {
    const { limit, cursor, channel, state } = context.req.valid('query');
    const found = (await controls.messages()).filter(
      (one) => (channel ?? one.channel) === one.channel && (state ?? one.state) === one.state,
    );
    const page = pageAfter('messages', found, 'madeAt', limit, cursor);
    return context.json(plain(page), 200);
  });
  app.openapi(send, async (context) => {
    const { message } = context.req.valid('param');
    await actions.recorded(callerOf(context), 'send', message, async () => {
      await controls.sendAgain(message);
      return {};
    });
    return context.json({}, 200);
  });
  app.openapi(test, async (context) => {
    const { channel } = context.req.valid('param');
    if (!namePattern.test(channel)) throw noSuch('channel', channel, 'see `notify` in jobs.yml');
    const caller = callerOf(context);
    const tested = await actions.recorded(caller, 'test', channel, async () => ({
      message: await controls.test(channel, caller.name),
    }));
    return context.json(tested, 200);
  });
}

/** The routes' types have lists that may be changed. */
// biome-ignore lint/suspicious/noExplicitAny: the document of the API is checked against the answers
function plain(value: object): any {
  return value;
}

/** A page of a list that is sorted by a moment, newest first, after the place of a cursor: what is added meanwhile is on no page twice. */
function pageAfter<
  K extends string,
  T extends { readonly id: string } & Readonly<Record<K, string>>,
>(
  list: string,
  all: readonly T[],
  key: K,
  limit: number,
  cursor: string | undefined,
  // biome-ignore lint/suspicious/noExplicitAny: as above
): any {
  const place = placeIn(list, z.tuple([z.string().max(40), z.string().max(300)]), cursor);
  const rest =
    place === undefined
      ? all
      : all.filter((one) => one[key] < place[0] || (one[key] === place[0] && one.id < place[1]));
  const items = rest.slice(0, limit);
  const last = items.at(-1);
  const more = last !== undefined && rest.length > items.length;
  return { items, ...(more && { next: cursorOf(list, last[key], last.id) }) };
}
