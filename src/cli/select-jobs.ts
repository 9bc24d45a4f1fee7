/** The jobs that a command is given: names, patterns such as `web-*`, or `--all`. */
import { FerryError } from '../core/errors.js';
import type { Config, Job } from '../core/job.js';
import { escapeText } from '../core/text.js';
import { didYouMean } from '../jobs/config/problems.js';
import { type Controls, unknownName } from '../server/control/controls.js';

/** What a command was given. */
export interface Selection {
  readonly names: readonly string[];
  readonly all: boolean;
}

/** Whether the selection takes a job of this name. */
export function isSelected({ names, all }: Selection, job: string): boolean {
  return all || names.some((name) => patternOf(name)?.test(job) ?? name === job);
}

/** The jobs of a configuration that were meant, each once. Errors: `config`, which lists the jobs. */
export function selectJobs(config: Config, selection: Selection, verb: string): Job[] {
  const { file, jobs } = config;
  const hint = jobList(jobs.keys());
  return selectNames([...jobs.keys()], selection, {
    verb,
    hint,
    unknown: (what, suggestion = '') =>
      new FerryError('config', `${what} in ${escapeText(file)}${suggestion}`, { hint }),
  }).flatMap((name) => jobs.get(name) ?? []);
}

/** The jobs of a daemon that were meant. One plain name is not looked up: the daemon answers it. */
export async function daemonJobs(
  controls: Pick<Controls, 'status'>,
  selection: Selection,
  verb: string,
): Promise<readonly string[]> {
  checkGiven(selection, verb, '`ferryline status` lists the jobs');
  const [name, ...more] = selection.names;
  if (name !== undefined && more.length === 0 && !selection.all && patternOf(name) === undefined)
    return [name];
  const known = (await controls.status()).jobs.map(({ job }) => job);
  const hint = known.length === 0 ? 'jobs.yml has no jobs' : `the jobs are ${known.join(', ')}`;
  return selectNames(known, selection, {
    verb,
    hint,
    unknown: (what, suggestion = '') =>
      new FerryError('config', `${what}${suggestion}`, { code: unknownName, hint }),
  });
}

/** The names that were meant, each once, in the order they were given. */
function selectNames(
  known: readonly string[],
  { names, all }: Selection,
  {
    verb,
    hint,
    unknown,
  }: {
    readonly verb: string;
    readonly hint: string;
    /** The error for a name or pattern that means no job. */
    readonly unknown: (what: string, suggestion?: string) => FerryError;
  },
): string[] {
  checkGiven({ names, all }, verb, hint);
  if (all && known.length === 0) throw unknown('there is no job');
  if (all) return [...known];
  // A wrong name is reported before anything is done.
  const found = names.flatMap((name) => {
    const pattern = patternOf(name);
    const meant = known.filter((job) => pattern?.test(job) ?? job === name);
    if (meant.length > 0) return meant;
    if (pattern !== undefined) throw unknown(`no job matches "${escapeText(name)}"`);
    throw unknown(`there is no job "${escapeText(name)}"`, didYouMean(name, known));
  });
  return [...new Set(found)];
}

/** Refuses what can mean no jobs at all, or two things. */
function checkGiven({ names, all }: Selection, verb: string, hint: string): void {
  if (all && names.length > 0)
    throw new FerryError('config', `${verb} takes either names or --all, not both`, { hint });
  if (all || names.length > 0) return;
  const message = `${verb} needs the name of a job, a pattern such as 'web-*', or --all`;
  throw new FerryError('config', message, { hint });
}

/** The hint `its jobs are a, b`. */
export function jobList(names: Iterable<string>): string {
  const all = [...names];
  return all.length === 0 ? 'it has no jobs' : `its jobs are ${all.join(', ')}`;
}

/** The pattern that a name with `*`, `?` or `[…]` is; undefined for a plain name. */
function patternOf(name: string): RegExp | undefined {
  if (!/[*?[]/.test(name)) return undefined;
  const text = name.replaceAll(/\[(!?)([^\]\\^]+)\]|[\s\S]/g, (part, not = '', set = '') => {
    if (set !== '') return `[${not === '' ? '' : '^'}${set}]`;
    if (part === '*') return '.*';
    return part === '?' ? '.' : part.replace(/[\\^$.+()|{}[\]/-]/, '\\$&');
  });
  try {
    return new RegExp(`^${text}$`);
  } catch {
    // such as a range that runs backwards: it matches nothing
    return /(?!)/;
  }
}
