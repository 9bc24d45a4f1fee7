/**
 * What jobs.yml may hold: every key, what it takes, its default, in words for people and editors.
 * Only forms are checked here; what depends on two places of the file is in checks.ts. Nothing is
 * converted: normalise.ts gives the values their units and defaults.
 */
import { z } from 'zod';
import { allowVariables } from './editor-schema.js';
import {
  age,
  duration,
  inner,
  line,
  location,
  mode,
  name,
  oneOrMore,
  patterns,
  queue,
  rate,
  schedule,
  section,
  shareOrCount,
  size,
  timer,
  timezone,
} from './fields.js';
import { remote } from './remote-schema.js';

/** Keys that are part of the design but that nothing in this version carries out: refused, never ignored. */
const notYet = {
  top: ['notify'],
  job: ['ready', 'temp', 'mark', 'hooks', 'release', 'notify'],
};

const compare = ['auto', 'mtime', 'size', 'checksum'] as const;
const laterCompare = ['once', 'manifest'];

const deleteRules = section({
  max: shareOrCount
    .optional()
    .describe(
      'The most a run may delete: a share of the files in scope at the destination, or a number of files; over it nothing is deleted. Default: 50%.',
    ),
  trash: inner
    .optional()
    .describe(
      'Folder below the destination to move deleted files to, as TRASH/RUN/path. Default: none, they are removed.',
    ),
  keep: duration(age)
    .optional()
    .describe('How long the trash is kept, such as 30d. Default: for ever.'),
  require: inner
    .optional()
    .describe('A path that must exist below the source, or nothing is deleted. Default: none.'),
  allowEmptySource: z
    .boolean()
    .optional()
    .describe('Whether an empty source may empty the destination. Default: false.'),
});

