/** The pure check that may refuse a plan. A refused plan is not carried out at all. */
import { FerryError } from '../../core/errors.js';
import type { DeleteRules } from '../../core/job.js';
import { count } from '../../core/text.js';
import type { Plan } from './plan.js';

/** What the guard needs to know in addition to the plan. */
export interface Facts {
  readonly sourceExists: boolean;
  /** Whether the path named by `delete.require` exists below the source's root; true if none is named. */
  readonly requirePresent: boolean;
}

/** The reason to refuse the plan, an error of kind `refused`; undefined if the plan may be carried out. */
export function guard(plan: Plan, rules: DeleteRules, facts: Facts): FerryError | undefined {
  const refuse = (message: string, hint: string) => new FerryError('refused', message, { hint });
  if (!facts.sourceExists)
    return refuse(
      `the source ${plan.from} does not exist`,
      'check the path and whether its file system is mounted; nothing was changed',
    );
  if (!facts.requirePresent)
    return refuse(
      `${rules.require} is not in the source ${plan.from}`,
      '`delete.require` names it as proof that the source is really there; mount the source, or create that file',
    );
  if (plan.operation !== 'mirror') return undefined;
  if (plan.sourceFiles === 0 && plan.destinationFiles > 0 && !rules.allowEmptySource)
    return refuse(
      `the source ${plan.from} has no file in scope, while the destination ${plan.to} has ${count(plan.destinationFiles, 'file')}`,
      'check that the source is mounted; if it may be empty, set `delete: { allowEmptySource: true }` (--allow-empty-source)',
    );
  const files = deletedFiles(plan);
  const limit = deleteLimit(plan.destinationFiles, rules);
  if (files > limit.files)
    return refuse(
      `the plan deletes ${files} of ${count(plan.destinationFiles, 'file')} at ${plan.to}, more than ${limit.words} allows`,
      'check the plan (`ferryline plan`); if it is right, run once with a higher --max-delete',
    );
  return undefined;
}

/** The number of files and links the plan deletes; folders do not count. */
export function deletedFiles(plan: Plan): number {
  return plan.deletes.reduce((n, { seen }) => (seen.kind === 'folder' ? n : n + 1), 0);
}

/** The limit where a job sets none: this share, at least so many files, at most that share. */
const usualPercent = 10;
const usualFiles = 20;
const mostPercent = 50;

function deleteLimit(
  destinationFiles: number,
  { max }: DeleteRules,
): { readonly files: number; readonly words: string } {
  const share = (percent: number) => (destinationFiles * percent) / 100;
  if (max === undefined)
    return {
      files: Math.min(Math.max(share(usualPercent), usualFiles), share(mostPercent)),
      words: `the default of delete.max (${usualPercent} % or ${usualFiles} files, at most ${mostPercent} %)`,
    };
  return 'count' in max
    ? { files: max.count, words: `delete.max (${max.count})` }
    : { files: share(max.percent), words: `delete.max (${max.percent} %)` };
}

/** Why the plan's deletions must not be carried out, although the rest may; undefined if they may. */
export function withheld(plan: Plan): string | undefined {
  if (plan.failures.length > 0)
    return `${count(plan.failures.length, 'path')} could not be read or copied`;
  if (plan.conflicts.length > 0) return count(plan.conflicts.length, 'conflict');
  return undefined;
}
