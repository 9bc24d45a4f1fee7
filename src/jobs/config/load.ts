/**
 * The text of jobs.yml as a Config: parse → fill in variables → hold against the schema →
 * normalise → check what depends on several keys. Pure: files and variables are handed in.
 */
import { createHash } from 'node:crypto';
import { basename, dirname } from 'node:path';
import type { Operation } from '../../core/events.js';
import type { Config, Job, Location } from '../../core/job.js';
import type { Remote } from '../../core/remote.js';
import { escapeText } from '../../core/text.js';
import type { Complain } from './checks.js';
import { checkRules, checkSides, sharedDestinations } from './checks.js';
import { parseText } from './document.js';
import { queue } from './fields.js';
import { fillIn } from './interpolate.js';
import { check } from './issues.js';
import type { Surroundings } from './location.js';
import { localPath, type Person, parseLocation } from './location.js';
import { mergeRules, normaliseAfter, normaliseRules } from './normalise.js';
import type { Path, Problem } from './problems.js';
import { Problems, pathText } from './problems.js';
import { loadRemotes } from './remotes.js';
import type { RawConfig, RawRules } from './schema.js';
import { config, jobDefaults } from './schema.js';
import { isSecretPlace, isWrittenOut, secretsOf } from './secrets.js';

export interface LoadContext {
  /** Absolute path of jobs.yml: its name is used in messages, its folder for relative paths. */
  readonly file: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What `~` stands for. */
  readonly home: string;
  /** Who logs in where a remote does not say. */
  readonly username: string;
  /** SSH_AUTH_SOCK. */
  readonly agent: string | undefined;
  /** For `${file:…}`, called with an absolute path; throws when it can't be read. */
  readonly readFile: (path: string) => string;
  /** Permission bits of the file, where known: one that holds secrets and that others may read is warned of. */
  readonly mode?: number;
  /** Job keys given for this once: maps merge, lists replace. */
  readonly overrides?: Readonly<Record<string, unknown>>;
  /** The jobs that `overrides` lie over; absent: every job. */
  readonly overridden?: readonly string[];
}

/**
 * Reads jobs.yml. Throws a config error that names everything wrong with it (the first 20), each
 * as `jobs.yml:LINE:COL path: what is wrong; what is allowed`. No message holds a secret.
 */
export function loadConfig(text: string, context: LoadContext): Config {
  const { env, home, username, agent } = context;
  const overrides = checkOverrides(context.overrides ?? {});
  const file = escapeText(basename(context.file));
  const person: Person = { folder: dirname(context.file), home, username, agent };
  const problems = new Problems();
  const warnings: string[] = [];

  const document = parseText(text, problems);
  const place = (problem: Problem) =>
    problem.at ?? document?.place(problem.path, problem.key) ?? { line: 1, col: 1 };
  const throwAny = () =>
    problems.throwAny((problem) => {
      const { line, col } = place(problem);
      const path = pathText(problem.path);
      return `${file}:${line}:${col} ${path === '' ? '' : `${path}: `}`;
    }, place);
  if (document === undefined) throwAny();
  const root = document?.root;

  let holdsSecrets = false;
  const readFile = (name: string) => context.readFile(localPath(name, person));
  const onText = (path: Path, written: string) => {
    holdsSecrets ||= isWrittenOut(path, written);
  };
  const filled = fillIn(root, { env, readFile }, onText, problems);
  const isSecret = (path: Path) => isSecretPlace(path) || filled.has(JSON.stringify(path));
  check(config, root, new Set(filled), isSecret, problems);
  // A file that is wrong all over is told as it is; else the parts that passed are looked at further.
  if (problems.full || !isMap(root)) throwAny();

  const raw = root as RawConfig;
  const chosenQueue = chooseQueue(raw, env, problems);
  const remotes = loadRemotes(new Map(entriesOf(raw.remotes)), person, problems);
  const laidOver = (name: string) =>
    context.overridden?.includes(name) === false ? {} : overrides;
  const jobs = loadJobs(raw, { ...person, remotes }, laidOver, document?.has, problems, warnings);
  throwAny();

  const sound = new Map<string, Remote>();
  for (const [name, remote] of remotes) {
    if (remote !== undefined) sound.set(name, remote);
    if (raw.remotes?.[name]?.auth?.agent === true && remote?.auth.agent === undefined) {
      warnings.push(`remote ${name} asks the SSH agent, but SSH_AUTH_SOCK is not set`);
    }
  }
  if (holdsSecrets && ((context.mode ?? 0) & 0o044) !== 0) {
    warnings.push(
      `${file} holds secrets and others may read it; chmod 600 it, or move them out with \${file:…}`,
    );
  }
  warnings.push(...sharedDestinations(jobs.values()));
  const secrets = secretsOf(sound.values(), chosenQueue);
  return { file: context.file, queue: chosenQueue, remotes: sound, jobs, warnings, secrets };
}

/**
 * A job given on the command line: the same keys and checks, no file. `raw` holds the operation
 * and job keys as text or values; `from` and `to` in it are passed over for `locations`. An
 * `after: { archive: … }` is absolute or below `context.folder`. Throws a config error.
 */
