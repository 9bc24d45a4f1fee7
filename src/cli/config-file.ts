/** Finds and reads jobs.yml for a command. jobs/config/load.ts checks it. */
import { FerryError } from '../core/errors.js';
import type { Config, Job } from '../core/job.js';
import { present } from '../core/present.js';
import { escapeText } from '../core/text.js';
import { loadConfig } from '../jobs/config/load.js';
import { didYouMean } from '../jobs/config/problems.js';
import { userName } from '../ssh/ssh-config/user-name.js';
import { readSecretFile, readTexts } from './config-texts.js';
import type { Context } from './context.js';
import { configCandidates, findConfig } from './folders.js';
import { jobList } from './select-jobs.js';

/** Some 200 jobs, which take a tenth of a second; a thread takes as long to start. */
const threadFromCharacters = 64 * 1024;

type Overrides = Readonly<Record<string, unknown>>;

/** Over which jobs the overrides are laid; absent: over all. */
type IsOverridden = (job: string) => boolean;

/**
 * The configuration, with `overrides` laid over the jobs that `isOverridden` chooses. Prints
 * its warnings and hides its secrets in the output. Errors: `config`.
 */
export async function readConfig(
  context: Context,
  overrides: Overrides = {},
  isOverridden?: IsOverridden,
): Promise<Config> {
  const config = await readConfigIfAny(context, overrides, isOverridden);
  if (config !== undefined) return config;
  throw noConfig(context);
}

/** The error for a command that needs a jobs.yml where there is none. */
export function noConfig({
  environment,
  config,
}: Pick<Context, 'environment' | 'config'>): FerryError {
  if (config === false)
    return new FerryError('config', 'this command needs a jobs.yml; leave out --no-config');
  const candidates = configCandidates(environment).map(escapeText).join(', ');
  return new FerryError('config', `no jobs.yml was found; looked for ${candidates}`, {
    hint: 'create one with `ferryline init`, or name one with --config FILE',
  });
}

/** The same; undefined if there is no jobs.yml and none was named. */
export async function readConfigIfAny(
  { environment, config: named, output }: Context,
  overrides: Overrides = {},
  isOverridden?: IsOverridden,
): Promise<Config | undefined> {
  const file = findConfig(environment, named);
  if (file === undefined) return undefined;
  const { text, context } = await filesOf(file, environment);
  const config = loadConfig(text, {
    ...context,
    readFile: readSecretFile,
    overrides,
    ...present({ isOverridden }),
  });
  return announced(config, output);
}

/**
 * The configuration, if it may have a remote or group of one of these names; undefined if there is none or it
 * has none. Errors: `config`, which say why the file was read.
 */
export async function readConfigNaming(
  names: readonly string[],
  context: Context,
): Promise<Config | undefined> {
  const file = findConfig(context.environment, context.config);
  if (file === undefined || names.length === 0) return undefined;
  const isNamed = configCandidates(context.environment, context.config).length === 1;
  try {
    const { text, more } = await readTexts(file);
    const all = [text, ...more.map((one) => one.text)];
    const name = names.find((one) => all.some((each) => mentions(each, one)));
    return name === undefined ? undefined : await readConfigIfAny(context);
  } catch (thrown) {
    if (!(thrown instanceof FerryError) || thrown.kind !== 'config') throw thrown;
    if (thrown.code === 'ENOENT' && isNamed) throw thrown;
    // one that this user may not read is not theirs
    if (thrown.code === 'EACCES' && !isNamed) return undefined;
    const which = names.map(escapeText).join(' or ');
    throw new FerryError(
      'config',
      `${escapeText(file)} may have a remote ${which}, and can't be used:\n${thrown.message}`,
      { hint: `mend it, or mean the ssh host with --no-config` },
    );
  }
}

/** Whether a text has a name as a word. Names hold letters, digits, dots, underscores and hyphens. */
function mentions(text: string, name: string): boolean {
  const word = name.replaceAll('.', '\\.');
  return new RegExp(`(?<![\\w.-])${word}(?![\\w.-])`).test(text);
}

/**
 * The configuration, for a process that goes on with its work meanwhile: large files are read in a
 * thread. Prints its warnings and hides its secrets in the output. Errors: `config`.
 */
export async function readConfigBeside(context: Context): Promise<Config> {
  const { environment, config: named, output } = context;
  const file = findConfig(environment, named);
  if (file === undefined) throw noConfig(context);
  const task = await filesOf(file, environment);
  const { more = [] } = task.context;
  const characters = more.reduce((sum, { text }) => sum + text.length, task.text.length);
  if (characters < threadFromCharacters) return readConfig(context);
  const { loadInThread } = await import('./config-thread.js');
  return announced(await loadInThread(task), output);
}

/** The texts of jobs.yml and jobs.d, and what they are read with. */
async function filesOf(file: string, { env, home }: Context['environment']) {
  const { text, ...files } = await readTexts(file);
  const username = userName(env);
  return { text, context: { file, env, home, username, agent: env.SSH_AUTH_SOCK, ...files } };
}

/** The configuration, once its warnings are printed and its secrets hidden in the output. */
function announced(config: Config, output: Context['output']): Config {
  output.hide(config.secrets);
  showWarnings(config.warnings, output);
  return config;
}

export function showWarnings(warnings: readonly string[], output: Context['output']): void {
  for (const warning of warnings) output.note(`${output.style.yellow('warning:')} ${warning}`);
}

/** The job with that name; a `config` error that lists the jobs if it does not exist. */
export function jobNamed(config: Config, name: string): Job {
  const job = config.jobs.get(name);
  if (job !== undefined) return job;
  const what = `there is no job "${escapeText(name)}" in ${escapeText(config.file)}`;
  throw new FerryError('config', `${what}${didYouMean(name, config.jobs.keys())}`, {
    hint: jobList(config.jobs.keys()),
  });
}
