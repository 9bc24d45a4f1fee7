/**
 * The text of jobs.yml, and of the files of jobs.d, as a Config: parse, fill in variables, check against the schema, normalise,
 * check what depends on several keys. Pure: files and variables are passed in.
 */
import { dirname } from 'node:path';
import { type Config, defaultInstallation } from '../../core/job.js';
import type { Remote } from '../../core/remote.js';
import { normaliseApi } from './api-schema.js';
import { sharedDestinations } from './checks.js';
import { type ConfigText, parseDocuments } from './documents.js';
import { queue } from './fields.js';
import { loadGroups } from './groups.js';
import { fillIn } from './interpolate.js';
import { check } from './issues.js';
import { loadJobs } from './jobs.js';
import { localPath, type UserContext } from './location.js';
import { mergeRemote, type RemoteKeys } from './merge.js';
import { normaliseBandwidth } from './normalise.js';
import { checkChannelNames, normaliseHeartbeat, normaliseNotify } from './notify-schema.js';
import { takeOff } from './off.js';
import { checkOverrides } from './overrides.js';
import { type ConfigProblem, ConfigProblems, type Path, pathText } from './problems.js';
import { loadRemotes } from './remotes.js';
import { config, type RawConfig } from './schema.js';
import { keyNameOf } from './schema-keys.js';
import { isSecretPath, isWrittenOut, placeSecrets, secretsOf, takesSecrets } from './secrets.js';
import { entriesOf, isMap, type PlainMap } from './shapes.js';

export interface LoadContext {
  /** Absolute path of jobs.yml. Messages show its name; relative paths start from its folder. */
  readonly file: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The home folder, for `~`. */
  readonly home: string;
  /** The user name of remotes that set none. */
  readonly username: string;
  /** SSH_AUTH_SOCK. */
  readonly agent: string | undefined;
  /** Reads a file named in `${file:…}`, by its absolute path; throws when it can't be read. */
  readonly readFile: (path: string) => string;
  /** Permission bits of jobs.yml, if known: a file with secrets that others can read gets a warning. */
  readonly mode?: number;
  /** The files of jobs.d, in the order of their names. One with secrets that others can write is refused. */
  readonly more?: readonly ConfigText[];
  /** Warnings from finding the files. */
  readonly notes?: readonly string[];
  /** Job keys given on the command line: maps merge, lists replace. */
  readonly overrides?: PlainMap;
  /** Whether `overrides` apply to the job of this name; absent: to all of them. */
  readonly isOverridden?: (job: string) => boolean;
}

/**
 * Reads jobs.yml. Throws a config error that names everything wrong with it (the first 20), each
 * as `jobs.yml:LINE:COL path: what is wrong; what is allowed`. No message contains a secret.
 */
