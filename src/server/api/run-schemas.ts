/** Runs as the API shows them, and how they are made of the queue's views and of reports. */
import { z } from '@hono/zod-openapi';
import type { Report } from '../../core/events.js';
import { present } from '../../core/present.js';
import type { RunView } from '../../core/request.js';
import type { RunProgress } from '../../core/run-progress.js';

export const outcomes = ['succeeded', 'incomplete', 'failed', 'refused', 'cancelled'] as const;
export const triggers = ['schedule', 'watch', 'manual', 'catch-up', 'rescan'] as const;
const states = ['waiting', 'delayed', 'active', 'ended'] as const;

const files = z.object({
  copied: z.int(),
  attrs: z.int(),
  deleted: z.int(),
  unchanged: z.int(),
  skipped: z.int(),
  vanished: z.int().optional(),
  failed: z.int(),
});

const failureEnd = z.object({
  kind: z.string(),
  message: z.string(),
  hint: z.string().optional(),
  path: z.string().optional(),
});

const doneOf = z.object({ done: z.number(), total: z.number() });

const progress = z
  .object({
    phase: z.enum(['scan', 'transfer', 'delete', 'check']),
    scanned: z.int().openapi({ description: 'Entries compared so far' }),
    files: doneOf,
    bytes: doneOf,
    rate: z.number().optional().openapi({ description: 'Bytes a second, over the last seconds' }),
    secondsLeft: z.int().optional(),
    path: z.string().optional().openapi({
      description: 'The path that was done last; of a long one its end, after `…`',
    }),
  })
  .openapi('Progress', { description: 'How far it is, as its worker said in the last seconds' });

const time = (description: string) =>
  z
    .string()
    .optional()
    .openapi({ description: `${description}, ISO 8601, UTC` });

const run = {
  run: z.string(),
  job: z.string(),
  trigger: z.enum(triggers),
  state: z.enum(states),
  slot: time('The slot it was started for'),
  outcome: z.enum(outcomes).optional(),
  exitCode: z.int().optional(),
  startedAt: time('When its last attempt began'),
  endedAt: time('When it ended'),
  seconds: z.number().optional(),
  files: files.optional(),
  bytes: z.number().optional().openapi({ description: 'Bytes of the files copied' }),
  attempt: z.int().optional(),
  worker: z
    .string()
    .optional()
    .openapi({ description: 'The worker that ran it; its log is there' }),
  waitsFor: z.string().optional().openapi({
    description: '`window`, `job-NAME`, `remote-NAME` or `lock`: what keeps it from beginning',
  }),
  opensAt: time('When the window opens that it waits for'),
  progress: progress.optional(),
  by: z.string().optional().openapi({
    description: 'Who asked for it: `cli`, or the name of a token',
  }),
  dryRun: z.boolean().optional().openapi({ description: 'It planned, and changed nothing' }),
  approves: z.string().optional().openapi({
    description: 'The refused run whose plan it carried out, since somebody approved it',
  }),
  failures: z.int().optional().openapi({ description: 'How many paths were not done' }),
  error: failureEnd.optional(),
};

export const runItem = z.object(run).openapi('Run');

export const runDetail = z
  .object({
    ...run,
    operation: z.enum(['push', 'pull', 'mirror']).optional(),
    description: z.string().optional(),
    again: z.boolean().optional(),
    sessions: z.int().optional(),
    verified: z.enum(['checksum', 'size', 'none']).optional(),
    notGuaranteed: z.array(z.string()).optional(),
    targets: z
      .array(
        z.object({
          target: z.string(),
          outcome: z.enum(outcomes),
          exitCode: z.int(),
          seconds: z.number(),
          files,
          bytes: z.number(),
          failures: z.int(),
          error: failureEnd.optional(),
        }),
      )
      .optional(),
  })
  .openapi('RunDetail');

export const failureItem = z
  .object({
    path: z.string(),
    kind: z.string(),
    message: z.string(),
    target: z.string().optional(),
  })
  .openapi('Failure');

export type RunItem = z.infer<typeof runItem>;

export function itemOf(view: RunView): RunItem {
  const { run, job, trigger, slot, state, outcome, waitsFor, opensAt, report } = view;
  const progress = view.progress && progressOf(view.progress);
  const common = { run, job, trigger, state, ...present({ slot, waitsFor, opensAt, progress }) };
  return report === undefined
    ? { ...common, ...present({ outcome }) }
    : { ...common, ...endOf(report) };
}

/** Known fields alone: a worker of a later version may say more. */
function progressOf(state: RunProgress): z.infer<typeof progress> {
  const { phase, scanned, files, bytes, rate, secondsLeft, path } = state;
  return { phase, scanned, files, bytes, ...present({ rate, secondsLeft, path }) };
}

/** A run of which a report is kept. */
export function endedItem(report: Report): RunItem {
  const { run, job, trigger, slot } = report;
  return { run, job, trigger, state: 'ended', ...present({ slot }), ...endOf(report) };
}

function endOf(report: Report) {
  const { outcome, exitCode, startedAt, endedAt, seconds, bytes, attempt } = report;
  const { worker, by, dryRun, approves, error } = report;
  return {
    ...{ outcome, exitCode, startedAt, endedAt, seconds, files: filesOf(report), bytes, attempt },
    failures: report.failures.length + report.failuresOmitted,
    ...present({ worker, by, dryRun, approves, error: error && errorOf(error) }),
  };
}

export function detailOf(view: RunView): z.infer<typeof runDetail> {
  const { report } = view;
  if (report === undefined) return itemOf(view);
  const { operation, description, again, sessions, verified, notGuaranteed, targets } = report;
  return {
    ...itemOf(view),
    ...{ operation, sessions, verified },
    ...present({
      description,
      again,
      notGuaranteed: notGuaranteed && [...notGuaranteed],
      targets: targets?.map((end) => ({
        ...{ target: end.target, outcome: end.outcome, exitCode: end.exitCode },
        ...{ seconds: end.seconds, files: filesOf(end), bytes: end.bytes },
        failures: end.failures.length + end.failuresOmitted,
        ...present({ error: end.error && errorOf(end.error) }),
      })),
    }),
  };
}

/** Known fields alone: a report of a later version may have more. */
function filesOf({ files: counted }: Pick<Report, 'files'>): z.infer<typeof files> {
  const { copied, attrs, deleted, unchanged, skipped, vanished, failed } = counted;
  return { copied, attrs, deleted, unchanged, skipped, failed, ...present({ vanished }) };
}

function errorOf({ kind, message, hint, path }: NonNullable<Report['error']>) {
  return { kind, message, ...present({ hint, path }) };
}
