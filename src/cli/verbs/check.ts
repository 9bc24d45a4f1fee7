/** `ferryline check JOB…`: compares the bytes of both sides and changes nothing. workers/run/check does it. */
import { randomBytes } from 'node:crypto';
import type { CheckReport, Sample } from '../../core/check.js';
import { Cancelled, FerryError, worstExitCode } from '../../core/errors.js';
import { partsOf } from '../../core/job.js';
import { present } from '../../core/present.js';
import { checkJob } from '../../workers/run/check/check-job.js';
import { limitProcess } from '../../workers/run/transfer/bandwidth.js';
import { readConfig } from '../config-file.js';
import type { Context } from '../context.js';
import { overridesFrom, type RuleFlags } from '../flags.js';
import { openPool } from '../run-jobs.js';
import { openRunPermits, type RunPermits } from '../run-permits.js';
import { isSelected, selectJobs } from '../select-jobs.js';
import { CheckReporter, checkedName, checksTable } from '../show/check-reporter.js';
import { lookAtState } from '../state.js';

export interface CheckFlags extends RuleFlags {
  readonly all?: boolean;
  readonly alone?: boolean;
  /** A share, such as `5%`. */
  readonly sample?: string;
  readonly seed?: string;
}

export async function check(
  names: readonly string[],
  flags: CheckFlags,
  context: Context,
): Promise<number> {
  const sample = sampleFrom(flags);
  const selection = { names, all: flags.all === true };
  const config = await readConfig(context, overridesFrom(flags), (job) =>
    isSelected(selection, job),
  );
  const parts = selectJobs(config, selection, 'check').flatMap(partsOf);
  const { output } = context;
  const signal = context.stopSignal();
  const pool = openPool(context);
  limitProcess(pool, config.bandwidth);
  let permits: RunPermits | undefined;
  const reports: CheckReport[] = [];
  try {
    if (flags.alone !== true) {
      const state = await lookAtState(context, config);
      // logins alone: a check takes no job's permit, since it changes nothing
      permits = await openRunPermits({ config, state, ofConfig: false, pool }, context);
    }
    for (const part of parts) {
      if (signal.aborted) break;
      const held = await permits?.hold(part, signal);
      const { name: job, target } = part;
      const reporter = new CheckReporter(output, checkedName({ job, ...present({ target }) }));
      try {
        const { emit } = reporter;
        reports.push(await checkJob(part, { emit, signal, pool, ...present({ sample }) }));
      } finally {
        reporter.end();
        await held?.release();
      }
    }
  } finally {
    await permits?.close();
    await pool.leave();
  }
  if (parts.length > 1 && !output.json) for (const line of checksTable(reports)) output.note(line);
  const codes = reports.map(({ exitCode }) => exitCode);
  if (signal.reason instanceof Cancelled) codes.push(signal.reason.exitCode);
  return worstExitCode(codes);
}

/** The sample that the flags ask for; a new seed unless one is given, so that each check reads other files. */
function sampleFrom({ sample, seed }: CheckFlags): Sample | undefined {
  if (sample === undefined) {
    if (seed === undefined) return undefined;
    throw new FerryError('config', '--seed belongs to --sample, which says how much is read', {
      hint: 'add, say, --sample 5%',
    });
  }
  const percent = /^\d{1,3}(\.\d+)?%$/.test(sample) ? Number(sample.slice(0, -1)) : Number.NaN;
  if (!(percent > 0 && percent <= 100))
    throw new FerryError(
      'config',
      '--sample takes a share of the files, more than 0% and up to 100%',
      {
        hint: 'such as --sample 5%',
      },
    );
  return { percent, seed: seed ?? randomBytes(4).toString('hex') };
}
