/** `ferryline check JOB…`: compares the bytes of both sides and changes nothing. workers/run/check does it. */
import { randomBytes } from 'node:crypto';
import type { Sample } from '../../core/check.js';
import { Cancelled, FerryError, worstExitCode } from '../../core/errors.js';
import { present } from '../../core/present.js';
import { checkJob } from '../../workers/run/check/check-job.js';
import { jobList, jobNamed, readConfig } from '../config-file.js';
import type { Context } from '../context.js';
import { overridesFrom, type RuleFlags } from '../flags.js';
import { openPool } from '../run-jobs.js';
import { CheckReporter } from '../show/check-reporter.js';

export interface CheckFlags extends RuleFlags {
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
  const config = await readConfig(context, overridesFrom(flags), names);
  if (names.length === 0)
    throw new FerryError('config', 'check needs the name of a job', { hint: jobList(config) });
  const jobs = [...new Set(names)].map((name) => jobNamed(config, name));
  const signal = context.stopSignal();
  const pool = openPool(context);
  const codes: number[] = [];
  try {
    for (const job of jobs) {
      if (signal.aborted) break;
      const reporter = new CheckReporter(context.output, job.name);
      try {
        const { emit } = reporter;
        const report = await checkJob(job, { emit, signal, pool, ...present({ sample }) });
        codes.push(report.exitCode);
      } finally {
        reporter.end();
      }
    }
  } finally {
    await pool.leave();
  }
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
