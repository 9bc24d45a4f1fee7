/** The control API over a real socket. What it carries out is written in each test. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, statSync, watch, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ErrorKind, exitCodes, FerryError } from '../../../src/core/errors.js';
import { controlClient } from '../../../src/server/control/client.js';
import { noSuchJob, noSuchRun, type ServedControls } from '../../../src/server/control/controls.js';
import { type ControlServer, serveControl } from '../../../src/server/control/server.js';
import { reachControlSocket } from '../../../src/server/control/socket.js';
import {
  aborted,
  apiPartsOf,
  givenControls,
  promised,
  reportOf,
  statusOf,
} from '../../kit/daemons/controls.js';
import { temporaryFolder } from '../../kit/files/temporary.js';

let state: string;
let servers: ControlServer[];
let defects: string[];

beforeEach(async () => {
  state = await temporaryFolder();
  servers = [];
  defects = [];
});
afterEach(() => Promise.all(servers.map((server) => server.close())));

async function serve(given: Partial<ServedControls>, folder = state) {
  const controls = givenControls(given);
  const parts = { ...apiPartsOf(controls, defects), pageAddress: () => undefined };
  const server = await serveControl(folder, parts);
  servers.push(server);
  return { server, controls, client: clientOf(folder) };
}

const clientOf = (folder: string) => controlClient(folder, 'ferryline start');

/** A bare request, for what the client does not show. */
async function ask(method: string, path: string) {
  const { path: socketPath, close } = await reachControlSocket(state);
  const asking = request({ socketPath, method, path, agent: false }).end();
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  await close();
  return { status: response.statusCode, body: JSON.parse(await text(response)) };
}

const never = new AbortController().signal;

