/** Emits a plan as events: its counts, and each action. */
import type { ActionEvent, Emit, PlanEvent } from '../../core/events.js';
import { differingFiles, type Plan } from '../../jobs/plan/plan.js';

export function emitPlan(plan: Plan, emit: Emit): void {
  emit(countsOf(plan));
}

/** What a plan would do, in numbers. */
export function countsOf(plan: Plan): PlanEvent {
  return {
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
  };
}

/** Emits one `action` event for each action, in the order they are carried out. */
export function emitActions(plan: Plan, emit: Emit): void {
  for (const one of actionsOf(plan)) emit(one);
}

/** One event for each action, in the order they are carried out. */
export function* actionsOf(plan: Plan): Generator<ActionEvent> {
  const event = 'action';
  for (const { path } of plan.putBacks) yield { event, action: 'attrs', path, reason: 'put back' };
  for (const { path } of plan.mkdirs) yield { event, action: 'mkdir', path };
  for (const { path, at } of plan.renames) yield { event, action: 'rename', path, from: at };
  for (const copy of plan.copies) {
    const { path } = copy;
    if (copy.action === 'link') yield { event, action: 'copy', path, kind: 'link', bytes: 0 };
    else {
      const { reason, source } = copy;
      yield { event, action: 'copy', path, bytes: source.size ?? 0, reason };
    }
  }
  for (const { path } of plan.attrs) yield { event, action: 'attrs', path };
  for (const { path, seen } of plan.deletes)
    yield { event, action: 'delete', path, kind: seen.kind };
  for (const { path, message } of plan.conflicts)
    yield { event, action: 'conflict', path, reason: message };
  for (const { path, message } of plan.failures)
    yield { event, action: 'fail', path, reason: message };
  for (const { path, kind, message } of plan.skips)
    yield { event, action: 'skip', path, kind, reason: message };
}
