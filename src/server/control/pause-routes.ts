/**
 * The control API's requests about pauses. A pause is that of a job, of a remote or of all jobs; its
 * body may say until when, why, and who asks.
 *
 *   POST /api/jobs/JOB/pause, /api/remotes/REMOTE/pause, /api/pause      {until?, reason?, by?}
 *   POST …/resume                                                       {catchUp?, by?}
 */
import type { Context } from 'hono';
import { FerryError } from '../../core/errors.js';
import { namePattern } from '../../core/job.js';
import type { PauseDetails, PauseScope } from '../../core/pause.js';
import { present } from '../../core/present.js';
import { callerOf } from '../api/action-routes.js';
import type { Actions } from '../api/actions.js';
import type { ApiApp, ApiEnv } from '../api/caller.js';
import { noSuchJob, noSuchRemote } from './controls.js';

type HttpContext = Context<ApiEnv>;

/** Characters of a body; a longer one is refused. */
const longestBody = 4096;
/** Characters of a reason or a name; a longer one is refused. */
const longestText = 500;

export function addPauseRoutes(app: ApiApp, actions: Pick<Actions, 'pause' | 'resume'>): void {
  const places: readonly [string, (context: HttpContext) => PauseScope][] = [
    ['/api/jobs/:job', (context) => jobScope(context.req.param('job') ?? '')],
    ['/api/remotes/:remote', (context) => remoteScope(context.req.param('remote') ?? '')],
    ['/api', () => ({ scope: 'all' })],
  ];
  for (const [path, scopeIn] of places) {
    app.post(`${path}/pause`, async (context) => {
      const scope = scopeIn(context);
      await actions.pause(callerOf(context), scope, detailsIn(await bodyOf(context)));
      return context.json({});
    });
    app.post(`${path}/resume`, async (context) => {
      const scope = scopeIn(context);
      const body = await bodyOf(context);
      const by = textIn(body, 'by');
      const caller = callerOf(context);
      return context.json(await actions.resume(caller, scope, by, body.catchUp === true));
    });
  }
}

/** Where the client sends a request about a pause. */
export function pausePath(scope: PauseScope): string {
  if (scope.scope === 'all') return '/api';
  if (scope.scope === 'job') return `/api/jobs/${jobScope(scope.job).job}`;
  return `/api/remotes/${remoteScope(scope.remote).remote}`;
}

function jobScope(job: string) {
  if (!namePattern.test(job)) throw noSuchJob(job);
  return { scope: 'job', job } as const;
}

function remoteScope(remote: string) {
  if (!namePattern.test(remote)) throw noSuchRemote(remote);
  return { scope: 'remote', remote } as const;
}

/** The body as an object; none counts as an empty one. */
async function bodyOf({ req }: HttpContext): Promise<Readonly<Record<string, unknown>>> {
  const text = await req.text();
  if (text === '') return {};
  try {
    const body: unknown = text.length > longestBody ? undefined : JSON.parse(text);
    if (typeof body === 'object' && body !== null && !Array.isArray(body))
      return body as Readonly<Record<string, unknown>>;
  } catch {
    // refused below
  }
  throw new FerryError('config', 'the body of this request must be a small JSON object');
}

function detailsIn(body: Readonly<Record<string, unknown>>): PauseDetails {
  const until = body.until === undefined ? undefined : Date.parse(String(body.until));
  if (Number.isNaN(until))
    throw new FerryError('config', '`until` must be a time such as 2026-12-01T08:00:00Z');
  return present({ until, reason: textIn(body, 'reason'), by: textIn(body, 'by') });
}

function textIn(body: Readonly<Record<string, unknown>>, key: string): string | undefined {
  const value = body[key];
  if (value === undefined || (typeof value === 'string' && value.length <= longestText))
    return value;
  throw new FerryError('config', `\`${key}\` must be a text of at most ${longestText} characters`);
}