describe('the socket', () => {
  const socket = () => join(state, 'control.sock');

  test('is its owner’s only, from the moment it has its name', async () => {
    const seen: number[] = [];
    const watcher = watch(state, (_, name) => {
      if (name === 'control.sock' && existsSync(socket())) {
        seen.push(statSync(socket()).mode & 0o777);
      }
    });
    const before = process.umask(0);
    await serve({});
    process.umask(before);
    while (seen.length === 0) await once(watcher, 'change');
    watcher.close();
    expect(new Set(seen)).toEqual(new Set([0o600]));
    expect(statSync(socket()).isSocket()).toBe(true);
    expect(readdirSync(state)).toEqual(['control.sock']);
  });

  test('a dead daemon’s is replaced, even with one that was killed while it began', async () => {
    const script = `import { createServer } from 'node:net';
      createServer().listen(${JSON.stringify(socket())}, () => console.log('listens'));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(existsSync(socket())).toBe(true);
    mkdirSync(join(state, '.control.new'));
    writeFileSync(join(state, '.control.new', 'new'), '');
    const { client } = await serve({ status: async () => statusOf() });
    expect(await client.status()).toEqual(statusOf());
  });

  test('may have a path longer than a socket’s address', async () => {
    const deep = join(state, 'd'.repeat(120), 'e'.repeat(120));
    const { client, server } = await serve({ status: async () => statusOf() }, deep);
    expect(statSync(join(deep, 'control.sock')).mode & 0o777).toBe(0o600);
    expect(await client.status()).toEqual(statusOf());
    await server.close();
    expect(readdirSync(deep)).toEqual([]);
  });

  test('goes with the daemon; from then on there is none: network, with the command that starts it', async () => {
    const { client, server } = await serve({});
    await server.close();
    expect(readdirSync(state)).toEqual([]);
    await expect(client.status()).rejects.toMatchObject({
      kind: 'network',
      message: expect.stringContaining(state),
      hint: expect.stringContaining('`ferryline start`'),
    });
  });
});

describe('what is asked is handed on, and its answer back', () => {
  test('status, runs, enqueue, rerun, cancel, pause, resume', async () => {
    const runs = {
      runs: [{ run: 'r-1', job: 'a', trigger: 'manual', state: 'active' }] as const,
      skipped: [{ job: 'a', slot: '2026-11-24T02:00:00.000Z', why: 'it was paused' }],
    };
    const { client, controls } = await serve({
      status: async () => statusOf(),
      runs: async () => runs,
      view: async () => runs.runs[0],
      enqueue: async () => ({ run: 'r-2', joined: false }),
      rerun: async () => ({ run: 'r-3', joined: true }),
      cancel: async () => ({ was: 'active' }),
      pause: async () => {},
      resume: async () => ({ wasPaused: true, caughtUp: [] }),
    });
    expect(await client.status()).toEqual(statusOf());
    expect(await client.runs(undefined, 7, false)).toEqual(runs);
    expect(await client.runs('a.b', 10_000, true)).toEqual(runs);
    expect(await client.view('r-1')).toEqual(runs.runs[0]);
    expect(await client.enqueue('a_b.c-d')).toEqual({ run: 'r-2', joined: false });
    expect(await client.rerun('r-1')).toEqual({ run: 'r-3', joined: true });
    expect(await client.cancel('r-1')).toEqual({ was: 'active' });
    const by = 'ann@web-1';
    const until = Date.UTC(2026, 11, 1, 8);
    await client.pause({ scope: 'job', job: 'a' }, {});
    await client.pause({ scope: 'remote', remote: 'r' }, { until, reason: 'ü', by });
    await client.pause({ scope: 'all' }, { by });
    for (const scope of [{ scope: 'job', job: 'a' }, { scope: 'all' }] as const)
      expect(await client.resume(scope, { by, catchUp: true })).toEqual({
        wasPaused: true,
        caughtUp: [],
      });
    expect(controls.calls).toEqual([
      'status',
      'runs  7 false',
      'runs a.b 10000 true',
      'view r-1',
      'enqueue a_b.c-d',
      'rerun r-1',
      'cancel r-1',
      'pause a {}',
      `pause remote/r {"until":${until},"reason":"ü","by":"${by}"}`,
      `pause * {"by":"${by}"}`,
      `resume a {"by":"${by}","catchUp":true}`,
      `resume * {"by":"${by}","catchUp":true}`,
    ]);
  });

  test('a GET changes nothing', async () => {
    const { controls } = await serve({});
    for (const path of [
      'jobs/a/enqueue',
      'jobs/a/pause',
      'jobs/a/resume',
      'runs/r/cancel',
      'runs/r/rerun',
    ]) {
      expect((await ask('GET', `/api/${path}`)).status).toBe(405);
    }
    expect(controls.calls).toEqual([]);
  });

  test.each([
    ['GET', '/api/runs/..%2f..%2fetc%2fpasswd/log', 404],
    ['GET', '/api/runs/a.b/log', 404],
    ['POST', '/api/jobs/%2e%2e%2fx/enqueue', 404],
    ['POST', `/api/jobs/${'x'.repeat(65)}/enqueue`, 404],
    ['GET', '/api/runs?job=..', 404],
    ['GET', '/api/runs?limit=0', 400],
    ['GET', '/api/runs?limit=1e3', 400],
    ['GET', '/api/nothing', 404],
  ])('%s %s is refused before it is asked of anybody', async (method, path, status) => {
    const { controls } = await serve({});
    expect(await ask(method, path)).toMatchObject({
      status,
      body: { status, detail: expect.any(String), type: expect.stringMatching(/^urn:ferryline:/) },
    });
    expect(controls.calls).toEqual([]);
  });

  test.each(['..', '.', '', 'a/b', 'a?b'])('the client sends no name like "%s"', async (name) => {
    const { client, controls } = await serve({});
    await expect(client.pause({ scope: 'job', job: name }, {})).rejects.toMatchObject({
      kind: 'config',
    });
    await expect(client.cancel(name)).rejects.toMatchObject({ kind: 'config' });
    expect(controls.calls).toEqual([]);
  });

  test('/healthz while it lives, /readyz while the queue is up', async () => {
    let state: 'up' | 'down' = 'up';
    await serve({ queue: () => ({ kind: 'redis', state }) });
    expect((await ask('GET', '/healthz')).status).toBe(200);
    expect((await ask('GET', '/readyz')).status).toBe(200);
    state = 'down';
    expect((await ask('GET', '/healthz')).status).toBe(200);
    expect(await ask('GET', '/readyz')).toEqual({
      status: 503,
      body: { queue: { kind: 'redis', state: 'down' } },
    });
  });
});

describe('errors', () => {
  const statuses: Partial<Record<ErrorKind, number>> = {
    config: 400,
    busy: 409,
    refused: 409,
    network: 503,
    defect: 500,
  };

  test.each(Object.keys(exitCodes) as ErrorKind[])('%s arrives as it was', async (kind) => {
    const error = new FerryError(kind, 'what and why', { hint: 'next', path: 'a/ä', code: 'EX' });
    const { client } = await serve({
      pause: () => Promise.reject(error),
      async *log() {
        yield '{"event":"notice"}';
        throw error;
      },
    });
    const same = {
      name: 'FerryError',
      kind,
      message: 'what and why',
      hint: 'next',
      path: 'a/ä',
      code: 'EX',
    };
    await expect(client.pause({ scope: 'job', job: 'a' }, {})).rejects.toMatchObject(same);
    if (statuses[kind] !== undefined) {
      expect((await ask('POST', '/api/jobs/a/pause')).status).toBe(statuses[kind]);
    }
    // The head of a log is gone when it breaks.
    const lines: string[] = [];
    const read = async () => {
      for await (const line of client.log('r', false, never)) lines.push(line);
    };
    await expect(read()).rejects.toMatchObject(same);
    expect(lines).toEqual(['{"event":"notice"}']);
  });

  test('an unknown job or run is a 404', async () => {
    const { client } = await serve({
      pause: async () => {
        throw noSuchJob('a', ['x', 'y']);
      },
      // biome-ignore lint/correctness/useYield: the run is unknown before there is a line
      async *log(run) {
        throw noSuchRun(run);
      },
    });
    expect((await ask('POST', '/api/jobs/a/pause')).status).toBe(404);
    expect((await ask('GET', '/api/runs/r/log')).status).toBe(404);
    await expect(client.pause({ scope: 'job', job: 'a' }, {})).rejects.toMatchObject({
      kind: 'config',
      message: 'there is no job "a"',
      hint: 'the jobs are x, y',
    });
  });

  test('what is no error of ours is a defect: an id to find in the log, and no stack', async () => {
    await serve({
      pause: async () => {
        throw new TypeError('x is undefined');
      },
    });
    const { status, body } = await ask('POST', '/api/jobs/a/pause');
    expect({ status, body }).toMatchObject({
      status: 500,
      body: { kind: 'defect', detail: 'x is undefined' },
    });
    expect(JSON.stringify(body)).not.toContain('.ts');
    const id = /look for (\w{8})$/.exec(body.hint)?.[1];
    expect(defects).toEqual([expect.stringMatching(`^${id} TypeError: x is undefined\n`)]);
  });
});

describe('what takes its time', () => {
  test('outcome answers when the run ends', async () => {
    const run = promised<void>();
    const asked = promised<void>();
    const { client } = await serve({
      async outcome(id) {
        asked.resolve();
        await run.promise;
        return reportOf(id);
      },
    });
    const answer = client.outcome('r-1', never);
    await asked.promise;
    run.resolve();
    expect(await answer).toEqual(reportOf('r-1'));
  });

  test('a log is handed on line by line while it is written', async () => {
    const written = promised<void>();
    let ended = false;
    const { client, controls } = await serve({
      async *log() {
        yield '{"n":1}';
        await written.promise;
        yield `{"text":"${'ä€'.repeat(100_000)}"}`;
        yield '{"n":3}';
        ended = true;
      },
    });
    const lines = client.log('r', true, never)[Symbol.asyncIterator]();
    expect((await lines.next()).value).toBe('{"n":1}');
    written.resolve();
    expect((await lines.next()).value).toBe(`{"text":"${'ä€'.repeat(100_000)}"}`);
    expect((await lines.next()).value).toBe('{"n":3}');
    expect((await lines.next()).done).toBe(true);
    expect(ended).toBe(true);
    expect(controls.calls).toEqual(['log r true']);
  });

  test('a log without a line is empty', async () => {
    const { client } = await serve({ async *log() {} });
    const lines: string[] = [];
    for await (const line of client.log('r', false, never)) lines.push(line);
    expect(lines).toEqual([]);
  });

  test('a client that hangs up aborts the signal of outcome and of log, and rejects with its own reason', async () => {
    const seen = promised<AbortSignal>();
    const logged = promised<AbortSignal>();
    const unwound = promised<void>();
    const { client } = await serve({
      async outcome(_, signal) {
        seen.resolve(signal);
        throw await aborted(signal);
      },
      async *log(_run, _follow, signal) {
        logged.resolve(signal);
        try {
          yield '{}';
          await aborted(signal);
        } finally {
          unwound.resolve();
        }
      },
    });
    const reason = new Error('enough');
    const stop = new AbortController();
    const answer = client.outcome('r', stop.signal);
    const signal = await seen.promise;
    expect(signal.aborted).toBe(false);
    stop.abort(reason);
    await expect(answer).rejects.toBe(reason);
    await aborted(signal);

    const quit = new AbortController();
    const lines = client.log('r', true, quit.signal)[Symbol.asyncIterator]();
    await lines.next();
    const next = lines.next();
    quit.abort(reason);
    await expect(next).rejects.toBe(reason);
    await aborted(await logged.promise);
    await unwound.promise;
  });

  test('leaving a log in the middle hangs up', async () => {
    const logged = promised<AbortSignal>();
    const { client } = await serve({
      async *log(_run, _follow, signal) {
        logged.resolve(signal);
        yield '{}';
        await aborted(signal);
      },
    });
    for await (const _ of client.log('r', true, never)) break;
    await aborted(await logged.promise);
  });

  test('the daemon’s end ends them all with the reason', async () => {
    const asked = promised<void>();
    const { client, server } = await serve({
      async outcome(_, signal) {
        asked.resolve();
        throw await aborted(signal);
      },
      async *log(_run, _follow, signal) {
        yield '{}';
        throw await aborted(signal);
      },
    });
    const outcome = client.outcome('r', never);
    const lines = client.log('r', true, never)[Symbol.asyncIterator]();
    await lines.next();
    const next = lines.next();
    await asked.promise;
    const ends = [
      expect(outcome).rejects.toMatchObject({ kind: 'network', message: 'the daemon is stopping' }),
      expect(next).rejects.toMatchObject({ kind: 'network', message: 'the daemon is stopping' }),
    ];
    await server.close();
    await Promise.all(ends);
  });

  test('who does not heed the signal holds up no end', async () => {
    const asked = promised<void>();
    const { client, server } = await serve({
      outcome() {
        asked.resolve();
        return new Promise(() => {});
      },
    });
    const outcome = client.outcome('r', never);
    await asked.promise;
    const end = expect(outcome).rejects.toMatchObject({ kind: 'network' });
    await server.close();
    await end;
  });
});
