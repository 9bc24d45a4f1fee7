/** The jobs of jobs.yml: defaults, a job's own keys and those of the command line, laid over each other. */
import type { Operation } from '../../core/events.js';
import type { Job, Location } from '../../core/job.js';
import { checkRules, checkSides, type ReportProblem } from './checks.js';
import type { Documents } from './documents.js';
import { type LocationContext, parseLocation } from './location.js';
import { expand, type JobRules, mergeRules } from './merge.js';
import { normaliseAfter, normaliseRules } from './normalise.js';
import type { ConfigProblems, Path } from './problems.js';
import type { RawConfig } from './schema.js';
import { entriesOf } from './shapes.js';

export interface JobsContext extends LocationContext {
  /** Keys given on the command line for the job of this name. */
  readonly overridesOf: (job: string) => JobRules;
  /** Whether a path is in the file: a problem of a key that only `defaults` has is reported there. */
  readonly isInFile: Documents['has'];
  readonly problems: ConfigProblems;
  readonly warnings: string[];
}

/** The jobs without errors, by name. Errors found here are added to the problems, those of the schema are there already. */
export function loadJobs(raw: RawConfig, context: JobsContext): Map<string, Job> {
  const { problems, warnings } = context;
  const jobs = new Map<string, Job>();
  if (problems.under('defaults', 'jobs')) return jobs;
  for (const [name, keys] of entriesOf(raw.jobs)) {
    if (problems.under('jobs', name)) continue;
    const { operation, from, to, ...own } = keys;
    const overrides = context.overridesOf(name);
    const report = reportAtSource(name, overrides, context);
    const rules = mergeRules(mergeRules(expand(raw.defaults?.jobs ?? {}), expand(own)), overrides);
    const job = buildJob(
      {
        name,
        operation,
        from: locate(['from'], from, context, report),
        to: locate(['to'], to, context, report),
        rules,
      },
      context,
      report,
    );
    if (job !== undefined) jobs.set(name, job);
    if (own.delete !== undefined && operation !== 'mirror') {
      warnings.push(`job ${name}: "delete" has no effect on a ${operation}, which never deletes`);
    }
  }
  return jobs;
}

/** Reports a problem where the key was written: on the command line, in `defaults`, or in the job. */
function reportAtSource(
  job: string,
  overrides: JobRules,
  { isInFile, problems }: JobsContext,
): ReportProblem {
  return (keys, message) => {
    const [key = ''] = keys;
    const path = ['jobs', job, ...keys];
    if (Object.hasOwn(overrides, key)) {
      problems.add({ path, message: `${message} (given on the command line)` });
    } else if (!isInFile(['jobs', job, key]) && isInFile(['defaults', 'jobs', key])) {
      problems.add({ path: ['defaults', 'jobs', ...keys], message: `${message} (in job ${job})` });
    } else {
      problems.add({ path, message });
    }
  };
}

/** The location a text means. Undefined when it means none, which is reported, or when its remote has errors, which already are. */
function locate(
  keys: Path,
  text: string,
  context: LocationContext,
  report: ReportProblem,
): Location | undefined {
  const found = parseLocation(text, context);
  if (typeof found !== 'string') return found;
  report(keys, found);
  return undefined;
}

/** A job whose keys passed the schema one by one. A side is undefined when it has errors. */
export interface JobKeys {
  readonly name: string;
  readonly operation: Operation;
  readonly from: Location | undefined;
  readonly to: Location | undefined;
  readonly rules: JobRules;
}

/** The job; undefined when its keys do not go together, which is reported. */
export function buildJob(
  { name, operation, from, to, rules }: JobKeys,
  context: LocationContext,
  report: ReportProblem,
): Job | undefined {
  let valid = true;
  const refuse: ReportProblem = (keys, message) => {
    valid = false;
    report(keys, message);
  };
  const folder = typeof rules.after === 'object' ? rules.after.archive : undefined;
  const archive =
    folder === undefined ? undefined : locate(['after', 'archive'], folder, context, refuse);
  if (from === undefined || to === undefined) return undefined;
  checkSides(operation, from, to, refuse);
  checkRules({ operation, from, rules, archive }, refuse);
  if (!valid || (folder !== undefined && archive === undefined)) return undefined;
  const after = normaliseAfter(rules.after, archive);
  return { name, operation, from, to, ...normaliseRules(rules), after };
}