export function loadConfig(text: string, context: LoadContext): Config {
  const { env, home, username, agent } = context;
  const overrides = checkOverrides(context.overrides ?? {});
  const folder = dirname(context.file);
  const user: UserContext = { folder, home, username, agent };
  const problems = new ConfigProblems();
  const warnings: string[] = [...(context.notes ?? [])];

  const files = [{ ...context, text }, ...(context.more ?? [])] as const;
  const documents = parseDocuments(files, folder, problems);
  const { root, names } = documents;
  const prefix = (problem: ConfigProblem) => {
    const { file = 0, line, col } = documents.positionOf(problem);
    const path = pathText(problem.path);
    return `${names[file]}:${line}:${col} ${path === '' ? '' : `${path}: `}`;
  };
  const throwAny = () => problems.throwAny(prefix, keyNameOf, documents.positionOf);
  if (root === undefined) throwAny();

  const secretPaths = new Map<number, Path>();
  const readFile = (name: string) => context.readFile(localPath(name, user));
  const onText = (path: Path, written: string) => {
    const number = documents.fileOf(path);
    if (isWrittenOut(path, written) && !secretPaths.has(number)) secretPaths.set(number, path);
  };
  const credentials = new Set<string>();
  const commands = isMap(root) && isMap(root.secrets) ? Object.keys(root.secrets) : [];
  const onCredential = (value: string) => credentials.add(value);
  const sources = { env, readFile, secrets: commands, takesSecrets, onCredential };
  const filled = fillIn(root, sources, onText, problems);
  const putBack = takeOff(config, root);
  const isSecret = (path: Path) => isSecretPath(path) || filled.paths.has(JSON.stringify(path));
  check(config, root, { fromText: new Set(filled.paths), isSecret }, problems);
  putBack();
  checkWriters(files, secretPaths, problems);
  // Otherwise the parts without errors are checked further, so that one run reports all problems.
  if (problems.full || !isMap(root)) throwAny();

  const raw = root as RawConfig;
  placeSecrets(raw, filled.secrets, raw.secrets, folder);
  const chosenQueue = chooseQueue(raw, env, problems);
  const under = problems.under('defaults') ? {} : (raw.defaults?.remotes ?? {});
  // A remote with errors is not checked further, but it exists.
  const written = entriesOf(raw.remotes).map(([name, keys]) => {
    const valid = !problems.under('remotes', name);
    return [name, valid ? mergeRemote(under, keys) : (keys as RemoteKeys)] as const;
  });
  const remotes = loadRemotes(new Map(written), user, problems);
  const groups = loadGroups(raw.groups, remotes, problems);
  const jobs = loadJobs(raw, {
    ...user,
    file: context.file,
    remotes,
    groups,
    overridesOf: (job) => (context.isOverridden?.(job) === false ? {} : overrides),
    isInFile: documents.has,
    problems,
    warnings,
  });
  const api = normaliseApi(raw.api, problems);
  const notify = normaliseNotify(raw.notify, problems);
  checkChannelNames(raw, raw.notify, problems);
  throwAny();

  const wantsAgent = new Set(
    written.filter(([, keys]) => keys.auth?.agent === true).map(([name]) => name),
  );
  const usable = new Map<string, Remote>();
  for (const [name, remote] of remotes) {
    if (remote !== undefined) usable.set(name, remote);
    if (wantsAgent.has(name) && remote?.auth.agent === undefined) {
      warnings.push(`remote ${name} uses the SSH agent, but SSH_AUTH_SOCK is not set`);
    }
  }
  for (const number of secretPaths.keys()) {
    if (((files[number]?.mode ?? 0) & 0o044) === 0) continue;
    warnings.push(
      `${names[number]} contains secrets and other users can read it; chmod 600 it, or move the secrets to files and write \${file:…}`,
    );
  }
  if (commands.length > 0 && ((context.mode ?? 0) & 0o022) !== 0)
    warnings.push(
      `other users can write ${names[0]} and so have commands of theirs run, since it has "secrets"; chmod go-w it`,
    );
  warnings.push(...sharedDestinations(jobs.values()));
  const heartbeat = normaliseHeartbeat(raw.heartbeat);
  const secrets = secretsOf({
    remotes: usable.values(),
    queue: chosenQueue,
    tokens: api.tokens,
    channels: notify.values(),
    heartbeat,
    credentials,
  });
  return {
    file: context.file,
    stateDir: raw.stateDir === undefined ? undefined : localPath(raw.stateDir, user),
    bandwidth: normaliseBandwidth(raw.bandwidth),
    queue: chosenQueue,
    name: raw.name ?? defaultInstallation,
    api,
    notify,
    heartbeat,
    remotes: usable,
    groups,
    jobs,
    warnings,
    secrets,
  };
}

/** Refuses a file of jobs.d with secrets that others can write: they could have them sent to a server of theirs. */
function checkWriters(
  files: readonly ConfigText[],
  secretPaths: ReadonlyMap<number, Path>,
  problems: ConfigProblems,
): void {
  for (const [number, path] of secretPaths) {
    if (number === 0 || ((files[number]?.mode ?? 0) & 0o022) === 0) continue;
    const message =
      'is a secret in a file that other users can write; chmod 600 the file, or move the secret to one and write ${file:…}';
    problems.add({ path, message });
  }
}

/** FERRYLINE_QUEUE, else the file's `queue`, else `embedded`. */
function chooseQueue(raw: RawConfig, env: LoadContext['env'], problems: ConfigProblems): string {
  const given = env.FERRYLINE_QUEUE;
  if (given === undefined || given === '') return raw.queue ?? 'embedded';
  const message = queue.safeParse(given).error?.issues[0]?.message;
  if (message !== undefined) {
    problems.add({ path: ['queue'], message: `the variable FERRYLINE_QUEUE ${message}` });
  }
  return given;
}
