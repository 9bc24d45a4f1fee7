/**
 * The caller's end of the control socket: a daemon's `Controls` for another process. Requests have no
 * time-out: the socket closes when the daemon ends. The daemon's end is server.ts.
 */
import { type IncomingMessage, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { FerryError } from '../../core/errors.js';
import type { Report } from '../../core/events.js';
import { escapeText } from '../../core/text.js';
import { daemonOf } from '../../state/lock.js';
import {
  type Controls,
  type DaemonStatus,
  type Enqueued,
  noSuchJob,
  noSuchRun,
  type RunList,
} from './controls.js';
import { type Reach, reachControlSocket } from './socket.js';
import { fromWire } from './wire-error.js';

interface Asking {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly signal?: AbortSignal;
}

/**
 * The daemon of a state folder. Each call rejects with the daemon's own error, with `network` when
 * there is no daemon (naming `startCommand`, which starts one) or when it ends before it answers, or
 * with the signal's reason.
 */
export function controlClient(state: string, startCommand: string): Controls {
  const ask = async <T>(method: 'GET' | 'POST', path: string, signal?: AbortSignal) => {
    const asking = { method, path, ...(signal === undefined ? {} : { signal }) };
    return (await readJson(await send(state, startCommand, asking), signal)) as T;
  };
  return {
    status: () => ask<DaemonStatus>('GET', '/api/status'),
    runs(job, limit) {
      const query = new URLSearchParams({ limit: String(limit) });
      if (job !== undefined) query.set('job', job);
      return ask<RunList>('GET', `/api/runs?${query}`);
    },
    enqueue: async (job) => ask<Enqueued>('POST', `${jobPath(job)}/enqueue`),
    outcome: async (run, signal) => ask<Report>('GET', `${runPath(run)}/outcome`, signal),
    rerun: async (run) => ask<Enqueued>('POST', `${runPath(run)}/rerun`),
    cancel: async (run) => ask('POST', `${runPath(run)}/cancel`),
    async pause(job) {
      await ask('POST', `${jobPath(job)}/pause`);
    },
    async resume(job) {
      await ask('POST', `${jobPath(job)}/resume`);
    },
    async *log(run, follow, signal) {
      const path = `${runPath(run)}/log${follow ? '?follow=1' : ''}`;
      yield* readLines(await send(state, startCommand, { method: 'GET', path, signal }), signal);
    },
  };
}

const noDaemon = 'NODAEMON';

/** Whether an error of the client says that there is no daemon. */
export function saysNoDaemon(thrown: unknown): boolean {
  return thrown instanceof FerryError && thrown.code === noDaemon;
}

/** A name that could mean another path is no name of ours; the daemon checks the rest. */
const plainName = /^[\w-][\w.-]*$/;

function jobPath(job: string): string {
  if (!plainName.test(job)) throw noSuchJob(job);
  return `/api/jobs/${job}`;
}

function runPath(run: string): string {
  if (!plainName.test(run)) throw noSuchRun(run);
  return `/api/runs/${run}`;
}

/** Milliseconds to wait for a daemon that has its folder but does not listen yet, and between two tries. */
const startTakes = 30_000;
const tryEvery = 100;

/**
 * Sends one request and resolves with the answer's head; an answer that is no success is thrown. A
 * daemon that is starting is waited for.
 */
async function send(state: string, start: string, asking: Asking): Promise<IncomingMessage> {
  const until = performance.now() + startTakes;
  for (;;) {
    asking.signal?.throwIfAborted();
    let reach: Reach | undefined;
    try {
      reach = await reachControlSocket(state);
      const response = await exchange(reach.path, asking);
      if (response.statusCode === 200) return response;
      throw fromWire(await readJson(response)) ?? strange();
    } catch (thrown) {
      asking.signal?.throwIfAborted();
      if (thrown instanceof FerryError) throw thrown;
      const error = thrown as NodeJS.ErrnoException;
      const pid = isSilence(error) ? await daemonOf(state) : undefined;
      if (pid === undefined) throw connectionError(error, state, start);
      if (performance.now() > until) throw notReady(pid);
      await sleep(tryEvery);
    } finally {
      await reach?.close();
    }
  }
}

/** Nobody listens. */
function isSilence({ code }: NodeJS.ErrnoException): boolean {
  return code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTDIR';
}

function notReady(pid: string): FerryError {
  return new FerryError('network', `the daemon, process ${pid}, does not answer yet`, {
    hint: 'it is starting, or about to end; its log tells what it waits for',
  });
}

function exchange(socketPath: string, asking: Asking): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    // `agent: false` gives it a connection of its own, closed with the answer.
    request({ ...asking, socketPath, agent: false, headers: { host: 'ferryline' } })
      .on('error', reject)
      .on('response', resolve)
      .end();
  });
}

function connectionError(error: NodeJS.ErrnoException, state: string, start: string): FerryError {
  const { code } = error;
  const place = { cause: error, ...(code === undefined ? {} : { code }) };
  const folder = escapeText(state);
  if (isSilence(error)) {
    return new FerryError('network', `no daemon runs with the state folder ${folder}`, {
      cause: error,
      code: noDaemon,
      hint: `\`${start}\` starts one; FERRYLINE_STATE_DIR names the folder of another`,
    });
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new FerryError('network', `the daemon's socket in ${folder} is another user's`, {
      ...place,
      hint: 'run this as the user the daemon runs as',
    });
  }
  return cut(error);
}

/** The daemon went away, or was ended, before its answer was whole. */
function cut(error: NodeJS.ErrnoException): FerryError {
  return new FerryError('network', `the daemon ended before it had answered (${error.message})`, {
    cause: error,
    hint: 'what it had acknowledged is in its queue; once it is back, `ferryline runs` tells of it',
  });
}

function strange(): FerryError {
  return new FerryError('network', "what answers on the daemon's socket is no ferryline daemon", {
    hint: 'are the command and the daemon of the same version?',
  });
}

async function readJson(response: IncomingMessage, signal?: AbortSignal): Promise<unknown> {
  let text = '';
  try {
    for await (const chunk of response.setEncoding('utf8')) text += chunk;
  } catch (thrown) {
    signal?.throwIfAborted();
    throw cut(thrown as NodeJS.ErrnoException);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw strange();
  }
}

/** The lines of an answer as they come. One that tells an error ends them with it. */
async function* readLines(response: IncomingMessage, signal: AbortSignal): AsyncGenerator<string> {
  let rest = '';
  try {
    for await (const chunk of response.setEncoding('utf8')) {
      const lines = `${rest}${chunk}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const error = line.startsWith('{"error":') ? fromWire(JSON.parse(line)) : undefined;
        if (error !== undefined) throw error;
        yield line;
      }
    }
  } catch (thrown) {
    signal.throwIfAborted();
    throw thrown instanceof FerryError ? thrown : cut(thrown as NodeJS.ErrnoException);
  }
}
