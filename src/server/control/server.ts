/**
 * The control API: JSON over HTTP on the state folder's socket, for the command line. `Controls`
 * carries the requests out. A GET changes nothing.
 *
 *   GET  /api/status                       GET  /api/runs?job=JOB&limit=N&idle=1
 *   POST /api/jobs/JOB/enqueue             GET  /api/runs/RUN/outcome   responds when the run has ended
 *   POST …/pause, …/resume: pause-routes   GET  /api/runs/RUN/log?follow=1   lines of JSON
 *   GET  /healthz, /readyz, /api/next?job=JOB   POST /api/runs/RUN/rerun
 *   GET  /api/runs/NAME   its id           POST /api/runs/RUN/cancel
 *   GET  /api/runs/RUN/view   as listed
 *   POST /api/permits/NAME?count=N         a line when it is granted; it is held until the client hangs up
 *
 * Neither end of the socket has a time-out: the kernel closes it when a process dies. So a response
 * may take hours; a client that hangs up aborts the signal of its request.
 */
import type { Server } from 'node:http';
import { createAdaptorServer, type HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { asFerryError, FerryError } from '../../core/errors.js';
import { namePattern } from '../../core/job.js';
import { acknowledgedHint, noSuchJob, noSuchRun, type ServedControls } from './controls.js';
import { addPauseRoutes } from './pause-routes.js';
import { listenPrivately } from './socket.js';
import { statusOf, toWire } from './wire-error.js';

type HttpContext = Context<{ Bindings: HttpBindings }>;
/** A signal that is aborted when the client hangs up, or the daemon stops. */
type SignalOf = (context: HttpContext) => AbortSignal;

export interface ControlServer {
  /** Removes the socket and ends open requests with `network` errors; a second call waits for the first. */
  close(): Promise<void>;
}

/** Responses that have not been sent this long after `close` are cut off. */
const sendWithinMs = 1000;
const defaultLimit = 20;
const mostRuns = 10_000;
/** Characters of a run's id: no dot and no slash, since it names files. */
const runIdPattern = /^[A-Za-z0-9-]{1,64}$/;

/** Of a job or a remote; their names have no slash. */
const permitPattern = /^(?:job|remote)-[A-Za-z][A-Za-z0-9._-]{0,63}$/;
const mostPermits = 1000;

/** Listens on STATE/control.sock, mode 0600. The caller holds the state folder's lock. Errors: `io`. */
export async function serveControl(
  state: string,
  controls: ServedControls,
): Promise<ControlServer> {
  const open = new Set<AbortController>();
  const signalOf: SignalOf = ({ env: { outgoing } }) => {
    const controller = new AbortController();
    const end = () => {
      open.delete(controller);
      controller.abort();
    };
    open.add(controller);
    if (outgoing.closed) end();
    else outgoing.once('close', end);
    return controller.signal;
  };
  const app = controlApp(controls, signalOf);
  const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false }) as Server;
  let removeSocket: () => Promise<void>;
  try {
    removeSocket = await listenPrivately(server, state);
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
    const closed = new Promise<void>((done) => server.close(() => done()));
    for (const controller of open) controller.abort(isStopping());
    server.closeIdleConnections();
    const timer = setTimeout(() => server.closeAllConnections(), sendWithinMs);
    await closed;
    clearTimeout(timer);
  };
  let closing: Promise<void> | undefined;
  return {
    close() {
      closing ??= close();
      return closing;
    },
  };
}

function isStopping(): FerryError {
  return new FerryError('network', 'the daemon is stopping', { hint: acknowledgedHint });
}

function controlApp(
  controls: ServedControls,
  signalOf: SignalOf,
): Hono<{ Bindings: HttpBindings }> {
  const app = new Hono<{ Bindings: HttpBindings }>();
  const failed = (context: HttpContext, thrown: unknown) => {
    const body = toWire(thrown);
    return context.json(body, statusOf(body));
  };
  app.onError((thrown, context) => failed(context, thrown));
  app.notFound((context) => {
    const what = `${context.req.method} ${context.req.path}`;
    const error = new FerryError('config', `this daemon does not know ${what}`, {
      hint: '`ferryline status` shows its version, `ferryline --version` that of the command',
    });
    return context.json(toWire(error), 404);
  });

  app.get('/healthz', (context) => context.json({ alive: true }));
  app.get('/readyz', (context) => {
    const queue = controls.queue();
    return context.json({ queue }, queue.state === 'up' ? 200 : 503);
  });

  app.get('/api/status', async (context) => context.json(await controls.status()));
  app.post('/api/jobs/:job/enqueue', async (context) =>
    context.json(await controls.enqueue(jobOf(context.req.param('job')))),
  );
  addPauseRoutes(app, controls);

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
    context.json(await controls.rerun(runOf(context.req.param('run')))),
  );
  app.post('/api/runs/:run/cancel', async (context) =>
    context.json(await controls.cancel(runOf(context.req.param('run')))),
  );
  app.get('/api/runs/:run/outcome', async (context) => {
    const signal = signalOf(context);
    try {
      return context.json(await controls.outcome(runOf(context.req.param('run')), signal));
    } catch (thrown) {
      return failed(context, reasonOf(thrown, signal));
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
  return app;
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
        const error = JSON.stringify(toWire(reasonOf(thrown, signal)));
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

/** Why a request ended: the reason it was aborted for, or else what was thrown. */
function reasonOf(thrown: unknown, signal: AbortSignal): FerryError {
  return asFerryError(signal.aborted ? signal.reason : thrown);
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
