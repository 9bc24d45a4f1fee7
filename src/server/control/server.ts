/**
 * The socket in the state folder, for the command line: the API (api/app.ts), and beside it what only
 * the command line asks for. `Controls` carries the requests out. A GET changes nothing.
 *
 *   GET  /api/status                       GET  /api/runs?job=JOB&limit=N&idle=1
 *   POST /api/jobs/JOB/enqueue             GET  /api/runs/RUN/outcome   responds when the run has ended
 *   POST …/pause, …/resume: pause-routes   GET  /api/runs/RUN/log?follow=1   lines of JSON
 *   GET  /api/next?job=JOB                 POST /api/runs/RUN/rerun
 *   GET  /api/runs/NAME   its id           POST /api/runs/RUN/cancel
 *   GET  /api/runs/RUN/view   as listed
 *   POST /api/permits/NAME?count=N         a line when it is granted; it is held until the client hangs up
 *   POST /api/open                         the page's address with a code; open-routes
 *
 * Neither end of the socket has a time-out: the kernel closes it when a process dies. So a response
 * may take hours; a client that hangs up aborts the signal of its request.
 */
import { FerryError } from '../../core/errors.js';
import { namePattern } from '../../core/job.js';
import { callerOf } from '../api/action-routes.js';
import { type ApiParts, createApi } from '../api/app.js';
import type { ApiApp, ApiEnv } from '../api/caller.js';
import { createHttpServer, type SignalOf } from '../http-server.js';
import { problemOf, reasonOf } from '../problem.js';
import { noSuchJob, noSuchRun } from './controls.js';
import { addOpenRoutes } from './open-routes.js';
import { addPauseRoutes } from './pause-routes.js';
import { listenPrivately } from './socket.js';

export interface ControlServer {
  /** Removes the socket and ends open requests with `network` errors; a second call waits for the first. */
  close(): Promise<void>;
}

export interface ControlParts extends ApiParts {
  /** The page's address for people; undefined where this daemon has none. */
  readonly pageAddress: () => string | undefined;
}

const defaultLimit = 20;
const mostRuns = 10_000;
/** Characters of a run's id: no dot and no slash, since it names files. */
const runIdPattern = /^[A-Za-z0-9-]{1,64}$/;

/** Of a job or a remote; their names have no slash. */
const permitPattern = /^(?:job|remote)-[A-Za-z][A-Za-z0-9._-]{0,63}$/;
const mostPermits = 1000;

/** Listens on STATE/control.sock, mode 0600. The caller holds the state folder's lock. Errors: `io`. */
export async function serveControl(state: string, parts: ControlParts): Promise<ControlServer> {
  const http = createHttpServer<ApiEnv>((signalOf) => {
    const app = createApi(parts, {
      async letIn(context, next) {
        context.set('caller', { name: 'cli', role: 'operate', via: 'socket' });
        await next();
      },
    });
    addControlRoutes(app, parts, signalOf);
    addOpenRoutes(app, parts);
    return app;
  });
  let removeSocket: () => Promise<void>;
  try {
    removeSocket = await listenPrivately(http.server, state);
  } catch (thrown) {
    throw new FerryError(
      'io',
      `can't listen on a socket in ${state}: ${(thrown as Error).message}`,
      {
        cause: thrown,
        hint: 'name a folder on a local disk in FERRYLINE_STATE_DIR',
      },
    );
  }
  const close = async () => {
    await removeSocket();
    await http.close();
  };
  let closing: Promise<void> | undefined;
  return {
    close() {
      closing ??= close();
      return closing;
    },
  };
}

/** What the command line asks for, and other programs can't. */
function addControlRoutes(
  app: ApiApp,
  { controls, actions }: Pick<ApiParts, 'controls' | 'actions'>,
  signalOf: SignalOf,
): void {
  app.get('/api/status', async (context) => context.json(await controls.status()));
  app.post('/api/jobs/:job/enqueue', async (context) =>
    context.json(await actions.run(callerOf(context), jobOf(context.req.param('job')))),
  );
  addPauseRoutes(app, actions);

  app.get('/api/runs', async (context) => {
    const job = context.req.query('job');
    const limit = limitOf(context.req.query('limit'));
    const idle = context.req.query('idle') === '1';
    const named = job === undefined ? undefined : jobOf(job);
    return context.json(await controls.runs(named, limit, idle));
  });
  app.get('/api/next', async (context) => {
    const jobs = (context.req.queries('job') ?? []).map(jobOf);
    return context.json(await controls.next(jobs, signalOf(context)));
  });
  app.get('/api/runs/:run', async (context) => {
    const name = context.req.param('run');
    if (!namePattern.test(name)) runOf(name);
    return context.json({ run: await controls.find(name) });
  });
  app.get('/api/runs/:run/view', async (context) =>
    context.json(await controls.view(runOf(context.req.param('run')))),
  );
  app.post('/api/runs/:run/rerun', async (context) =>
    context.json(await actions.rerun(callerOf(context), runOf(context.req.param('run')))),
  );
  app.post('/api/runs/:run/cancel', async (context) =>
    context.json(await actions.cancel(callerOf(context), runOf(context.req.param('run')))),
  );
  app.get('/api/runs/:run/outcome', async (context) => {
    const signal = signalOf(context);
    try {
      return context.json(await controls.outcome(runOf(context.req.param('run')), signal));
    } catch (thrown) {
      throw reasonOf(thrown, signal);
    }
  });
  app.post('/api/permits/:name', async (context) => {
    const signal = signalOf(context);
    const name = context.req.param('name');
    if (!permitPattern.test(name)) throw new FerryError('config', 'there is no such permit');
    const lines = controls.permit(name, countOf(context.req.query('count')), signal);
    return respondInLines(lines[Symbol.asyncIterator](), signal);
  });
  app.get('/api/runs/:run/log', async (context) => {
    const signal = signalOf(context);
    const follow = context.req.query('follow') === '1';
    const lines = controls.log(runOf(context.req.param('run')), follow, signal);
    return respondInLines(lines[Symbol.asyncIterator](), signal);
  });
}

/** Responds with lines as they come, no faster than they are read; an error is the last line. */
async function respondInLines(
  lines: AsyncIterator<string>,
  signal: AbortSignal,
): Promise<Response> {
  const encoder = new TextEncoder();
  // an error before the first line is a response of its own
  let next: IteratorResult<string> | undefined = await lines.next();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = next ?? (await lines.next());
        next = undefined;
        if (done === true) controller.close();
        else controller.enqueue(encoder.encode(`${value}\n`));
      } catch (thrown) {
        const error = JSON.stringify({ error: problemOf(reasonOf(thrown, signal)) });
        controller.enqueue(encoder.encode(`${error}\n`));
        controller.close();
      }
    },
    async cancel() {
      await lines.return?.();
    },
  });
  return new Response(body, { headers: { 'content-type': 'application/x-ndjson' } });
}

function jobOf(text: string): string {
  if (!namePattern.test(text)) throw noSuchJob(text);
  return text;
}

function runOf(text: string): string {
  if (!runIdPattern.test(text)) throw noSuchRun(text);
  return text;
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return defaultLimit;
  const limit = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= mostRuns) return limit;
  throw new FerryError('config', `limit takes a whole number from 1 to ${mostRuns}`);
}

function countOf(text: string | undefined): number {
  const count = /^\d{1,4}$/.test(text ?? '') ? Number(text) : 0;
  if (count >= 1 && count <= mostPermits) return count;
  throw new FerryError('config', `count takes a whole number from 1 to ${mostPermits}`);
}
