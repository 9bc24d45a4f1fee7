/** The flags that set job keys, and their values in the form of jobs.yml. jobs/config/schema.ts checks the values. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { FerryError } from '../core/errors.js';
import { present } from '../core/present.js';
import { answerOtherFlags } from './other-tools.js';

/** As commander passes them: text, except for switches. A flag that was not given is undefined. */
export interface RuleFlags {
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly ignoreFile?: string;
  readonly compare?: string;
  readonly existing?: string;
  readonly renames?: string | false;
  readonly live?: readonly string[];
  readonly deleteMax?: string;
  readonly maxDelete?: string;
  readonly deleteRequire?: string;
  readonly deleteAllowEmptySource?: boolean;
  readonly delete?: boolean;
  readonly trash?: boolean;
  readonly trashDir?: string;
  readonly trashKeep?: string;
  readonly replaceMax?: string;
  readonly symlinks?: string;
  readonly modes?: string;
  readonly verify?: string;
  readonly fsync?: boolean;
  readonly after?: string;
  readonly bandwidth?: string;
  readonly bwlimit?: string;
  readonly timeout?: string;
  readonly minSize?: string;
  readonly maxSize?: string;
  readonly minAge?: string;
  readonly maxAge?: string;
}

export interface RunFlags extends RuleFlags {
  readonly dryRun?: boolean;
  /** Most attempts, including the first. */
  readonly attempts?: number;
  /** Without the queue's permits. */
  readonly alone?: boolean;
}

/** How to reach an ssh host that is no remote of jobs.yml. */
export interface HostFlags {
  readonly identity?: string;
  readonly port?: number;
}

export interface AdHocFlags extends RunFlags, HostFlags {}

/** Verbs that take several jobs. */
export const jobsArgument = "names of jobs, or patterns such as 'web-*'";
export const allFlag = ['--all', 'all jobs of jobs.yml'] as const;

const collect = (value: string, all: readonly string[] = []) => [...all, value];

/** Adds a flag for every job key that concerns a single run. A flag is named for the path of its key. */
export function addRuleFlags(command: Command): Command {
  const group = command
    .optionsGroup("Rules, which override the job's own:")
    .option(
      '--include <pattern>',
      'include only what matches (.gitignore syntax); repeatable',
      collect,
    )
    .option('--exclude <pattern>', 'exclude what matches; repeatable', collect)
    .option('--ignore-file <name>', 'name of files in the source that list more excludes')
    .option('--compare <how>', 'auto, mtime, size or checksum')
    .option('--existing <what>', 'overwrite, newer or skip')
    .option('--renames <how>', 'follow: rename at the destination what was renamed at the source')
    .option('--live <pattern>', 'files that only grow, such as logs; repeatable', collect)
    .option('--delete-max <limit>', 'delete nothing if it would be more than this, such as 80%')
    .addOption(new Option('--max-delete <limit>', 'the same').hideHelp())
    .option('--delete-require <path>', 'delete only if this exists below the source')
    .option('--delete-allow-empty-source', 'delete even if the source is empty')
    .option('--no-delete', 'delete nothing')
    .option('--trash', 'keep deleted and overwritten files in a trash folder')
    .option('--trash-dir <folder>', 'the trash folder, below the destination')
    .option('--trash-keep <time>', 'keep the trash this long, such as 30d')
    .option('--no-trash', 'delete and overwrite for good')
    .option(
      '--replace-max <limit>',
      'do nothing if more than this would be overwritten, such as 50%',
    )
    .option('--symlinks <how>', 'skip, follow or preserve')
    .option('--modes <which>', 'source, server, or FILES,FOLDERS such as 0644,0755')
    .option('--verify <how>', 'size or checksum')
    .option('--fsync', 'flush every file to disk')
    .option('--after <what>', 'keep, delete or archive=FOLDER the copied source files')
    .option('--bandwidth <rate>', 'bandwidth limit, such as 5MiB/s or 20Mbit/s')
    .addOption(new Option('--bwlimit <rate>', 'the same').hideHelp())
    .option('--timeout <time>', 'time limit of a run, such as 2h')
    .option('--min-size <size>', 'exclude smaller files')
    .option('--max-size <size>', 'exclude larger files')
    .option('--min-age <time>', 'exclude files changed less than this long ago')
    .option('--max-age <time>', 'exclude files changed longer ago');
  for (const name of ['--no-delete-allow-empty-source', '--no-fsync', '--no-renames'])
    group.addOption(new Option(name).hideHelp());
  // commander sets a switch with only a negated form to true by default
  group.setOptionValue('delete', undefined);
  answerOtherFlags(command);
  return group;
}

