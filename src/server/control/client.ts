/**
 * The client's end of the control socket: a daemon's `Controls` for another process. Requests have no
 * time-out: the socket closes when the daemon ends. The daemon's end is server.ts.
 */
import { type IncomingMessage, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { FerryError } from '../../core/errors.js';
import type { Report } from '../../core/events.js';
import { present } from '../../core/present.js';
import type { RunView } from '../../core/request.js';
import { escapeText } from '../../core/text.js';
import { daemonOf } from '../../state/lock.js';
import { errorIn } from '../problem.js';
import {
  acknowledgedHint,
  type Controls,
  type DaemonStatus,
  type Enqueued,
  type NextSlots,
  noSuchJob,
  noSuchRun,
  type Resumed,
  type RunList,
} from './controls.js';
import type { PageAddress } from './open-routes.js';
import { pausePath } from './pause-routes.js';
import { type Reach, reachControlSocket } from './socket.js';

interface ControlRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: object;
  readonly signal?: AbortSignal;
}

/** What a command asks of a daemon, beside what the daemon's own parts ask of each other. */
export interface DaemonClient extends Controls {
  /** Reads of the API what is at `/api/v1/PATH`. */
  get<T>(path: string): Promise<T>;
  /** Posts to it. */
  send<T>(path: string, body?: object): Promise<T>;
  /** Two lines of JSON: the page's address with a code that opens it once, then whether that was used in time. */
  openPage(signal: AbortSignal): AsyncGenerator<PageAddress>;
}

/**
 * The daemon of a state folder. Each call rejects with the daemon's own error, with `network` if there
 * is no daemon (the hint names `startCommand`, which starts one) or if it ends before it answers, or
 * with the signal's reason.
 */
export function controlClient(state: string, startCommand: string): DaemonClient {
  const ask = async <T>(method: 'GET' | 'POST', path: string, signal?: AbortSignal) => {
    const request = { method, path, ...present({ signal }) };
    return (await readJson(await send(state, startCommand, request), signal)) as T;
  };
  const post = async <T>(path: string, body: object) =>
    (await readJson(await send(state, startCommand, { method: 'POST', path, body }))) as T;
  return {
    get: (path) => ask('GET', `/api/v1/${path}`),
    send: (path, body) =>
      body === undefined ? ask('POST', `/api/v1/${path}`) : post(`/api/v1/${path}`, body),
    status: () => ask<DaemonStatus>('GET', '/api/status'),
    runs(job, limit, idle) {
      const query = new URLSearchParams({ limit: String(limit) });
      if (job !== undefined) query.set('job', job);
      if (idle) query.set('idle', '1');
      return ask<RunList>('GET', `/api/runs?${query}`);
    },
    next(jobs, signal) {
      const query = new URLSearchParams(jobs.map((job): [string, string] => ['job', job]));
      return ask<NextSlots>('GET', `/api/next?${query}`, signal);
    },
    view: async (run) => ask<RunView>('GET', `${runPath(run)}/view`),
    find: async (name) => (await ask<{ run: string }>('GET', runPath(name))).run,
    enqueue: async (job) => ask<Enqueued>('POST', `${jobPath(job)}/enqueue`),
    outcome: async (run, signal) => ask<Report>('GET', `${runPath(run)}/outcome`, signal),
    rerun: async (run) => ask<Enqueued>('POST', `${runPath(run)}/rerun`),
    cancel: async (run) => ask('POST', `${runPath(run)}/cancel`),
    async pause(scope, { until, reason, by }) {
      const end = until === undefined ? undefined : new Date(until).toISOString();
      await post(`${pausePath(scope)}/pause`, present({ until: end, reason, by }));
    },
    resume: async (scope, choices) => post<Resumed>(`${pausePath(scope)}/resume`, choices),
    async *permit(name, count, signal) {
      const path = `/api/permits/${name}?count=${count}`;
      yield* readLines(await send(state, startCommand, { method: 'POST', path, signal }), signal);
    },
    async *openPage(signal) {
      const request = { method: 'POST', path: '/api/open', signal } as const;
      for await (const line of readLines(await send(state, startCommand, request), signal))
        yield JSON.parse(line);
    },
    async *log(run, follow, signal) {
      const path = `${runPath(run)}/log${follow ? '?follow=1' : ''}`;
      yield* readLines(await send(state, startCommand, { method: 'GET', path, signal }), signal);
    },
  };
}

const noDaemon = 'NODAEMON';

