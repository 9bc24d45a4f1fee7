/**
 * The control API: JSON over HTTP on the state folder's socket, for the command line. What it
 * carries out is handed in as `Controls`. A GET changes nothing.
 *
 *   GET  /api/status                       GET  /api/runs?job=JOB&limit=N
 *   POST /api/jobs/JOB/enqueue             GET  /api/runs/RUN/outcome   answers when the run has ended
 *   POST /api/jobs/JOB/pause               GET  /api/runs/RUN/log?follow=1   lines of JSON
 *   POST /api/jobs/JOB/resume              POST /api/runs/RUN/rerun
 *   GET  /healthz, /readyz                 POST /api/runs/RUN/cancel
 *
 * Neither side of a socket has a time-out: the kernel ends it when a process dies. So an answer may
 * take hours, and whoever hangs up aborts the signal of what was asked.
 */
import type { Server } from 'node:http';
import { createAdaptorServer, type HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { asFerryError, FerryError } from '../../core/errors.js';
import { namePattern } from '../../core/job.js';
import { type Controls, noSuchJob, noSuchRun } from './controls.js';
import { listenPrivately } from './socket.js';
import { statusOf, toWire } from './wire-error.js';

type Asked = Context<{ Bindings: HttpBindings }>;
/** A signal that is aborted when whoever asks hangs up, or the daemon stops. */
type SignalOf = (asked: Asked) => AbortSignal;

export interface ControlServer {
  /** Takes the socket away, ends what is under way with `network` errors; a second call waits for the first. */
  close(): Promise<void>;
}

/** Milliseconds for the last answers to leave after `close`. */
const lastWords = 1000;
const defaultLimit = 20;
const mostRuns = 10_000;
/** What a run's id may be made of: no dot and no slash, since it names files. */
const runPattern = /^[A-Za-z0-9-]{1,64}$/;

/** Listens on STATE/control.sock, mode 0600. The caller holds the state folder's lock. Errors: `io`. */
export async function serveControl(state: string, controls: Controls): Promise<ControlServer> {
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
    for (const controller of open) controller.abort(stops());
    server.closeIdleConnections();
    const timer = setTimeout(() => server.closeAllConnections(), lastWords);
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

function stops(): FerryError {
  return new FerryError('network', 'the daemon stops', {
    hint: 'what it had acknowledged is in its queue; once it is back, `ferryline runs` tells of it',
  });
}

function controlApp(controls: Controls, signalOf: SignalOf): Hono<{ Bindings: HttpBindings }> {
  const app = new Hono<{ Bindings: HttpBindings }>();
  const failed = (asked: Asked, thrown: unknown) => {
    const body = toWire(thrown);
    return asked.json(body, statusOf(body));
  };
  app.onError((thrown, asked) => failed(asked, thrown));
  app.notFound((asked) => {
    const what = `${asked.req.method} ${asked.req.path}`;
    const error = new FerryError('config', `this daemon does not know ${what}`, {
      hint: '`ferryline status` tells its version, `ferryline --version` that of the command',
    });
    return asked.json(toWire(error), 404);
  });

  app.get('/healthz', (asked) => asked.json({ alive: true }));
  app.get('/readyz', async (asked) => {
    const { queue } = await controls.status();
    return asked.json({ queue }, queue.state === 'up' ? 200 : 503);
  });

  app.get('/api/status', async (asked) => asked.json(await controls.status()));
  app.post('/api/jobs/:job/enqueue', async (asked) =>
    asked.json(await controls.enqueue(jobOf(asked.req.param('job')))),
  );
  app.post('/api/jobs/:job/pause', async (asked) => {
    await controls.pause(jobOf(asked.req.param('job')));
    return asked.json({});
  });
  app.post('/api/jobs/:job/resume', async (asked) => {
    await controls.resume(jobOf(asked.req.param('job')));
    return asked.json({});
  });

  app.get('/api/runs', async (asked) => {
    const job = asked.req.query('job');
    const limit = limitOf(asked.req.query('limit'));
    return asked.json(await controls.runs(job === undefined ? undefined : jobOf(job), limit));
  });
  app.post('/api/runs/:run/rerun', async (asked) =>
    asked.json(await controls.rerun(runOf(asked.req.param('run')))),
  );
  app.post('/api/runs/:run/cancel', async (asked) =>
    asked.json(await controls.cancel(runOf(asked.req.param('run')))),
  );
  app.get('/api/runs/:run/outcome', async (asked) => {
    const signal = signalOf(asked);
    try {
      return asked.json(await controls.outcome(runOf(asked.req.param('run')), signal));
    } catch (thrown) {
      return failed(asked, reasonOf(thrown, signal));
    }
  });
  app.get('/api/runs/:run/log', async (asked) => {
    const signal = signalOf(asked);
    const follow = asked.req.query('follow') === '1';
    const lines = controls.log(runOf(asked.req.param('run')), follow, signal);
    return answerInLines(lines[Symbol.asyncIterator](), signal);
  });
  return app;
}

/** Answers with lines as they come, no faster than they are read; an error among them is the last line. */
async function answerInLines(lines: AsyncIterator<string>, signal: AbortSignal): Promise<Response> {
  const encoder = new TextEncoder();
  // An error before the first line is an answer of its own.
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

/** What to tell of something that ended: why it was made to end, if it was. */
function reasonOf(thrown: unknown, signal: AbortSignal): FerryError {
  return asFerryError(signal.aborted ? signal.reason : thrown);
}

function jobOf(text: string): string {
  if (!namePattern.test(text)) throw noSuchJob(text);
  return text;
}

function runOf(text: string): string {
  if (!runPattern.test(text)) throw noSuchRun(text);
  return text;
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return defaultLimit;
  const limit = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= mostRuns) return limit;
  throw new FerryError('config', `limit takes a whole number from 1 to ${mostRuns}`);
}
