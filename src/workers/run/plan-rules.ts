/** Derives the rules for comparing and planning from a job and its two sides. */
import type { Job } from '../../core/job.js';
import { present } from '../../core/present.js';
import type { Capabilities } from '../../endpoints/endpoint.js';
import type { PlanRules } from '../../jobs/plan/folder-types.js';

export function planRules(job: Job, from: Capabilities, to: Capabilities): PlanRules {
  return {
    operation: job.operation,
    deletes: job.operation === 'mirror' && job.delete.enabled,
    compare: job.compare,
    existing: job.existing,
    symlinks: job.symlinks,
    mtimePrecision: Math.max(from.mtimePrecision, to.mtimePrecision),
    ...present({ mtimeHabit: to.mtimeHabit }),
    keepsMtime: to.setStat !== 'none',
    clockOffset: to.clockOffset,
    listEqual: job.after.kind !== 'keep',
  };
}

/** The granularity of mtimes on the coarser side, as far as is known, seconds. */
export function precisionOf(from: Capabilities, to: Capabilities): number {
  const ofOne = ({ mtimePrecision, mtimeHabit }: Capabilities) =>
    Math.max(mtimePrecision, mtimeHabit?.step ?? 0);
  return Math.max(ofOne(from), ofOne(to));
}

/** Folders of the destination that are never in scope. */
export function reservedFolders({ trash }: Job): string[] {
  return trash === undefined ? [] : [trash.dir];
}
