/** `ferryline plan JOB`: prints the plan that `run` would carry out. */
import type { PlanEvent } from '../../core/events.js';
import type { Job } from '../../core/job.js';
import { newRunId } from '../../core/run-id.js';
import { type RunContext, runJob } from '../../workers/run/run-job.js';
import { jobNamed, readConfig } from '../config-file.js';
import type { Context } from '../context.js';
import { overridesFrom, type RuleFlags } from '../flags.js';
import { openPool } from '../run-jobs.js';
import { writeSealed } from '../sealed-plan.js';
import { Reporter } from '../show/reporter.js';
import { isEmptyPlan } from '../show/summary.js';
import { lookAtState } from '../state.js';

export interface PlanFlags extends RuleFlags {
  readonly exitCode?: boolean;
  /** The file for the sealed plan. */
  readonly out?: string;
}

/** Exit code of `--exit-code` if there is something to do. */
const notEmptyCode = 10;

export async function plan(name: string, flags: PlanFlags, context: Context): Promise<number> {
  const overrides = overridesFrom(flags);
  const config = await readConfig(context, overrides, [name]);
  const job = jobNamed(config, name);
  const state = await lookAtState(context, config);
  const { exitCode, found } = await planJob(job, state, context, async (made, refusal) => {
    if (flags.out === undefined) return;
    const refused = refusal?.message ?? null;
    const { digest } = made;
    await writeSealed(
      flags.out,
      { ferryline: 'plan/1', config: config.file, job: name, overrides, digest, refused },
      made,
    );
  });
  const empty = found === undefined || isEmptyPlan(found);
  return exitCode === 0 && flags.exitCode === true && !empty ? notEmptyCode : exitCode;
}

async function planJob(
  job: Job,
  state: string,
  context: Context,
  onPlan: NonNullable<RunContext['onPlan']>,
): Promise<{ exitCode: number; found: PlanEvent | undefined }> {
  const signal = context.stopSignal();
  const pool = openPool(context);
  const reporter = new Reporter(context.output, { job: job.name, plan: true, dryRun: true });
  let found: PlanEvent | undefined;
  try {
    const report = await runJob(job, {
      run: newRunId(Date.now()),
      trigger: 'manual',
      attempt: 1,
      emit(event) {
        if (event.event === 'plan') found = event;
        reporter.emit(event);
      },
      signal,
      pool,
      state,
      dryRun: true,
      deepPlan: true,
      onPlan,
    });
    return { exitCode: report.exitCode, found };
  } finally {
    reporter.end();
    await pool.leave();
  }
}
