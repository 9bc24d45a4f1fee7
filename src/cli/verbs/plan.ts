/** `ferryline plan JOB…`: prints the plans that `run` would carry out. */
import { FerryError, worstExitCode } from '../../core/errors.js';
import type { PlanEvent, Report } from '../../core/events.js';
import type { Config, Job } from '../../core/job.js';
import { newRunId } from '../../core/run-id.js';
import { queueInstallation } from '../../state/installation.js';
import type { RunContext } from '../../workers/run/run-job.js';
import { runTargets } from '../../workers/run/run-targets.js';
import { readConfig } from '../config-file.js';
import type { Context } from '../context.js';
import { deletionsApproved, overridesFrom, type RuleFlags } from '../flags.js';
import { openPool } from '../run-jobs.js';
import { type TargetPlan, writeSealed } from '../sealed-plan.js';
import { isSelected, selectJobs } from '../select-jobs.js';
import { Reporter } from '../show/reporter.js';
import { isEmptyPlan, plansTable } from '../show/summary.js';
import { lookAtState } from '../state.js';
import { typeAgain } from '../typed-command.js';

export interface PlanFlags extends RuleFlags {
  readonly all?: boolean;
  readonly exitCode?: boolean;
  /** The file for the sealed plan. */
  readonly out?: string;
}

/** Exit code of `--exit-code` if there is something to do. */
const notEmptyCode = 10;

interface Planned {
  readonly report: Report;
  /** The plan of the whole job, with the plans of its targets; undefined if none was made. */
  readonly event: PlanEvent | undefined;
  readonly plans: readonly TargetPlan[];
}

export async function plan(
  names: readonly string[],
  flags: PlanFlags,
  context: Context,
): Promise<number> {
  const overrides = overridesFrom(flags);
  const selection = { names, all: flags.all === true };
  const config = await readConfig(context, overrides, (job) => isSelected(selection, job));
  const jobs = selectJobs(config, selection, 'plan');
  if (flags.out !== undefined && jobs.length > 1)
    throw new FerryError('config', `--out takes one job, and these are ${jobs.length}`, {
      hint: 'seal the plan of each job in a file of its own',
    });
  const found = await planJobs(jobs, await lookAtState(context, config), overrides, context);
  const [first] = found;
  if (flags.out !== undefined && first !== undefined)
    await seal(flags.out, config, overrides, first);
  if (jobs.length > 1 && !context.output.json)
    for (const line of plansTable(found)) context.output.note(line);
  return worstExitCode(
    found.map(({ report: { exitCode }, event }) => {
      const isEmpty = event === undefined || isEmptyPlan(event);
      return exitCode === 0 && flags.exitCode === true && !isEmpty ? notEmptyCode : exitCode;
    }),
  );
}

/** Plans the jobs one after another; if one cannot be planned, the next ones still are. A signal stops them. */
async function planJobs(
  jobs: readonly Job[],
  state: string,
  overrides: Readonly<Record<string, unknown>>,
  context: Context,
): Promise<Planned[]> {
  const signal = context.stopSignal();
  const pool = openPool(context);
  const found: Planned[] = [];
  try {
    for (const job of jobs) {
      found.push(
        await planJob(job, {
          ...{ context, signal, state, pool },
          deletionsApproved: deletionsApproved(overrides),
          commandWith: (flag) => typeAgain(['run', job.name], context, flag),
        }),
      );
      if (signal.aborted) break;
    }
  } finally {
    await pool.leave();
  }
  return found;
}

async function planJob(
  job: Job,
  session: { context: Context } & Pick<
    RunContext,
    'signal' | 'state' | 'pool' | 'deletionsApproved' | 'commandWith'
  >,
): Promise<Planned> {
  const { context, ...shared } = session;
  const reporter = new Reporter(context.output, { job: job.name, plan: true, dryRun: true });
  let event: PlanEvent | undefined;
  const plans: TargetPlan[] = [];
  try {
    const report = await runTargets(job, {
      ...shared,
      run: newRunId(Date.now()),
      trigger: 'manual',
      attempt: 1,
      emit(given) {
        if (given.event === 'plan' && given.target === undefined) event = given;
        reporter.emit(given);
      },
      installation: await queueInstallation(shared.state),
      dryRun: true,
      deepPlan: true,
      onPlan: async (plan, refusal, target) => {
        plans.push({ target, plan, refused: refusal?.message ?? null });
      },
    });
    return { report, event, plans };
  } finally {
    reporter.end();
  }
}

/** Writes the sealed plan, unless a part of it could not be made. */
async function seal(
  file: string,
  { file: config }: Config,
  overrides: Record<string, unknown>,
  { report: { job, targets }, event, plans }: Planned,
): Promise<void> {
  if (event === undefined) return;
  const { digest } = event;
  const order = targets?.map(({ target }) => target) ?? [];
  const refusals = plans.flatMap(({ target, refused }) => {
    if (refused === null) return [];
    return target === undefined ? refused : `${target}: ${refused}`;
  });
  const refused = refusals.length === 0 ? null : refusals.join('; ');
  await writeSealed(
    file,
    { ferryline: 'plan/1', config, job, overrides, digest, refused },
    [...plans].sort((a, b) => order.indexOf(a.target ?? '') - order.indexOf(b.target ?? '')),
  );
}