/** Whether an error of the client means that there is no daemon. */
export function saysNoDaemon(thrown: unknown): boolean {
  return thrown instanceof FerryError && thrown.code === noDaemon;
}

/** A name that could be part of another path is refused here; the daemon checks the rest. */
const plainName = /^[\w-][\w.-]*$/;

function jobPath(job: string): string {
  if (!plainName.test(job)) throw noSuchJob(job);
  return `/api/jobs/${job}`;
}

function runPath(run: string): string {
  if (!plainName.test(run)) throw noSuchRun(run);
  return `/api/runs/${run}`;
}

/** A daemon that has locked its folder but does not listen yet is given up after this time. */
const startWithinMs = 30_000;
const tryEveryMs = 100;

/**
 * Sends one request and resolves with the head of the response; an error response is thrown. Waits
 * for a daemon that is starting.
 */
async function send(
  state: string,
  startCommand: string,
  request: ControlRequest,
): Promise<IncomingMessage> {
  const until = performance.now() + startWithinMs;
  for (;;) {
    request.signal?.throwIfAborted();
    let reach: Reach | undefined;
    try {
      reach = await reachControlSocket(state);
      const response = await exchange(reach.path, request);
      if (response.statusCode === 200) return response;
      throw errorIn(await readJson(response)) ?? notOurDaemon();
    } catch (thrown) {
      request.signal?.throwIfAborted();
      if (thrown instanceof FerryError) throw thrown;
      const error = thrown as NodeJS.ErrnoException;
      const pid = nobodyListens(error) ? await daemonOf(state) : undefined;
      if (pid === undefined) throw connectionError(error, state, startCommand);
      if (performance.now() > until) throw notReady(pid);
      await sleep(tryEveryMs);
    } finally {
      await reach?.close();
    }
  }
}

function nobodyListens({ code }: NodeJS.ErrnoException): boolean {
  return code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTDIR';
}

function notReady(pid: string): FerryError {
  return new FerryError('network', `the daemon, process ${pid}, does not answer yet`, {
    hint: 'it is starting, or about to end; its log says what it waits for',
  });
}

function exchange(
  socketPath: string,
  { body, ...options }: ControlRequest,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    // `agent: false` makes a connection of its own, closed with the response
    const headers = {
      host: 'ferryline',
      ...(body !== undefined && { 'content-type': 'application/json' }),
    };
    request({ ...options, socketPath, agent: false, headers })
      .on('error', reject)
      .on('response', resolve)
      .end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function connectionError(
  error: NodeJS.ErrnoException,
  state: string,
  startCommand: string,
): FerryError {
  const { code } = error;
  const folder = escapeText(state);
  if (nobodyListens(error)) {
    return new FerryError('network', `no daemon runs with the state folder ${folder}`, {
      cause: error,
      code: noDaemon,
      hint: `\`${startCommand}\` starts one; FERRYLINE_STATE_DIR names the folder of another`,
    });
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new FerryError('network', `the daemon's socket in ${folder} belongs to another user`, {
      cause: error,
      code,
      hint: 'run this as the user the daemon runs as',
    });
  }
  return cutOff(error);
}

/** The daemon ended before its response was complete. */
function cutOff(error: NodeJS.ErrnoException): FerryError {
  return new FerryError('network', `the daemon ended before it answered (${error.message})`, {
    cause: error,
    hint: acknowledgedHint,
  });
}

function notOurDaemon(): FerryError {
  return new FerryError('network', "the answer on the daemon's socket is not from ferryline", {
    hint: 'are the command and the daemon of the same version?',
  });
}

async function readJson(response: IncomingMessage, signal?: AbortSignal): Promise<unknown> {
  let text = '';
  try {
    for await (const chunk of response.setEncoding('utf8')) text += chunk;
  } catch (thrown) {
    signal?.throwIfAborted();
    throw cutOff(thrown as NodeJS.ErrnoException);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw notOurDaemon();
  }
}

/** The lines of a response as they arrive. A line with an error ends them with that error. */
async function* readLines(response: IncomingMessage, signal: AbortSignal): AsyncGenerator<string> {
  let rest = '';
  try {
    for await (const chunk of response.setEncoding('utf8')) {
      const lines = `${rest}${chunk}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const error = line.startsWith('{"error":') ? errorIn(JSON.parse(line).error) : undefined;
        if (error !== undefined) throw error;
        yield line;
      }
    }
  } catch (thrown) {
    signal.throwIfAborted();
    throw thrown instanceof FerryError ? thrown : cutOff(thrown as NodeJS.ErrnoException);
  }
}
