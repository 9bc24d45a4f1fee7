/** The jobs of jobs.yml: defaults, a job's own keys and those of the command line, laid over each other. */
import type { Operation } from '../../core/events.js';
import type { Job, JobPart } from '../../core/job.js';
import { checkRules, checkSides, type ReportProblem } from './checks.js';
import type { Documents } from './documents.js';
import type { LocationContext } from './location.js';
import { expand, type JobRules, mergeRules } from './merge.js';
import { normaliseAfter, normaliseHooks, normaliseRules } from './normalise.js';
import type { ConfigProblems } from './problems.js';
import type { RawConfig } from './schema.js';
import { entriesOf } from './shapes.js';
import {
  beside,
  checkPairs,
  locate,
  pairsOf,
  type Sides,
  shareTargets,
  targetOf,
} from './targets.js';

export interface JobsContext extends LocationContext {
  /** Absolute path of jobs.yml. */
  readonly file: string;
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
    const pairs = pairsOf(from, to, context, report);
    const job = buildJob({ name, operation, pairs, rules }, context, report);
    if (job !== undefined) jobs.set(name, { ...job, ...normaliseHooks(rules.hooks, context.file) });
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

/** A job whose keys passed the schema one by one. The pairs are undefined when one has errors. */
export interface JobKeys {
  readonly name: string;
  readonly operation: Operation;
  readonly pairs: readonly Sides[] | undefined;
  readonly rules: JobRules;
}

/** The job; undefined when its keys do not go together, which is reported. */
export function buildJob(
  { name, operation, pairs, rules }: JobKeys,
  context: LocationContext,
  report: ReportProblem,
): Job | undefined {
  let valid = true;
  const refuse: ReportProblem = (keys, message) => {
    valid = false;
    report(keys, message);
  };
  const folder = typeof rules.after === 'object' ? rules.after.archive : undefined;
  const parts: JobPart[] = [];
  const names = [...context.remotes.keys(), ...(context.groups?.keys() ?? [])];
  for (const { from, to } of pairs ?? []) {
    const where = folder === undefined ? undefined : beside(folder, from, context);
    const archive =
      where === undefined ? undefined : locate(['after', 'archive'], where, context, refuse);
    if (where !== undefined && archive === undefined) valid = false;
    checkSides(operation, from, to, names, refuse);
    checkRules({ operation, from, rules, archive }, refuse);
    const target = targetOf({ from, to }, pairs ?? []);
    parts.push({ target, from, to, after: normaliseAfter(rules.after, archive) });
  }
  if (pairs !== undefined && pairs.length > 1) checkPairs(operation, pairs, rules, refuse);
  const [first] = parts;
  if (first === undefined || !valid) return undefined;
  const { from, to, after } = first;
  const job = { name, operation, from, to, ...normaliseRules(rules), after };
  return parts.length === 1 ? job : { ...job, parts, inTurn: shareTargets(parts) };
}
