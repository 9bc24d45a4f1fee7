/**
 * The API: one app, which the socket serves to the command line and TCP to other programs. Its routes
 * are described by the schemas that check their requests, and OpenAPI is made of them.
 */
import { randomBytes } from 'node:crypto';
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context, MiddlewareHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { FerryError } from '../../core/errors.js';
import type { ServedControls } from '../control/controls.js';
import type { IncidentControls } from '../incident-controls.js';
import { type Problem, problemOf, Refusal, type ValueProblem } from '../problem.js';
import { addActionRoutes } from './action-routes.js';
import type { Actions } from './actions.js';
import { addAudit, type ReadAudit } from './audit-routes.js';
import type { ApiApp, ApiEnv } from './caller.js';
import { addEvents } from './event-route.js';
import type { Guard } from './guard.js';
import { addIncidentRoutes } from './incident-routes.js';
import { addJobRoutes } from './job-routes.js';
import type { LiveEvents } from './live.js';
import { addMetrics, type MetricsReader } from './metrics-route.js';
import { addPageFiles } from './page-files.js';
import { addProbes } from './probes.js';
import type { Reads } from './reads.js';
import { RunList } from './run-list.js';
import { addRunPartRoutes } from './run-part-routes.js';
import { addRunRoutes } from './run-routes.js';
import { addSession } from './session.js';
import type { Sessions } from './sessions.js';
import { addStateRoutes } from './state-routes.js';

export interface ApiParts {
  readonly controls: ServedControls;
  readonly reads: Reads;
  readonly actions: Actions;
  readonly sessions: Sessions;
  readonly metrics: MetricsReader;
  readonly audit: ReadAudit;
  readonly live: LiveEvents;
  readonly incidents: IncidentControls;
  readonly version: string;
  /** Removes secrets from what an error says. */
  readonly redact: (text: string) => string;
  /** A defect: what the log is to say of it, under the id that the client is given. */
  readonly onDefect: (id: string, error: Error) => void;
}

/** Bytes of a body; a larger one is refused. */
const largestBody = 64 * 1024;

/**
 * The app of one listener. `letIn` decides who a request is from, before anything of it is looked at;
 * `logIn` begins sessions of browsers, and where it is, the page's files are.
 */
export function createApi(
  parts: ApiParts,
  { letIn, logIn }: Pick<Guard, 'letIn'> & Partial<Guard>,
): ApiApp {
  const app: ApiApp = new OpenAPIHono<ApiEnv>({
    defaultHook(result) {
      if (!result.success) throw invalid(result.target, result.error.issues);
    },
  });
  app.use(async (context, next) => {
    await next();
    if (!context.res.headers.has('cache-control')) context.header('cache-control', 'no-store');
    context.header('x-content-type-options', 'nosniff');
  });
  app.use(letIn);
  app.use(limitBody);
  app.use('/api/v1/*', onlyJson);
  app.onError((thrown, context) => answerError(parts, thrown, context));
  app.notFound((context) => {
    throw notKnown(app, context);
  });
  addProbes(app, parts.controls);
  addSession(app, parts.sessions, logIn);
  addEvents(app, parts.live);
  if (logIn !== undefined) addPageFiles(app);
  addMetrics(app, parts.metrics);
  addAudit(app, parts.audit);
  const runs = new RunList(parts.reads);
  addJobRoutes(app, parts, runs);
  addRunRoutes(app, parts, runs);
  addRunPartRoutes(app, parts);
  addStateRoutes(app, parts, runs);
  addActionRoutes(app, parts.actions);
  addIncidentRoutes(app, parts);
  app.openAPIRegistry.registerComponent('securitySchemes', 'token', {
    type: 'http',
    scheme: 'bearer',
    description: 'A token of `api.tokens` in jobs.yml',
  });
  app.get('/api/v1/openapi.json', (context) => context.json(describeApi(app, parts.version)));
  return app;
}

/** The OpenAPI 3.1 document of an app. */
export function describeApi(app: ApiApp, version: string): object {
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'ferryline',
      version,
      description: 'What a ferryline daemon answers. docs/api.md says how to use it.',
    },
    security: [{ token: [] }],
  });
}

function answerError({ redact, onDefect }: ApiParts, thrown: Error, context: Context): Response {
  const refusal = thrown instanceof HTTPException ? ofHttp(thrown) : thrown;
  let problem: Problem = problemOf(refusal);
  if (problem.kind === 'defect') {
    const id = randomBytes(4).toString('hex');
    onDefect(id, thrown);
    const hint = `the daemon's log has the details: look for ${id}`;
    problem = { ...problem, ...(!(thrown instanceof FerryError) && { hint }), id };
  }
  const detail = redact(problem.detail);
  const headers = refusal instanceof Refusal ? refusal.details.headers : undefined;
  return context.body(JSON.stringify({ ...problem, detail }), problem.status, {
    'content-type': 'application/problem+json',
    ...headers,
  });
}

/** What Hono itself refuses: a body that is not JSON. */
function ofHttp(thrown: HTTPException): Error {
  if (thrown.status >= 500) return thrown;
  return new FerryError('config', 'the body of this request is not valid JSON');
}

/** The HTTP parser reads no more of a body than its length, so that is what counts. */
const limitBody: MiddlewareHandler<ApiEnv> = async ({ req }, next) => {
  if (req.header('transfer-encoding') !== undefined)
    throw new Refusal('length', 'a body names its length before it comes', {
      hint: 'send it whole, with Content-Length',
    });
  if (Number(req.header('content-length') ?? 0) > largestBody)
    throw new Refusal('too-large', `the body of a request has at most ${largestBody} bytes`);
  await next();
};

const onlyJson: MiddlewareHandler<ApiEnv> = async ({ req }, next) => {
  const hasBody = Number(req.header('content-length') ?? 0) > 0;
  const isJson = /^application\/json *(?:;|$)/i.test(req.header('content-type') ?? '');
  if (hasBody && !isJson)
    throw new Refusal('media-type', 'the body of a request is JSON', {
      hint: 'send it with `Content-Type: application/json`',
    });
  await next();
};

function invalid(
  target: string,
  issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[],
): Refusal {
  const errors = issues.map((issue): ValueProblem => {
    const path = [target, ...issue.path].join('.');
    const { values, keys } = issue as { values?: readonly unknown[]; keys?: readonly string[] };
    const message = keys === undefined ? issue.message : `unknown: ${keys.join(', ')}`;
    return { path, message, ...(values && { allowed: values.map(String) }) };
  });
  const shown = errors.map(({ path, message }) => `${path}: ${message}`).join('; ');
  return new Refusal('config', shown, { errors });
}

/** An unknown address; or a known one, asked in another way than it answers. */
function notKnown(app: ApiApp, { req }: Context): Refusal {
  const methods = new Set<string>();
  for (const { path, method } of app.routes) {
    const form = path
      .replace(/[.*+?^$()|[\]\\]/g, '\\$&')
      .replace(/:[^/{]+(?:\{[^/]*\})?/g, '[^/]+');
    if (method !== 'ALL' && new RegExp(`^${form}$`).test(req.path)) methods.add(method);
  }
  if (methods.size === 0)
    return new Refusal('unknown', `this daemon does not know ${req.method} ${req.path}`, {
      hint: '`ferryline status` shows its version, `ferryline --version` that of the command',
    });
  const allow = [...methods].sort().join(', ');
  return new Refusal('method', `${req.path} takes ${allow}`, { headers: { allow } });
}