const jobShape = {
  schedule: oneOrMore(schedule, 'a cron expression')
    .optional()
    .describe(
      'When it starts: cron, 5 fields, or 6 with seconds first; or a list. Default: never by itself.',
    ),
  timezone: timezone
    .optional()
    .describe("The schedule's time zone, such as Europe/Berlin. Default: the system's."),
  missed: z
    .enum(['none', 'latest', 'all'])
    .optional()
    .describe('Which slots missed while nothing ran are made up for. Default: latest.'),
  missedWithin: duration(age)
    .optional()
    .describe(
      "How old a missed slot may be. Default: 24h or the schedule's period, whichever is shorter.",
    ),
  watch: z
    .union(
      [
        z.boolean(),
        section({
          settle: duration(timer, true)
            .optional()
            .describe('How long size and mtime must stand still. Default: 2s.'),
          rescan: duration(timer)
            .optional()
            .describe('How often everything is looked at. Default: 15m.'),
        }),
      ],
      { error: 'must be true, false, or a map of settle and rescan' },
    )
    .optional()
    .describe('Starts a run when something changes in a local `from`. Default: false.'),
  worker: name
    .optional()
    .describe('Only workers started with this name take the job. Default: any worker.'),
  retry: section({
    attempts: z
      .int()
      .min(1)
      .max(1000)
      .optional()
      .describe('Tries in all, the first one included. Default: 5.'),
    backoff: duration(timer, true)
      .optional()
      .describe('Wait before the second try; doubles each time. Default: 10s.'),
    maxBackoff: duration(timer, true)
      .optional()
      .describe('Longest wait between two tries. Default: 10m.'),
  })
    .optional()
    .describe('How a run from the queue is tried again when it fails.'),
  include: patterns
    .optional()
    .describe(
      'Patterns in the language of .gitignore; what matches none is out of scope. Default: everything.',
    ),
  exclude: patterns
    .optional()
    .describe(
      'Patterns in the language of .gitignore; what matches one is out of scope: never copied, replaced or deleted. Default: nothing.',
    ),
  ignoreFile: line
    .refine(
      (text) => !text.includes('/') && text !== '.' && text !== '..',
      'must be a file name without "/"',
    )
    .optional()
    .describe(
      'Name of files whose lines exclude, in every folder, such as .ferryignore. Default: none.',
    ),
  minSize: size
    .optional()
    .describe('Smaller files are out of scope, such as 1KiB. Default: no limit.'),
  maxSize: size
    .optional()
    .describe('Larger files are out of scope, such as 2GiB. Default: no limit.'),
  minAge: duration(age, true)
    .optional()
    .describe(
      "Files changed less than this before the run's start are out of scope, such as 5m. Default: no limit.",
    ),
  maxAge: duration(age, true)
    .optional()
    .describe(
      "Files changed longer than this before the run's start are out of scope, such as 7d. Default: no limit.",
    ),
  compare: z
    .enum(compare, {
      error: (issue) =>
        laterCompare.includes(issue.input as string)
          ? `"${issue.input}" is not supported yet; use one of ${compare.join(', ')}`
          : undefined,
    })
    .optional()
    .describe(
      'How two files are told apart. auto: size and mtime, as well as the server keeps them; checksum: their contents. Default: auto.',
    ),
  existing: z
    .enum(['replace', 'newer', 'keep'])
    .optional()
    .describe(
      'What becomes of a different file at the destination: replace it, replace it only by a newer one, keep it. Default: replace.',
    ),
  delete: deleteRules.optional().describe('What a mirror may delete. push and pull never delete.'),
  symlinks: z
    .enum(['skip', 'follow', 'preserve'])
    .optional()
    .describe(
      'What becomes of symbolic links; those out of the root are always skipped. Default: skip.',
    ),
  modes: z
    .union(
      [
        z.enum(['source', 'server']),
        section({
          files: mode.describe('Permission bits of files, in quotes: "0644".'),
          folders: mode.describe('Permission bits of folders, in quotes: "0755".'),
        }),
      ],
      { error: 'must be source, server, or a map of files and folders' },
    )
    .optional()
    .describe(
      "Permission bits: the source's, whatever the server gives, or fixed ones. Default: source.",
    ),
  verify: z
    .enum(['size', 'checksum'])
    .optional()
    .describe('How a copy is proven before it takes its final name. Default: size.'),
  fsync: z
    .boolean()
    .optional()
    .describe(
      'Whether every file is brought to the disk, also on a server that offers it. Default: false.',
    ),
  after: z
    .union(
      [
        z.enum(['keep', 'delete']),
        section({
          archive: location.describe('Folder on the side of `from` to move the source file to.'),
        }),
      ],
      { error: 'must be keep, delete, or { archive: FOLDER }' },
    )
    .optional()
    .describe(
      'What becomes of a source file once its copy is proven; push and pull only. Default: keep.',
    ),
  bandwidth: rate
    .optional()
    .describe("Most bytes a second for this job, such as 5MiB/s. Default: the remote's limit."),
  timeout: duration(timer)
    .optional()
    .describe('Longest time for a whole run, such as 2h. Default: none.'),
  history: z
    .int()
    .min(1)
    .max(100_000)
    .optional()
    .describe('How many run reports are kept. Default: 500.'),
};

const job = section(
  {
    operation: z
      .enum(['push', 'pull', 'mirror'])
      .describe(
        'push: to a remote; pull: from a remote; mirror: make `to` equal to `from`, deleting what is not there.',
      ),
    from: location.describe('Where files come from: a local path, or REMOTE:path.'),
    to: location.describe('Where files go: a local path, or REMOTE:path.'),
    ...jobShape,
  },
  notYet.job,
);

/** Any job key but operation, from and to. */
export const jobDefaults = section(jobShape, notYet.job);

export const config = section(
  {
    queue: queue
      .optional()
      .describe(
        'Where runs wait: embedded, redis://…, rediss://… or postgres://…; the variable FERRYLINE_QUEUE overrides it. Default: embedded.',
      ),
    remotes: z.record(name, remote).optional().describe('SFTP servers, by name.'),
    defaults: jobDefaults
      .optional()
      .describe(
        'Any job key but operation, from and to, for every job; maps merge, lists replace.',
      ),
    jobs: z.record(name, job).optional().describe('Jobs, by name.'),
  },
  notYet.top,
);

/** jobs.yml as written, once it has passed. */
export type RawConfig = z.infer<typeof config>;
export type RawRules = z.infer<typeof jobDefaults>;

/** The schema for editors (JSON Schema, draft 7), committed as jobs.schema.json. */
export function jsonSchema(): object {
  const { $schema, ...schema } = z.toJSONSchema(config, { io: 'input', target: 'draft-07' });
  return { $schema, title: 'ferryline jobs.yml', ...allowVariables(schema) };
}
