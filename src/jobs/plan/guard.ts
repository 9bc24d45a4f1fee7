/** The pure check that may refuse a plan. A refused plan is not carried out at all. */
import { FerryError } from '../../core/errors.js';
import type { DeleteRules } from '../../core/job.js';
import { count } from '../../core/text.js';
import type { Plan } from './plan.js';

/** What the guard must know beside the plan. */
export interface Facts {
  readonly sourceExists: boolean;
  /** Whether the path that `delete.require` names stands below the source's root; true when it names none. */
  readonly requirePresent: boolean;
}

/** The reason to refuse the plan, of kind `refused`; undefined when it may be carried out. */
export function guard(plan: Plan, rules: DeleteRules, facts: Facts): FerryError | undefined {
  const refuse = (message: string, hint: string) => new FerryError('refused', message, { hint });
  if (!facts.sourceExists)
    return refuse(
      `the source ${plan.from} does not exist`,
      'check the path, and that what should be mounted there is mounted; nothing was changed',
    );
  if (!facts.requirePresent)
    return refuse(
      `${rules.require} is not in the source ${plan.from}`,
      'it is named by `delete.require` as the sign that the source is really there; mount it, or make the file',
    );
  if (plan.operation !== 'mirror') return undefined;
  if (plan.sourceFiles === 0 && plan.destinationFiles > 0 && !rules.allowEmptySource)
    return refuse(
      `the source ${plan.from} holds no file in scope, while the destination ${plan.to} holds ${count(plan.destinationFiles, 'file')}`,
      'check that the source is mounted; `delete: { allowEmptySource: true }` (--allow-empty-source) says that it may be empty',
    );
  const files = deletedFiles(plan);
  const limit = deleteLimit(plan.destinationFiles, rules);
  if (files > limit.files)
    return refuse(
      `the plan deletes ${files} of ${count(plan.destinationFiles, 'file')} at ${plan.to}, more than ${limit.words} allows`,
      'look at the plan (`ferryline plan`); if it is right, run once with a higher --max-delete',
    );
  return undefined;
}

/** Files and links the plan deletes; folders don't count. */
export function deletedFiles(plan: Plan): number {
  return plan.deletes.reduce((n, { seen }) => (seen.kind === 'folder' ? n : n + 1), 0);
}

function deleteLimit(
  destinationFiles: number,
  { max }: DeleteRules,
): { readonly files: number; readonly words: string } {
  return 'count' in max
    ? { files: max.count, words: `delete.max (${max.count})` }
    : { files: (destinationFiles * max.percent) / 100, words: `delete.max (${max.percent} %)` };
}

/** Why none of a plan's deletions may be carried out, though the rest may; undefined when they may. */
export function withheld(plan: Plan): string | undefined {
  if (plan.failures.length > 0)
    return `${count(plan.failures.length, 'path')} could not be read or carried over`;
  if (plan.conflicts.length > 0) return count(plan.conflicts.length, 'conflict');
  return undefined;
}
