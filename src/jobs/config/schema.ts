/**
 * What jobs.yml may contain: every key, its values and its default, described for people and editors.
 * Each value is checked by itself; checks.ts has the rules between keys, and normalise.ts converts
 * the values and fills in defaults.
 */
import { z } from 'zod';
import { allowVariables } from './editor-schema.js';
import {
  duration,
  inner,
  line,
  location,
  longestAge,
  longestWait,
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
  timezone,
} from './fields.js';
import { remote } from './remote-schema.js';

/** Keys planned for a later version: refused, never ignored. */
const laterKeys = {
  top: ['notify'],
  job: ['ready', 'temp', 'mark', 'hooks', 'release', 'notify'],
};

const compare = ['auto', 'mtime', 'size', 'checksum'] as const;
const laterCompare = ['once', 'manifest'];

const deleteRules = section({
  max: shareOrCount
    .optional()
    .describe(
      'The most files a run may delete, as a share of the files in scope at the destination or as a number; if more would be deleted, nothing is. Default: 50%.',
    ),
  trash: inner
    .optional()
    .describe(
      'Folder below the destination that deleted files are moved to, as TRASH/RUN/path. Default: none, files are removed for good.',
    ),
  keep: duration(longestAge)
    .optional()
    .describe('How long files stay in the trash, such as 30d. Default: for ever.'),
  require: inner
    .optional()
    .describe(
      'Path below the source that must exist; otherwise nothing is deleted. Default: none.',
    ),
  allowEmptySource: z
    .boolean()
    .optional()
    .describe('Whether files are deleted when the source is empty. Default: false.'),
});

const jobShape = {
  schedule: oneOrMore(schedule, 'a cron expression')
    .optional()
    .describe(
      'When to run: a cron expression of 5 fields, or 6 with seconds first, or a list of them. Default: no schedule.',
    ),
  timezone: timezone
    .optional()
    .describe("Time zone of the schedule, such as Europe/Berlin. Default: the system's."),
  missed: z
    .enum(['none', 'latest', 'all'])
    .optional()
    .describe(
      'Which slots to catch up on when they were missed because ferryline was not running: none, the latest or all. Default: latest.',
    ),
  missedWithin: duration(longestAge)
    .optional()
    .describe(
      "How long ago a slot may be to still be caught up on. Default: 24h or the schedule's period, whichever is shorter.",
    ),
  watch: z
    .union(
      [
        z.boolean(),
        section({
          settle: duration(longestWait, true)
            .optional()
            .describe(
              'How long the size and mtime of a file must stay the same before it is copied. Default: 2s.',
            ),
          rescan: duration(longestWait)
            .optional()
            .describe(
              'How often a run scans the whole tree, in case the watch missed a change. Default: 15m.',
            ),
        }),
      ],
      { error: 'must be true, false, or a map of settle and rescan' },
    )
    .optional()
    .describe('Whether to run when something changes in a local `from`. Default: false.'),
  worker: name
    .optional()
    .describe(
      'Name of the workers that may take the job (ferryline start --worker NAME). Default: any worker.',
    ),
  retry: section({
    attempts: z
      .int()
      .min(1)
      .max(1000)
      .optional()
      .describe('Most attempts, including the first. Default: 5.'),
    backoff: duration(longestWait, true)
      .optional()
      .describe('Wait before the second attempt; it doubles each time. Default: 10s.'),
    maxBackoff: duration(longestWait, true)
      .optional()
      .describe('Longest wait between two attempts. Default: 10m.'),
  })
    .optional()
    .describe('How a run from the queue is retried when it fails.'),
  include: patterns
    .optional()
    .describe(
      'Patterns in .gitignore syntax; files that match none are out of scope. Default: everything is in scope.',
    ),
  exclude: patterns
    .optional()
    .describe(
      'Patterns in .gitignore syntax; what matches one is out of scope: never copied, replaced or deleted. Default: none.',
    ),
  ignoreFile: line
    .refine(
      (text) => !text.includes('/') && text !== '.' && text !== '..',
      'must be a file name without "/"',
    )
    .optional()
    .describe(
      'Name of files that list more exclude patterns for their folder, such as .ferryignore. Default: none.',
    ),
  minSize: size
    .optional()
    .describe('Smaller files are out of scope, such as 1KiB. Default: no limit.'),
  maxSize: size
    .optional()
    .describe('Larger files are out of scope, such as 2GiB. Default: no limit.'),
  minAge: duration(longestAge, true)
    .optional()
    .describe(
      "Files changed less than this long before the run's start are out of scope, such as 5m. Default: no limit.",
    ),
  maxAge: duration(longestAge, true)
    .optional()
    .describe(
      "Files changed more than this long before the run's start are out of scope, such as 7d. Default: no limit.",
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
      'How to decide whether two files differ. mtime: size and mtime; auto: the same, but where the destination does not keep mtimes, only a newer source counts; size: size alone; checksum: contents. Default: auto.',
    ),
  existing: z
    .enum(['replace', 'newer', 'keep'])
    .optional()
    .describe(
      'What to do with a different file at the destination. replace: replace it; newer: replace it only with a newer one; keep: leave it. Default: replace.',
    ),
  delete: deleteRules.optional().describe('What a mirror may delete. push and pull never delete.'),
  symlinks: z
    .enum(['skip', 'follow', 'preserve'])
    .optional()
    .describe(
      'What to do with symbolic links; links that leave the root are always skipped. Default: skip.',
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
      "Permission bits of copies: the source's, those the server sets, or fixed ones. Default: source.",
    ),
  verify: z
    .enum(['size', 'checksum'])
    .optional()
    .describe('How a copy is checked before it gets its final name. Default: size.'),
  fsync: z
    .boolean()
    .optional()
    .describe(
      'Whether every file is flushed to disk; on a server, where the server supports it. Default: false.',
    ),
  after: z
    .union(
      [
        z.enum(['keep', 'delete']),
        section({
          archive: location.describe(
            'Folder to move the source file to, on the same side as `from`.',
          ),
        }),
      ],
      { error: 'must be keep, delete, or { archive: FOLDER }' },
    )
    .optional()
    .describe(
      'What to do with a source file once its copy is checked; push and pull only. Default: keep.',
    ),
  bandwidth: rate
    .optional()
    .describe("Bandwidth limit of this job, such as 5MiB/s. Default: the remote's limit."),
  timeout: duration(longestWait)
    .optional()
    .describe('Longest time a run may take, such as 2h. Default: no limit.'),
  history: z
    .int()
    .min(1)
    .max(100_000)
    .optional()
    .describe('How many run reports to keep. Default: 500.'),
};

