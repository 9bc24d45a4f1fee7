/** What jobs.yml may contain below `jobs`: every key of a job, its values and its default. */
import { z } from 'zod';
import {
  bandwidth,
  duration,
  hours,
  kinds,
  line,
  location,
  longestAge,
  longestWait,
  mode,
  name,
  oneOf,
  oneOrMore,
  patterns,
  schedule,
  section,
  shareOrCount,
  size,
  timezone,
  workerName,
} from './fields.js';
import { deleteRules, hookRules, trashRules } from './job-sections.js';
import { planned } from './planned.js';

const slowMessage = 'must be a number such as 3x, or a time with its unit, such as 2h';
const slowPattern = /^\d{1,4}(?:\.\d{1,3})?x$/;

const compare = ['auto', 'mtime', 'size', 'checksum'] as const;
const laterCompare = ['manifest'];

const jobShape = {
  description: line
    .optional()
    .describe('What the job is for, shown in status, reports and messages. Default: none.')
    .meta({ examples: ['Archive of the shop; on call: storage'] }),
  schedule: oneOrMore(schedule, 'a cron expression')
    .optional()
    .describe(
      'When to run: a cron expression of 5 fields, or 6 with seconds first, @daily and its kin, or a list of them. Default: no schedule.',
    )
    .meta({ examples: ['0 2 * * *'] }),
  timezone: timezone
    .optional()
    .describe("Time zone of the schedule, such as Europe/Berlin. Default: the system's.")
    .meta({ examples: ['Europe/Berlin'] }),
  catchUp: z
    .union(
      [
        z.enum(['none', 'latest', 'all']),
        section({
          slots: z
            .enum(['none', 'latest', 'all'])
            .optional()
            .describe('Which missed slots run: none, the latest, or all in order. Default: latest.')
            .meta({ default: 'latest', examples: ['all'] }),
          within: duration(longestAge)
            .optional()
            .describe(
              "How old a missed slot may be. Default: 24h or the schedule's period, whichever is shorter; 7d for all.",
            )
            .meta({ examples: ['12h'] }),
        }),
      ],
      { error: 'must be latest, all, none, or a map of slots and within' },
    )
    .optional()
    .describe(
      'Which slots to catch up on when they were missed because ferryline was not running. Default: latest.',
    )
    .meta({ default: 'latest', examples: ['none'] }),
  watch: z
    .union(
      [
        z.boolean(),
        section(
          {
            rescan: duration(longestWait)
              .optional()
              .describe(
                'How often a run scans the whole tree, in case the watch missed a change. Default: 15m.',
              )
              .meta({ default: '15m', examples: ['1h'] }),
            poll: duration(longestWait)
              .optional()
              .describe(
                'How often to scan for changes instead of using file system events. Default: events; on nfs, cifs and fuse, which have none, every 5s.',
              )
              .meta({ examples: ['30s'] }),
          },
          'watch',
        ),
      ],
      { error: 'must be true, false, or a map of rescan and poll' },
    )
    .optional()
    .describe('Whether to run when something changes in a local `from`. Default: false.')
    .meta({ default: false, examples: [true] }),
  settle: duration(longestWait, true)
    .optional()
    .describe(
      'How long the size and mtime of a file must stay the same before it is copied; 0s: copy at once. Watched jobs only. Default: 2s.',
    )
    .meta({ examples: ['10s'] }),
  worker: workerName
    .optional()
    .describe(
      'Name of the workers that may take the job (ferryline start --worker NAME). Default: any worker.',
    )
    .meta({ examples: ['web-1'] }),
  retry: section({
    attempts: z
      .int()
      .min(1)
      .max(1000)
      .optional()
      .describe('Most attempts, including the first. Default: 5.')
      .meta({ default: 5, examples: [3] }),
    backoff: duration(longestWait, true)
      .optional()
      .describe('Wait before the second attempt; it doubles each time. Default: 10s.')
      .meta({ default: '10s', examples: ['30s'] }),
    maxBackoff: duration(longestWait, true)
      .optional()
      .describe('Longest wait between two attempts. Default: 10m.')
      .meta({ default: '10m', examples: ['1h'] }),
  })
    .optional()
    .describe(
      'How a run from the queue is retried when it fails. Default: 5 attempts, 10s to 10m apart.',
    )
    .meta({ examples: [{ attempts: 3, backoff: '30s' }] }),
  include: patterns
    .optional()
    .describe(
      'Patterns in .gitignore syntax; files that match none are out of scope. Default: everything is in scope.',
    )
    .meta({ examples: [['*.pdf', 'reports/']] }),
  exclude: patterns
    .optional()
    .describe(
      'Patterns in .gitignore syntax; what matches one is out of scope: never copied, replaced or deleted. Default: none.',
    )
    .meta({ examples: [['*.tmp', 'cache/']] }),
  ignoreFile: line
    .refine(
      (text) => !text.includes('/') && text !== '.' && text !== '..',
      'must be a file name without "/"',
    )
    .optional()
    .describe(
      'Name of files that list more exclude patterns for their folder, such as .ferryignore. Default: none.',
    )
    .meta({ examples: ['.ferryignore'] }),
  minSize: size
    .optional()
    .describe('Smaller files are out of scope, such as 1KiB. Default: no limit.')
    .meta({ examples: ['1KiB'] }),
  maxSize: size
    .optional()
    .describe('Larger files are out of scope, such as 2GiB. Default: no limit.')
    .meta({ examples: ['2GiB'] }),
  minAge: duration(longestAge, true)
    .optional()
    .describe(
      "Files changed less than this long before the run's start are out of scope, such as 5m. Default: no limit.",
    )
    .meta({ examples: ['5m'] }),
  maxAge: duration(longestAge, true)
    .optional()
    .describe(
      "Files changed more than this long before the run's start are out of scope, such as 7d. Default: no limit.",
    )
    .meta({ examples: ['7d'] }),
  compare: z
    .enum(compare, {
      error: (issue) =>
        laterCompare.includes(issue.input as string)
          ? `"${issue.input}" is not in this version; use one of ${compare.join(', ')}`
          : undefined,
    })
    .optional()
    .describe(
      'How to decide whether two files differ. mtime: size and mtime; auto: the same, but where the destination does not keep mtimes, only a newer source counts; size: size alone; checksum: contents. Default: auto.',
    )
    .meta({ default: 'auto', examples: ['checksum'] }),
  existing: oneOf('existing', ['overwrite', 'newer', 'skip'])
    .optional()
    .describe(
      'What to do with a different file at the destination. overwrite: overwrite it; newer: overwrite it only with a newer one; skip: leave it. Default: overwrite.',
    )
    .meta({ default: 'overwrite', examples: ['newer'] }),
  renames: oneOf('renames', ['follow'])
    .optional()
    .describe(
      'follow: a file that was renamed or moved at the source is renamed at the destination, not sent again. Needs a local source, whose file system records when a file was made, and knows the files that runs with this key have copied. Default: renamed files are sent again.',
    )
    .meta({ examples: ['follow'] }),
  live: patterns
    .optional()
    .describe(
      'Patterns of files that only grow, such as logs: one that grows while it is read is copied up to its size when it was opened, which is not a failure. Default: none.',
    )
    .meta({ examples: [['*.log']] }),
  delete: z
    .union([shareOrCount, deleteRules], {
      error: 'must be a share such as 20%, a number of files, false, or a map',
    })
    .optional()
    .describe(
      'What a mirror may delete; 20% is short for { max: 20% }, false deletes nothing. push and pull never delete, nor does a mirror before it has once succeeded at its destination. Default: 10 % or 20 files, whichever is more, and never over 50 %.',
    )
    .meta({ examples: ['20%', { max: 100, require: '.mounted' }] }),
  trash: z
    .union([z.boolean(), trashRules], { error: 'must be true, false, or a map of dir and keep' })
    .optional()
    .describe(
      'Whether deleted and overwritten files are moved to a folder at the destination, from which `ferryline restore` brings them back. Default: false.',
    )
    .meta({ default: false, examples: [true, { keep: '90d' }] }),
  replace: section({
    max: shareOrCount
      .describe(
        'The most existing files a run may overwrite, as a share of the files in scope at the destination or as a number; if more would be overwritten, nothing is done.',
      )
      .meta({ examples: ['50%'] }),
  })
    .optional()
    .describe('A limit on overwriting. Default: none.')
    .meta({ examples: [{ max: '50%' }] }),
  symlinks: oneOf('symlinks', ['skip', 'follow', 'preserve'])
    .optional()
    .describe(
      'What to do with symbolic links; links that leave the root are always skipped. Default: skip.',
    )
    .meta({ default: 'skip', examples: ['follow'] }),
  modes: z
    .union(
      [
        z.enum(['source', 'server']),
        section({
          files: mode
            .describe('Permission bits of files, in quotes: "0644".')
            .meta({ examples: ['0644'] }),
          folders: mode
            .describe('Permission bits of folders, in quotes: "0755".')
            .meta({ examples: ['0755'] }),
        }),
      ],
      { error: 'must be source, server, or a map of files and folders' },
    )
    .optional()
    .describe(
      "Permission bits of copies: the source's, those the server sets, or fixed ones. Default: source.",
    )
    .meta({ default: 'source', examples: ['server', { files: '0644', folders: '0755' }] }),
  verify: z
    .enum(['size', 'checksum'])
    .optional()
    .describe('How a copy is checked before it gets its final name. Default: size.')
    .meta({ default: 'size', examples: ['checksum'] }),
  fsync: z
    .boolean()
    .optional()
    .describe(
      'Whether every file is flushed to disk; on a server, where the server supports it. Default: false.',
    )
    .meta({ default: false, examples: [true] }),
  after: z
    .union(
      [
        z.enum(['keep', 'delete']),
        section({
          archive: location
            .describe('Folder to move the source file to, on the same side as `from`.')
            .meta({ examples: ['./sent'] }),
        }),
      ],
      { error: 'must be keep, delete, or { archive: FOLDER }' },
    )
    .optional()
    .describe(
      'What to do with a source file once its copy is checked; push and pull only. Default: keep.',
    )
    .meta({ default: 'keep', examples: ['delete', { archive: './sent' }] }),
  bandwidth: bandwidth
    .optional()
    .describe(
      "Bandwidth limit of this job, such as 5MiB/s or 20Mbit/s, or by hours. Default: the remote's limit.",
    )
    .meta({ examples: ['5MiB/s'] }),
  window: oneOrMore(hours, 'hours such as "22:00-06:00"')
    .optional()
    .describe(
      'Hours in which runs may start; a run that has not ended by then stops at a safe point, and the next one continues. Default: always.',
    )
    .meta({ examples: ['22:00-06:00'] }),
  timeout: duration(longestWait)
    .optional()
    .describe('Longest time a run may take, such as 2h. Default: no limit.')
    .meta({ examples: ['2h'] }),
  history: z
    .union([z.int().min(1).max(100_000), duration(longestAge)], {
      error: 'must be a time such as 90d, or a number of reports',
    })
    .optional()
    .describe(
      'Which run reports to keep: those of a period, such as 90d, or a number of them. Reports of runs that moved nothing do not replace others. Default: 500.',
    )
    .meta({ default: 500, examples: ['90d'] }),
  hooks: hookRules
    .optional()
    .describe(
      'Commands before and after a run, each a list of a program and its arguments. They run in the folder of jobs.yml; no shell reads them, and no file name is part of them. docs/hooks.md says what they get. Default: none.',
    )
    .meta({ examples: [{ success: ['./ok.sh'] }] }),
  last: planned('patterns of files that get their final names after all others.'),
  release: planned('publish into a new folder and switch a link to it.'),
  delta: planned('send only the changed parts of large files.'),
  manifestDir: planned('where the content hashes of compare: manifest are kept.'),
  back: planned("earlier days' folders of a dated `from`."),
  holidays: planned('the dates on which the schedule does not run.'),
  overdueAfter: planned('when files that wait for something are reported.'),
  doneFile: planned('a file that says that another one is complete.'),
  once: planned('copy each file only once, whatever happens to it at the destination.'),
  order: planned('in which order files are copied.'),
  reject: planned('where to move files that fail repeatedly.'),
  pgp: planned('encrypt, sign, decrypt and verify files.'),
  expect: planned('which files must arrive by when.'),
  temp: planned('how files are named while they are written.'),
  stale: duration(longestAge)
    .optional()
    .describe(
      'An incident is opened when the job has had no success for so long. Default: twice the longest gap of its schedule, at least 1h; never without one.',
    )
    .meta({ examples: ['26h'] }),
  slow: z
    .union([z.string().regex(slowPattern, slowMessage), duration(longestWait)], {
      error: slowMessage,
    })
    .optional()
    .describe(
      'An incident is opened while a run takes longer than this: a time, or so many times the median of the last 20 runs, once 5 are known, and at least a minute. Default: never.',
    )
    .meta({ examples: ['3x', '2h'] })
    .register(kinds, { words: 'a number such as 3x, or a time such as 2h' }),
  notify: z
    .union([z.boolean(), oneOrMore(name, 'the name of a channel')], {
      error: 'must be true, false, or a list of channels of "notify"',
    })
    .optional()
    .describe(
      'The channels that are notified about the job: their names, true for all, or false for none. Default: true.',
    )
    .meta({ default: true, examples: [['ops']] }),
};

export const job = section(
  {
    operation: oneOf('operation', ['push', 'pull', 'mirror'])
      .describe(
        'push: copy to a remote; pull: copy from a remote; mirror: make `to` equal to `from`, also deleting what `from` does not have.',
      )
      .meta({ examples: ['push'] }),
    from: location
      .describe(
        'Where files come from: a local path, REMOTE:path, or GROUP:path for each remote of a group.',
      )
      .meta({ examples: ['./data'] }),
    to: oneOrMore(location, 'a local path or REMOTE:path')
      .refine((to) => to.length > 0, 'must name at least one target')
      .describe(
        'Where files go: a local path, REMOTE:path, GROUP:path, or a list of them; {remote} in it is the name of the remote. Each target has its own plan, guard and outcome.',
      )
      .meta({ examples: ['archive:data', ['web1:www', 'web2:www']] }),
    ...jobShape,
  },
  'job',
);

/** Any job key except operation, from and to. */
export const jobDefaults = section(jobShape, 'job');

export type RawRules = z.infer<typeof jobDefaults>;