export function adHocJob(
  raw: Readonly<Record<string, unknown>>,
  locations: { readonly from: Location; readonly to: Location },
  context: Pick<LoadContext, 'env' | 'home'> & { readonly folder?: string },
): Job {
  const { operation, from: _from, to: _to, ...keys } = raw;
  const rules = checkOverrides(keys);
  const problems = new Problems();
  const { from, to } = locations;
  const known = [from.remote, to.remote].flatMap((remote) =>
    remote === undefined ? [] : [[remote.name, remote] as const],
  );
  const identity = JSON.stringify([operation, from.label, from.path, to.label, to.path]);
  const job = buildJob(
    `${operation}-${createHash('sha256').update(identity).digest('hex').slice(0, 8)}`,
    operation as Operation,
    locations,
    rules,
    { folder: context.folder, home: context.home, remotes: new Map(known) },
    (path, message) => problems.add({ path, message }),
  );
  throwPlain(problems);
  if (job === undefined) throw new Error('a job without problems was not built');
  return job;
}

/** Job keys from the command line, where everything is text; throws when they are no job keys. */
function checkOverrides(given: Readonly<Record<string, unknown>>): RawRules {
  const problems = new Problems();
  const tree = structuredClone(given);
  check(jobDefaults, tree, textPaths(tree, []), () => false, problems);
  throwPlain(problems);
  return tree as RawRules;
}

function throwPlain(problems: Problems): void {
  problems.throwAny((problem) => (problem.path.length === 0 ? '' : `${pathText(problem.path)}: `));
}

function textPaths(value: unknown, path: Path, found = new Set<string>()): Set<string> {
  if (typeof value === 'string') found.add(JSON.stringify(path));
  const steps = Array.isArray(value) ? value.entries() : entriesOf(isMap(value) ? value : {});
  for (const [step, item] of steps) textPaths(item, [...path, step], found);
  return found;
}

/** The jobs that have no errors; what is wrong with the others is in `problems` or added to them. */
function loadJobs(
  raw: RawConfig,
  around: Surroundings,
  laidOver: (name: string) => RawRules,
  isInFile: ((path: Path) => boolean) | undefined,
  problems: Problems,
  warnings: string[],
): Map<string, Job> {
  const jobs = new Map<string, Job>();
  if (problems.under('defaults')) return jobs;
  for (const [name, rawJob] of entriesOf(raw.jobs)) {
    if (problems.under('jobs', name)) continue;
    const overrides = laidOver(name);
    const complain: Complain = (keys, message) => {
      const [key = ''] = keys;
      const own = ['jobs', name, ...keys];
      if (Object.hasOwn(overrides, key)) {
        problems.add({ path: own, message: `${message} (given on the command line)` });
      } else if (isInFile?.(['jobs', name, key]) === false && isInFile(['defaults', key])) {
        problems.add({ path: ['defaults', ...keys], message: `${message} (in job ${name})` });
      } else {
        problems.add({ path: own, message });
      }
    };
    const { operation, from, to, ...own } = rawJob;
    const rules = mergeRules(mergeRules(raw.defaults ?? {}, own), overrides);
    const locations = {
      from: locate(['from'], from, around, complain),
      to: locate(['to'], to, around, complain),
    };
    const job = buildJob(name, operation, locations, rules, around, complain);
    if (job !== undefined) jobs.set(name, job);
    if (own.delete !== undefined && operation !== 'mirror') {
      warnings.push(`job ${name}: "delete" has no effect on a ${operation}, which never deletes`);
    }
  }
  return jobs;
}

/** A location; undefined when it is none, which is told, or when its remote has errors, which are told. */
function locate(
  keys: Path,
  text: string,
  around: Surroundings,
  complain: Complain,
): Location | undefined {
  const found = parseLocation(text, around);
  if (typeof found !== 'string') return found;
  complain(keys, found);
  return undefined;
}

/** A job of checked keys; undefined when `complain` was told what is wrong with their combination. */
function buildJob(
  name: string,
  operation: Operation,
  { from, to }: { readonly from: Location | undefined; readonly to: Location | undefined },
  rules: RawRules,
  around: Surroundings,
  complain: Complain,
): Job | undefined {
  let sound = true;
  const refuse: Complain = (keys, message) => {
    sound = false;
    complain(keys, message);
  };
  const moves = typeof rules.after === 'object' ? rules.after.archive : undefined;
  const archive =
    moves === undefined ? undefined : locate(['after', 'archive'], moves, around, refuse);
  if (from === undefined || to === undefined) return undefined;
  checkSides(operation, from, to, refuse);
  checkRules(operation, from, rules, archive, refuse);
  if (!sound || (moves !== undefined && archive === undefined)) return undefined;
  const after = normaliseAfter(rules.after, archive);
  return { name, operation, from, to, ...normaliseRules(rules), after };
}

/** FERRYLINE_QUEUE, else what the file says, else `embedded`. */
function chooseQueue(raw: RawConfig, env: LoadContext['env'], problems: Problems): string {
  const given = env.FERRYLINE_QUEUE;
  if (given === undefined || given === '') return raw.queue ?? 'embedded';
  const message = queue.safeParse(given).error?.issues[0]?.message;
  if (message !== undefined) {
    problems.add({ path: ['queue'], message: `the variable FERRYLINE_QUEUE ${message}` });
  }
  return given;
}

function entriesOf<T>(map: Readonly<Record<string, T>> | undefined): [string, T][] {
  return isMap(map) ? Object.entries(map) : [];
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