const job = section(
  {
    operation: z
      .enum(['push', 'pull', 'mirror'])
      .describe(
        'push: copy to a remote; pull: copy from a remote; mirror: make `to` equal to `from`, also deleting what `from` does not have.',
      ),
    from: location.describe('Where files come from: a local path, or REMOTE:path.'),
    to: location.describe('Where files go: a local path, or REMOTE:path.'),
    ...jobShape,
  },
  laterKeys.job,
);

/** Any job key except operation, from and to. */
export const jobDefaults = section(jobShape, laterKeys.job);

export const config = section(
  {
    queue: queue
      .optional()
      .describe(
        'Where the queue of runs is stored: embedded, redis://…, rediss://… or postgres://…; the variable FERRYLINE_QUEUE overrides it. Default: embedded.',
      ),
    remotes: z.record(name, remote).optional().describe('SFTP servers, by name.'),
    defaults: jobDefaults
      .optional()
      .describe(
        'Job keys for every job, except operation, from and to. A job that sets the same key overrides it: maps merge, lists replace.',
      ),
    jobs: z.record(name, job).optional().describe('Jobs, by name.'),
  },
  laterKeys.top,
);

/** jobs.yml as written, after the check. */
export type RawConfig = z.infer<typeof config>;
export type RawRules = z.infer<typeof jobDefaults>;

/** The schema for editors (JSON Schema, draft 7), committed as jobs.schema.json. */
export function jsonSchema(): object {
  const { $schema, ...schema } = z.toJSONSchema(config, { io: 'input', target: 'draft-07' });
  return { $schema, title: 'ferryline jobs.yml', ...allowVariables(schema) };
}
