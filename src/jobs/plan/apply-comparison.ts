/** What follows from comparing a file of both sides, in the folder's plan or once their bytes were read. */
import type { Comparison } from './compare.js';
import { type FolderPlan, type PlanRules, snapshotOf, type Undecided } from './folder-types.js';

/** Adds the action that follows from comparing two files; `readAt` is when the reading of their bytes began, ms since the epoch. */
export function applyComparison(
  plan: Pick<FolderPlan, 'actions' | 'equal' | 'unchanged'>,
  { path, from, source, destination, rename }: Undecided,
  result: Comparison,
  rules: Pick<PlanRules, 'listEqual'>,
  readAt?: number,
): void {
  const change = {
    path,
    source: snapshotOf(source),
    destination: snapshotOf(destination),
    ...(rename === undefined ? {} : { rename }),
  };
  if (result.is === 'different')
    plan.actions.push({ action: 'copy', from, reason: result.reason, ...change });
  else if (result.is === 'attrs' || (result.is === 'equal' && rename !== undefined))
    plan.actions.push({ action: 'attrs', ...change });
  else {
    plan.unchanged++;
    if (rules.listEqual && result.is === 'equal')
      plan.equal.push({
        path,
        from,
        source: change.source,
        ...(readAt === undefined ? {} : { readAt }),
      });
  }
}
