/** The flags that set job keys, and their values in the form of jobs.yml. jobs/config/schema.ts checks the values. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { FerryError } from '../core/errors.js';
import { present } from '../core/present.js';

/** As commander passes them: text, except for switches. */
export interface RuleFlags {
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly ignoreFile?: string;
  readonly compare?: string;
  readonly existing?: string;
  readonly maxDelete?: string;
  readonly trash?: string;
  readonly keep?: string;
  readonly require?: string;
  readonly allowEmptySource?: boolean;
  readonly symlinks?: string;
  readonly modes?: string;
  readonly verify?: string;
  readonly fsync?: boolean;
  readonly after?: string;
  readonly bwlimit?: string;
  readonly timeout?: string;
  readonly minSize?: string;
  readonly maxSize?: string;
  readonly minAge?: string;
  readonly maxAge?: string;
}

export interface RunFlags extends RuleFlags {
  readonly dryRun?: boolean;
  readonly retries?: number;
}

export interface AdHocFlags extends RunFlags {
  readonly identity?: string;
  readonly port?: number;
}

const collect = (value: string, all: readonly string[] = []) => [...all, value];

/** Adds a flag for every job key that concerns a single run. */
export function addRuleFlags(command: Command): Command {
  return command
    .optionsGroup("Rules, which override the job's own:")
    .option(
      '--include <pattern>',
      'include only what matches (.gitignore syntax); repeatable',
      collect,
    )
    .option('--exclude <pattern>', 'exclude what matches; repeatable', collect)
    .option('--ignore-file <name>', 'name of files in the source that list more excludes')
    .option('--compare <how>', 'auto, mtime, size or checksum')
    .option('--existing <what>', 'replace, newer or keep')
    .option(
      '--max-delete <share|number>',
      'delete nothing if it would be more than this, such as 80%',
    )
    .option('--trash <folder>', 'move deleted files to this folder of the destination')
    .option('--keep <time>', 'keep the trash this long, such as 30d')
    .option('--require <path>', 'delete only if this exists below the source')
    .option('--allow-empty-source', 'delete even if the source is empty')
    .addOption(new Option('--no-allow-empty-source').hideHelp())
    .option('--symlinks <how>', 'skip, follow or preserve')
    .option('--modes <which>', 'source, server, or FILES,FOLDERS such as 0644,0755')
    .option('--verify <how>', 'size or checksum')
    .option('--fsync', 'flush every file to disk')
    .addOption(new Option('--no-fsync').hideHelp())
    .option('--after <what>', 'keep, delete or archive=FOLDER the copied source files')
    .option('--bwlimit <rate>', 'bandwidth limit, such as 5MiB/s')
    .option('--timeout <time>', 'time limit of a run, such as 2h')
    .option('--min-size <size>', 'exclude smaller files')
    .option('--max-size <size>', 'exclude larger files')
    .option('--min-age <time>', 'exclude files changed less than this long ago')
    .option('--max-age <time>', 'exclude files changed longer ago');
}

/** The flags as keys of jobs.yml; keys without a flag are absent. */
export function overridesFrom(flags: RuleFlags): Record<string, unknown> {
  return present({
    include: flags.include,
    exclude: flags.exclude,
    ignoreFile: flags.ignoreFile,
    compare: flags.compare,
    existing: flags.existing,
    delete: deleteFrom(flags),
    symlinks: flags.symlinks,
    modes: modesFrom(flags.modes),
    verify: flags.verify,
    fsync: flags.fsync,
    after: afterFrom(flags.after),
    bandwidth: flags.bwlimit,
    timeout: flags.timeout,
    minSize: flags.minSize,
    maxSize: flags.maxSize,
    minAge: flags.minAge,
    maxAge: flags.maxAge,
  });
}

function deleteFrom(flags: RuleFlags): Record<string, unknown> | undefined {
  const { maxDelete, trash, keep, require, allowEmptySource } = flags;
  const max = maxDelete !== undefined && /^\d+$/.test(maxDelete) ? Number(maxDelete) : maxDelete;
  const rules = present({ max, trash, keep, require, allowEmptySource });
  return Object.keys(rules).length === 0 ? undefined : rules;
}

function modesFrom(text: string | undefined): unknown {
  const pair = text?.split(',');
  return pair?.length === 2 ? { files: pair[0], folders: pair[1] } : text;
}

function afterFrom(text: string | undefined): unknown {
  return text?.startsWith('archive=') ? { archive: text.slice('archive='.length) } : text;
}

/** Parses a flag's whole number from `least` to `most`. Errors: `config`. */
export function wholeNumber(flag: string, least: number, most: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (number >= least && number <= most) return number;
    throw new FerryError('config', `${flag} takes a whole number from ${least} to ${most}`);
  };
}
