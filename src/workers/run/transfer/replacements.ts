/** Paths where the plan replaces one kind of entry by another; they are carried out last. */
import { parentOf } from '../../../core/entry.js';
import type { Plan } from '../../../jobs/plan/plan.js';

/** The paths the plan both deletes and makes again as another kind of entry, and what it makes below them. */
export function replacedPaths(plan: Plan): ReadonlySet<string> {
  const gone = new Set(plan.deletes.map(({ path }) => path));
  const made = [...plan.mkdirs, ...plan.copies].map(({ path }) => path);
  const replaced = new Set(made.filter((path) => gone.has(path)));
  return replaced.size === 0
    ? replaced
    : new Set([
        ...made.filter((path) => isUnder(path, replaced)),
        ...[...gone].filter((path) => replaced.has(path)),
      ]);
}

/** Whether a path is one of these folders or below one. */
export function isUnder(path: string, folders: ReadonlySet<string>): boolean {
  if (folders.size === 0) return false;
  for (let at = path; at !== ''; at = parentOf(at)) if (folders.has(at)) return true;
  return false;
}
