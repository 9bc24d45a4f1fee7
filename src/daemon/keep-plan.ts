/** Keeps the plan of a run beside its log, so that it can be looked at while the run goes on, and when it was refused. */
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { present } from '../core/present.js';
import { jsonLine } from '../core/text.js';
import type { Plan } from '../jobs/plan/plan.js';
import { runPlanPath } from '../observe/run-log-files.js';
import { removeFile } from '../state/remove-file.js';
import { actionsOf, countsOf } from '../workers/run/plan-events.js';

/** Actions of each kind that are kept; of the others only how many there were. */
const mostOfKind = 10_000;
/** Actions that are gone through without letting others work: some 2 ms. */
const actionsInTurn = 2000;

/** Keeps the plan of one target, or the whole of it. Never rejects. */
type KeepPlan = (plan: Plan, target: string | undefined) => Promise<void>;

export interface PlanKeeperOptions {
  readonly state: string;
  readonly redact: (text: string) => string;
  readonly onError: (error: Error) => void;
}

/** For one attempt of a run, which replaces what an earlier one kept. A plan that does nothing leaves no file: its numbers are in the log. */
export function planKeeper(
  run: string,
  attempt: number,
  { state, redact, onError }: PlanKeeperOptions,
): KeepPlan {
  const path = runPlanPath(state, run);
  let isFirst = true;
  let writing: Promise<void> = Promise.resolve();
  const write = async (lines: readonly string[]) => {
    const text = `${lines.join('\n')}\n`;
    if (isFirst) {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await writeFile(path, text, { mode: 0o600 });
    } else await appendFile(path, text, { mode: 0o600 });
    isFirst = false;
  };
  const keep = async (plan: Plan, target: string | undefined) => {
    const time = new Date().toISOString();
    const of = present({ target });
    let lines = [jsonLine({ ...countsOf(plan), time, ...of })];
    const counted = new Map<string, number>();
    let seen = 0;
    for (const { action, path: at, from, reason, ...more } of actionsOf(plan)) {
      if (++seen % actionsInTurn === 0) await setImmediate();
      const number = (counted.get(action) ?? 0) + 1;
      counted.set(action, number);
      if (number > mostOfKind) continue;
      const texts = present({ from: from && redact(from), reason: reason && redact(reason) });
      lines.push(jsonLine({ ...more, action, time, path: redact(at), ...texts, ...of }));
      if (lines.length < actionsInTurn) continue;
      await write(lines);
      lines = [];
    }
    for (const [action, number] of counted)
      if (number > mostOfKind)
        lines.push(jsonLine({ event: 'omitted', time, action, count: number - mostOfKind, ...of }));
    const does = [...counted.keys()].some((action) => action !== 'skip');
    if (does && lines.length > 0) await write(lines);
    else if (isFirst && attempt > 1) await removeFile(path);
  };
  return (plan, target) => {
    // Of targets that are planned at the same time, one is written after the other.
    writing = writing.then(() => keep(plan, target)).catch(onError);
    return writing;
  };
}
