/** A daemon's `Controls` that a test writes: every call is recorded, and those not given are refused. */
import { FerryError } from '../../../src/core/errors.js';
import type { Report } from '../../../src/core/events.js';
import { keyOf } from '../../../src/core/pause.js';
import { Actions, type ActionsParts } from '../../../src/server/api/actions.js';
import type { ApiParts } from '../../../src/server/api/app.js';
import { LiveEvents } from '../../../src/server/api/live.js';
import type { Reads } from '../../../src/server/api/reads.js';
import { Sessions } from '../../../src/server/api/sessions.js';
import type { DaemonStatus, ServedControls } from '../../../src/server/control/controls.js';
import type { IncidentControls } from '../../../src/server/incident-controls.js';
import { RunTable } from '../../../src/state/run-table.js';

export interface GivenControls extends ServedControls {
  /** `enqueue nightly` … in the order they came. */
  readonly calls: readonly string[];
}

const again = 'job of ';

export function givenControls(given: Partial<ServedControls>): GivenControls {
  const calls: string[] = [];
  const called = <A extends readonly unknown[], R>(name: string, act?: (...args: A) => R) => {
    return (...args: A): R => {
      calls.push([name, ...args.filter((arg) => !(arg instanceof AbortSignal))].join(' '));
      if (act === undefined) throw new FerryError('refused', `${name} was not expected`);
      return act(...args);
    };
  };
  return {
    calls,
    queue: called('queue', given.queue),
    // A test that gives no `request` is asked by way of `enqueue` and `rerun`, as a client names them.
    request: (job, asked) => {
      const { request } = given;
      if (request !== undefined)
        return called(`request ${job} ${JSON.stringify(asked)}`, () => request(job, asked))();
      return job.startsWith(again)
        ? called('rerun', given.rerun)(job.slice(again.length))
        : called('enqueue', given.enqueue)(job);
    },
    jobToRerun: given.jobToRerun ?? (async (run) => `${again}${run}`),
    status: called('status', given.status),
    runs: called('runs', given.runs),
    view: called('view', given.view),
    next: called('next', given.next),
    enqueue: called('enqueue', given.enqueue),
    outcome: called('outcome', given.outcome),
    rerun: called('rerun', given.rerun),
    cancel: called('cancel', given.cancel),
    pause: (scope, details) =>
      called(`pause ${keyOf(scope)} ${JSON.stringify(details)}`, () =>
        (given.pause ?? unexpected('pause'))(scope, details),
      )(),
    resume: (scope, choices) =>
      called(`resume ${keyOf(scope)} ${JSON.stringify(choices)}`, () =>
        (given.resume ?? unexpected('resume'))(scope, choices),
      )(),
    // A test that gives no names calls runs by their ids.
    find: given.find ?? (async (name) => name),
    permit: called('permit', given.permit),
    log: called('log', given.log),
  };
}

/** What a daemon serves these controls with; defects that it would log are in `defects`. */
export function apiPartsOf(
  controls: ServedControls,
  defects: string[] = [],
  reads: Partial<Reads> = {},
  acting: Partial<ActionsParts> = {},
): ApiParts {
  const table = new RunTable();
  return {
    controls,
    reads: {
      jobs: () => new Map(),
      remotes: () => new Map(),
      isUp: () => true,
      unfinished: async () => [],
      find: async () => undefined,
      table: async () => table,
      report: async () => undefined,
      skipped: async () => [],
      part: async ({ from }) => ({ piece: { lines: [], next: from, more: false } }),
      progress: () => undefined,
      onProgress: () => () => {},
      ...reads,
    },
    actions: new Actions({
      controls,
      keys: { once: async (_, key, add) => ({ run: String(await add(key)), joined: false }) },
      refusedPlan: async () => unexpected('refusedPlan')(),
      audit: () => {},
      onUnrecorded: (what) => defects.push(`unrecorded: ${what}`),
      ...acting,
    }),
    live: new LiveEvents({ onProgress: () => () => {}, look: async () => new Map() }),
    incidents: givenIncidents(),
    sessions: new Sessions({ state: '/dev/null/none', onWarning: () => {} }),
    audit: async () => ({ lines: [] }),
    metrics: { type: () => 'text/plain', async *text() {} },
    version: '9.8.7',
    redact: (text) => text.replaceAll('hunter2', '***'),
    onDefect: (id, error) => defects.push(`${id} ${error.stack}`),
  };
}

function unexpected(name: string): () => never {
  return () => {
    throw new FerryError('refused', `${name} was not expected`);
  };
}

export function statusOf(change: Partial<DaemonStatus> = {}): DaemonStatus {
  return {
    pid: 4711,
    version: '9.8.7',
    startedAt: '2026-11-24T02:00:00.000Z',
    roles: ['scheduler', 'watcher', 'worker', 'api'],
    queue: { kind: 'embedded', state: 'up' },
    config: { file: '/srv/jobs.yml', loadedAt: '2026-11-24T02:00:00.000Z' },
    jobs: [],
    ...change,
  };
}

export function reportOf(run: string, change: Partial<Report> = {}): Report {
  return {
    run,
    job: 'nightly',
    operation: 'mirror',
    trigger: 'manual',
    outcome: 'succeeded',
    exitCode: 0,
    startedAt: '2026-11-24T02:00:00.000Z',
    endedAt: '2026-11-24T02:00:04.200Z',
    seconds: 4.2,
    files: { copied: 12, attrs: 0, deleted: 2, unchanged: 4988, skipped: 0, failed: 0 },
    bytes: 3_565_158,
    sessions: 1,
    attempt: 1,
    verified: 'size',
    failures: [],
    failuresOmitted: 0,
    ...change,
  };
}

/** Resolves when a signal is aborted, with its reason. */
export function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(signal.reason);
    else signal.addEventListener('abort', () => resolve(signal.reason), { once: true });
  });
}

/** A promise and the function that resolves it. */
export function promised<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** Nothing is known, and what is asked for is refused. */
function givenIncidents(): IncidentControls {
  return {
    incidents: async () => [],
    incident: unexpected('incident'),
    acknowledge: unexpected('acknowledge'),
    silences: async () => [],
    silence: unexpected('silence'),
    endSilence: unexpected('endSilence'),
    messages: async () => [],
    sendAgain: unexpected('sendAgain'),
    test: unexpected('test'),
  };
}