/** The flags as keys of jobs.yml; keys without a flag are absent. */
export function overridesFrom(flags: RuleFlags): Record<string, unknown> {
  return present({
    include: flags.include,
    exclude: flags.exclude,
    ignoreFile: flags.ignoreFile,
    compare: flags.compare,
    existing: flags.existing,
    renames: flags.renames,
    live: flags.live,
    delete: deleteFrom(flags),
    trash: trashFrom(flags),
    replace: flags.replaceMax === undefined ? undefined : { max: limitFrom(flags.replaceMax) },
    symlinks: flags.symlinks,
    modes: modesFrom(flags.modes),
    verify: flags.verify,
    fsync: flags.fsync,
    after: afterFrom(flags.after),
    bandwidth: flags.bandwidth ?? flags.bwlimit,
    timeout: flags.timeout,
    minSize: flags.minSize,
    maxSize: flags.maxSize,
    minAge: flags.minAge,
    maxAge: flags.maxAge,
  });
}

/** Whether the limit of deletions is among keys that were typed: a yes to those of a first contact. */
export function deletionsApproved(overrides: Readonly<Record<string, unknown>>): boolean {
  const { delete: rules } = overrides;
  return typeof rules === 'object' && rules !== null && 'max' in rules;
}

function deleteFrom(flags: RuleFlags): Record<string, unknown> | false | undefined {
  if (flags.delete === false) return false;
  const limit = flags.deleteMax ?? flags.maxDelete;
  const rules = present({
    max: limit === undefined ? undefined : limitFrom(limit),
    require: flags.deleteRequire,
    allowEmptySource: flags.deleteAllowEmptySource,
  });
  return Object.keys(rules).length === 0 ? undefined : rules;
}

function trashFrom(flags: RuleFlags): Record<string, unknown> | boolean | undefined {
  const rules = present({ dir: flags.trashDir, keep: flags.trashKeep });
  return Object.keys(rules).length === 0 ? flags.trash : rules;
}

/** A number of files, or a share as text. */
function limitFrom(text: string): number | string {
  return /^\d+$/.test(text) ? Number(text) : text;
}

function modesFrom(text: string | undefined): unknown {
  const pair = text?.split(',');
  return pair?.length === 2 ? { files: pair[0], folders: pair[1] } : text;
}

function afterFrom(text: string | undefined): unknown {
  return text?.startsWith('archive=') ? { archive: text.slice('archive='.length) } : text;
}

export const aloneFlag = [
  '--alone',
  'without the queue, which keeps runs of a job apart and logins within maxSessions',
] as const;

/** Adds the flags of a run. */
export function addRunFlags(command: Command): Command {
  return command
    .option('-n, --dry-run', 'print what would be done, and change nothing')
    .option(...aloneFlag)
    .option(
      '--attempts <number>',
      'most attempts, including the first (default: 1)',
      wholeNumber('--attempts', 1, 1000),
    );
}

/** Adds the flags for an ssh host. */
export function addHostFlags(command: Command): Command {
  return command
    .option('-i, --identity <key>', 'private key file for the ssh host')
    .option('-P, --port <port>', 'port of the ssh host', wholeNumber('-P', 1, 65_535));
}

/** Parses a flag's whole number from `least` to `most`. Errors: `config`. */
export function wholeNumber(flag: string, least: number, most: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (number >= least && number <= most) return number;
    throw new FerryError('config', `${flag} takes a whole number from ${least} to ${most}`);
  };
}
