/** The pure check that may refuse a plan. A refused plan is not carried out at all. */
import { FerryError } from '../../core/errors.js';
import type { DeleteRules, FileLimit, Job } from '../../core/job.js';
import { count, grouped } from '../../core/text.js';
import type { Plan } from './plan.js';

/** The keys of a job that can refuse a plan. */
export type GuardRules = Pick<Job, 'delete' | 'replace'>;

/** What the guard needs to know in addition to the plan. */
export interface Facts {
  readonly sourceExists: boolean;
  /** The whole path of the source and the machine it is on, for people. */
  readonly sourceIs?: string;
  /** Whether the path named by `delete.require` exists below the source's root; true if none is named. */
  readonly requirePresent: boolean;
  /**
   * Set if this mirror may not delete at all: it has `never` succeeded against its destination, or
   * the mark of an earlier success is `gone` from there.
   */
  readonly firstContact?: 'never' | 'gone';
  /** The command that runs the job once with one more flag, such as `--delete-max 12`. */
  readonly commandWith: (flag: string) => string;
}

/** The reason to refuse the plan, an error of kind `refused`; undefined if the plan may be carried out. */
export function guard(plan: Plan, rules: GuardRules, facts: Facts): FerryError | undefined {
  if (!facts.sourceExists)
    return refusal(
      `the source ${plan.from} does not exist`,
      `check ${facts.sourceIs ?? 'the path'} and whether its file system is mounted; nothing was changed`,
    );
  const { require } = rules.delete;
  if (!facts.requirePresent)
    return refusal(
      `${require} is not in the source ${plan.from}`,
      '`delete.require` names it as proof that the source is really there; mount the source, or create that file',
    );
  return (
    (plan.operation === 'mirror' ? guardDeletions(plan, rules.delete, facts) : undefined) ??
    guardReplacements(plan, rules.replace, facts)
  );
}

/**
 * The same for a run limited to some folders. It deletes nothing, and knows nothing of the rest of the
 * destination, so only a number in `replace.max` can refuse it, not a share.
 */
export function guardFolders(
  plan: Plan,
  { replace }: GuardRules,
  facts: Pick<Facts, 'commandWith'>,
): FerryError | undefined {
  return replace !== undefined && 'count' in replace.max
    ? guardReplacements(plan, replace, facts)
    : undefined;
}

function refusal(message: string, hint: string): FerryError {
  return new FerryError('refused', message, { hint });
}

function guardDeletions(plan: Plan, rules: DeleteRules, facts: Facts): FerryError | undefined {
  if (plan.sourceFiles === 0 && plan.destinationFiles > 0 && !rules.allowEmptySource)
    return refusal(
      `the source ${plan.from} has no file in scope, while the destination ${plan.to} has ${count(plan.destinationFiles, 'file')}`,
      'check that the source is mounted; if it may be empty, set `delete: { allowEmptySource: true }` (--delete-allow-empty-source)',
    );
  const files = deletedFiles(plan);
  const yes = facts.commandWith(`--delete-max ${Math.max(files, 1)}`);
  if (facts.firstContact !== undefined && plan.deletes.length + plan.renames.length > 0)
    return refusal(
      `first contact: ${plan.to} is not known to be a copy of ${plan.from}, and the plan ${deletions(plan)} there; ${
        facts.firstContact === 'never'
          ? 'a mirror deletes nothing until it has once succeeded against its destination'
          : 'this job succeeded here before, but the mark it left is gone, so this may be another folder or disk'
      }`,
      `check that the destination is the right one and what would be deleted; if it is right, say yes once: \`${yes}\``,
    );
  const limit = deleteLimit(plan.destinationFiles, rules);
  if (files > limit.files)
    return refusal(
      `the plan deletes ${grouped(files)} of ${count(plan.destinationFiles, 'file')} at ${plan.to}, more than ${limit.words} allows`,
      `check the plan (\`ferryline plan\`); if it is right, run once with a higher limit: \`${yes}\``,
    );
  return undefined;
}

function guardReplacements(
  plan: Plan,
  rules: GuardRules['replace'],
  { commandWith }: Pick<Facts, 'commandWith'>,
): FerryError | undefined {
  if (rules === undefined) return undefined;
  const files = replacedFiles(plan);
  const limit = limitOf(rules.max, 'replace.max', plan.destinationFiles);
  if (files <= limit.files) return undefined;
  return refusal(
    `the plan overwrites ${grouped(files)} of ${count(plan.destinationFiles, 'file')} at ${plan.to}, more than ${limit.words} allows`,
    `check what changed at the source, and the plan (\`ferryline plan\`); if it is right, run once with a higher limit: \`${commandWith(`--replace-max ${files}`)}\``,
  );
}

/** `deletes 12 of 40 files`, or the folders if no file goes; or `renames 12 of 40 files` if nothing does. */
function deletions(plan: Plan): string {
  const files = deletedFiles(plan);
  const of = (n: number) => `${grouped(n)} of ${count(plan.destinationFiles, 'file')}`;
  if (files > 0) return `deletes ${of(files)}`;
  return plan.deletes.length > 0
    ? `deletes ${count(plan.deletes.length, 'folder')}`
    : `renames ${of(plan.renames.length)}`;
}

/** The number of files and links the plan deletes; folders do not count. */
export function deletedFiles(plan: Plan): number {
  return plan.deletes.reduce((n, { seen }) => (seen.kind === 'folder' ? n : n + 1), 0);
}

/** The number of existing files and links the plan overwrites with others of their kind; outside a mirror also of old ones that are aside and go, which no other limit counts. */
function replacedFiles(plan: Plan): number {
  const aside = plan.operation === 'mirror' ? 0 : deletedFiles(plan);
  const all = [...plan.renames, ...plan.copies];
  return all.reduce((n, { destination, movesOn }) => (destination && !movesOn ? n + 1 : n), aside);
}

/** The limit where a job sets none: this share, at least so many files, at most that share. */
const usualPercent = 10;
const usualFiles = 20;
const mostPercent = 50;

/** A limit in files, and in words for people. */
interface Limit {
  readonly files: number;
  readonly words: string;
}

function deleteLimit(destinationFiles: number, { max }: DeleteRules): Limit {
  if (max !== undefined) return limitOf(max, 'delete.max', destinationFiles);
  const share = (percent: number) => (destinationFiles * percent) / 100;
  return {
    files: Math.min(Math.max(share(usualPercent), usualFiles), share(mostPercent)),
    words: `the default of delete.max (${usualPercent} % or ${usualFiles} files, at most ${mostPercent} %)`,
  };
}

function limitOf(max: FileLimit, key: string, destinationFiles: number): Limit {
  return 'count' in max
    ? { files: max.count, words: `${key} (${max.count})` }
    : { files: (destinationFiles * max.percent) / 100, words: `${key} (${max.percent} %)` };
}

/** Why the plan's deletions must not be carried out, although the rest may; undefined if they may. */
export function withheld(plan: Plan): string | undefined {
  if (plan.failures.length > 0)
    return `${count(plan.failures.length, 'path')} could not be read or copied`;
  if (plan.conflicts.length > 0) return count(plan.conflicts.length, 'conflict');
  return undefined;
}
