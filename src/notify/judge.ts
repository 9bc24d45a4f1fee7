/**
 * What becomes of incidents when something happens: pure, and the same however often it is told. Each
 * function takes the incidents that matter and gives those that have changed.
 *
 *     run ended ─┐                                        owed.ts
 *     slot missed ├─▶ judge ─▶ incidents in the store ─▶ what a channel is owed ─▶ a message
 *     no success  │   this      store.ts                  clock, silences          deliver.ts
 *     …          ─┘
 */
import { createHash } from 'node:crypto';
import type { Report } from '../core/events.js';
import type { Cause, Incident, IncidentStep } from '../core/incident.js';
import { present } from '../core/present.js';

/** What happened. Moments are ms since the epoch. */
export type Happening =
  | {
      readonly what: 'run';
      readonly report: Report;
      /** What the job uses: names of remotes, those of its targets first. */
      readonly remote: string | undefined;
      /** The last success of the job, this run aside. */
      readonly lastSuccess: number | undefined;
    }
  | {
      readonly what: 'missed';
      readonly job: string;
      readonly slot: number;
      readonly count: number;
      readonly why: string;
    }
  | {
      readonly what: 'stale';
      readonly job: string;
      /** The last success, or when the job was first seen. */
      readonly since: number;
      readonly hasSucceeded: boolean;
      readonly message: string;
      readonly at: number;
    }
  | {
      readonly what: 'slow';
      readonly job: string;
      readonly run: string;
      readonly message: string;
      readonly at: number;
    }
  | {
      readonly what: 'system';
      /** `queue`, `worker/NAME`, `config`, `watch/JOB`, `delivery/CHANNEL`. */
      readonly subject: string;
      readonly message: string;
      readonly hint?: string;
      readonly at: number;
    }
  /** What a `system` incident was about is over. */
  | { readonly what: 'mended'; readonly subject: string; readonly at: number }
  /** The job is not in jobs.yml any more. */
  | { readonly what: 'removed'; readonly job: string; readonly at: number }
  | {
      readonly what: 'acknowledged';
      readonly incident: string;
      readonly by: string;
      readonly at: number;
    };

/** Failures that a message names. */
const mostFailures = 10;
const mostTimes = 20;
/** Steps that are kept; of more the first and the newest. */
const mostSteps = 60;

const failing: ReadonlySet<string> = new Set(['failed', 'incomplete', 'refused']);
/** What a success of the job ends. */
const endedBySuccess: ReadonlySet<Cause> = new Set([
  'failed',
  'incomplete',
  'refused',
  'missed',
  'stale',
]);

/** The incidents that change. `open`: those that are open; others may be among them, and stay as they are. */
export function judge(open: readonly Incident[], happening: Happening): Incident[] {
  const ours = open.filter(({ closedAt }) => closedAt === undefined);
  switch (happening.what) {
    case 'run':
      return judgeRun(ours, happening);
    case 'missed': {
      const { job, slot, count, why } = happening;
      const slots = count === 1 ? 'a slot' : `${count} slots`;
      const message = `${slots} made no run: ${why}`;
      return occurred(ours, { cause: 'missed', key: `missed.${job}`, job, message }, slot, slot);
    }
    case 'stale': {
      const { job, since, hasSucceeded, message, at } = happening;
      const key = `stale.${job}`;
      if (ours.some((one) => one.key === key)) return [];
      const lastSuccess = hasSucceeded ? since : undefined;
      const what = { cause: 'stale', key, job, message, ...present({ lastSuccess }) } as const;
      return occurred(ours, what, at, since);
    }
    case 'slow': {
      const { job, run, message, at } = happening;
      const key = `slow.${job}.${run}`;
      if (ours.some((one) => one.key === key)) return [];
      return occurred(ours, { cause: 'slow', key, job, run, message }, at, run);
    }
    case 'system': {
      const { subject, message, hint, at } = happening;
      const key = `system.${subject}`;
      if (ours.some((one) => one.key === key)) return [];
      return occurred(ours, { cause: 'system', key, message, ...present({ hint }) }, at, at);
    }
    case 'mended':
      return ours
        .filter(({ key }) => key === `system.${happening.subject}`)
        .map((one) => closed(one, happening.at, 'it is over'));
    case 'removed':
      return ours
        .filter(({ job }) => job === happening.job)
        .map((one) => closed(one, happening.at, 'the job is not in jobs.yml any more'));
    case 'acknowledged': {
      const { at, by } = happening;
      return ours
        .filter(({ id, acknowledged }) => id === happening.incident && acknowledged === undefined)
        .map((one) => ({
          ...one,
          acknowledged: { at, by },
          steps: withStep(one.steps, { at, step: 'acknowledged', by }),
        }));
    }
  }
}

