/** Emits a plan as events: its counts, and each action. */
import type { Emit } from '../../core/events.js';
import { differingFiles, type Plan } from '../../jobs/plan/plan.js';

export function emitPlan(plan: Plan, emit: Emit): void {
  emit({
    event: 'plan',
    job: plan.job,
    mkdirs: plan.mkdirs.length,
    copies: plan.copies.length,
    attrs: plan.putBacks.length + plan.attrs.length,
    renames: plan.renames.length,
    deletes: plan.deletes.length,
    conflicts: plan.conflicts.length,
    bytes: plan.bytes,
    mtimeOnly: differingFiles(plan).inTimeAlone,
    digest: plan.digest,
  });
}

/** Emits one `action` event for each action, in the order they are carried out. */
export function emitActions(plan: Plan, emit: Emit): void {
  for (const { path } of plan.putBacks)
    emit({ event: 'action', action: 'attrs', path, reason: 'put back' });
  for (const { path } of plan.mkdirs) emit({ event: 'action', action: 'mkdir', path });
  for (const { path, at } of plan.renames)
    emit({ event: 'action', action: 'rename', path, from: at });
  for (const copy of plan.copies)
    emit(
      copy.action === 'copy'
        ? {
            event: 'action',
            action: 'copy',
            path: copy.path,
            bytes: copy.source.size ?? 0,
            reason: copy.reason,
          }
        : { event: 'action', action: 'copy', path: copy.path, kind: 'link', bytes: 0 },
    );
  for (const { path } of plan.attrs) emit({ event: 'action', action: 'attrs', path });
  for (const { path, seen } of plan.deletes)
    emit({ event: 'action', action: 'delete', path, kind: seen.kind });
  for (const { path, message } of plan.conflicts)
    emit({ event: 'action', action: 'conflict', path, reason: message });
  for (const { path, message } of plan.failures)
    emit({ event: 'action', action: 'fail', path, reason: message });
  for (const { path, kind, message } of plan.skips)
    emit({ event: 'action', action: 'skip', path, kind, reason: message });
}
