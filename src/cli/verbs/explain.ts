/** `ferryline explain JOB PATH`: prints why a path is transferred or not. workers/run/explain-path.ts decides it. */
import { existsSync } from 'node:fs';
import type { Stat } from '../../core/entry.js';
import { type Job, partsOf } from '../../core/job.js';
import { present } from '../../core/present.js';
import { count, escapeText, formatBytes, terminalSafe } from '../../core/text.js';
import { type Explanation, explainPath } from '../../workers/run/explain-path.js';
import { jobNamed, readConfig } from '../config-file.js';
import type { Context } from '../context.js';
import { overridesFrom, type RuleFlags } from '../flags.js';
import { openPool } from '../run-jobs.js';
import { timeText } from '../show/time-text.js';
import { lookAtState } from '../state.js';
import { typedPath } from '../typed-path.js';

export async function explain(
  name: string,
  typed: string,
  flags: RuleFlags,
  context: Context,
): Promise<number> {
  const config = await readConfig(context, overridesFrom(flags), (job) => job === name);
  const job = jobNamed(config, name);
  const pool = openPool(context);
  try {
    const state = await lookAtState(context, config);
    for (const part of partsOf(job)) {
      const signal = context.stopSignal();
      const path = typedPath(part, typed, { cwd: context.environment.cwd, exists: existsSync });
      show(part, await explainPath(part, path, { pool, signal, state }), context);
    }
  } finally {
    await pool.leave();
  }
  return 0;
}

/** Prints what holds for one target. */
function show({ name, target }: Job, explanation: Explanation, { output }: Context): void {
  if (output.json) {
    const time = new Date().toISOString();
    output.record({ event: 'explain', time, job: name, ...present({ target }), ...explanation });
    return;
  }
  const where = target === undefined ? '' : `${escapeText(target)}: `;
  output.data(`${where}${escapeText(explanation.path)}: ${explanation.verdict}`);
  output.data(`  why          ${terminalSafe(explanation.reason)}`);
  const { rule } = explanation;
  if (rule !== undefined) {
    output.data(`  rule         ${escapeText(rule.pattern)}  (${terminalSafe(rule.where)})`);
  }
  for (const fact of explanation.learnt ?? []) output.data(`  learnt       ${terminalSafe(fact)}`);
  output.data(`  source       ${statText(explanation.source)}`);
  output.data(`  destination  ${statText(explanation.destination)}`);
}

/** `file, 12 KiB, 2026-01-31T02:00:00Z, 0644`. */
function statText(stat: Stat | undefined): string {
  if (stat === undefined) return 'does not exist';
  const facts: string[] = [stat.kind];
  if (stat.kind === 'file') {
    facts.push(
      stat.size === undefined
        ? 'size unknown'
        : stat.size < 1024
          ? formatBytes(stat.size)
          : `${formatBytes(stat.size)} (${count(stat.size, 'byte')})`,
    );
  }
  if (stat.mtime !== undefined) facts.push(timeText(stat.mtime));
  if (stat.mode !== undefined) facts.push(stat.mode.toString(8).padStart(4, '0'));
  return facts.join(', ');
}