function judgeRun(
  open: readonly Incident[],
  { report, remote, lastSuccess }: Extract<Happening, { what: 'run' }>,
): Incident[] {
  const { run, job, outcome } = report;
  const at = Date.parse(report.endedAt);
  const ofJob = open.filter((one) => one.job === job);
  const done = ofJob
    .filter((one) => one.key === `slow.${job}.${run}`)
    .map((one) => closed(one, at, `run ${run} has ended: ${outcome}`));
  // A dry run moves nothing, and the end of a window is no failure.
  if (report.dryRun === true || report.stoppedBy === 'window') return done;
  if (outcome === 'succeeded')
    return [
      ...done,
      ...ofJob
        .filter(({ cause, lastAt }) => endedBySuccess.has(cause) && at >= lastAt)
        .map((one) => closed(one, at, `run ${run} succeeded`)),
    ];
  // One by hand fails before the eyes of whoever typed it.
  if (!failing.has(outcome) || report.worker === undefined) return done;
  // Told late, and mended since.
  if (lastSuccess !== undefined && lastSuccess > at) return done;
  return [...done, ...occurred(open, ofFailure(report, remote, lastSuccess), at, run)];
}

type What = Pick<Incident, 'cause' | 'key' | 'message'> &
  Partial<Omit<Incident, 'id' | 'openedAt' | 'lastAt' | 'count' | 'times' | 'told' | 'steps'>>;

function ofFailure(
  report: Report,
  remote: string | undefined,
  lastSuccess: number | undefined,
): What {
  const { run, job, description, outcome, error, failures } = report;
  const kind = error?.kind ?? failures[0]?.kind ?? outcome;
  const cause = outcome as Cause;
  const shown = failures.slice(0, mostFailures).map(({ path, message }) => ({ path, message }));
  const omitted = report.failuresOmitted + failures.length - shown.length;
  const count = omitted + shown.length;
  const paths = `${count} ${count === 1 ? 'path was' : 'paths were'} not done`;
  return {
    ...{ cause, key: [outcome, job, kind, remote ?? ''].join('.'), job, kind, run },
    message: error?.message ?? (count > 0 ? paths : `the run ended ${outcome}`),
    ...present({ description, remote, hint: error?.hint, lastSuccess }),
    ...(shown.length > 0 && { failures: shown }),
    ...(omitted > 0 && { failuresOmitted: omitted }),
  };
}

/** The incident of a key, opened or continued. `fact` is what opened it: the same fact makes the same incident. */
function occurred(
  open: readonly Incident[],
  what: What,
  at: number,
  fact: string | number,
): Incident[] {
  const before = open.find(({ key }) => key === what.key);
  const { run } = what;
  if (before === undefined) {
    const step = { at, step: 'opened', ...present({ run }) } as const;
    const fresh = { openedAt: at, lastAt: at, count: 1, times: [at], told: {}, steps: [step] };
    return [{ id: idOf(what.key, fact), ...what, ...fresh }];
  }
  // The same again, as after a crash.
  if (before.times.includes(at) && before.run === run) return [];
  const { lastSuccess: _, ...news } = what;
  return [
    {
      ...withoutRun(before),
      ...news,
      lastAt: Math.max(at, before.lastAt),
      count: before.count + 1,
      times: [...before.times, at].slice(-mostTimes),
      steps: withStep(before.steps, { at, step: 'again', ...present({ run }) }),
    },
  ];
}

/** What belongs to a run of it, and not to the next one. */
function withoutRun(incident: Incident): Incident {
  const { hint: _h, failures: _f, failuresOmitted: _o, ...rest } = incident;
  return rest;
}

function closed(incident: Incident, at: number, why: string): Incident {
  const closedAt = Math.max(at, incident.openedAt);
  const steps = withStep(incident.steps, { at: closedAt, step: 'closed', why });
  return { ...incident, closedAt, closedBy: why, steps };
}

export function withStep(
  steps: readonly IncidentStep[],
  step: IncidentStep,
): readonly IncidentStep[] {
  const all = [...steps, step];
  return all.length <= mostSteps ? all : [...all.slice(0, 1), ...all.slice(1 - mostSteps)];
}

/** A letter first: the store takes no whole numbers as ids. */
function idOf(key: string, fact: string | number): string {
  const hash = createHash('sha256').update(`${key} ${fact}`).digest('hex');
  return `i${hash.slice(0, 9)}`;
}
