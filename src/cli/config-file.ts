/** Finds and reads jobs.yml for a command; what it means is jobs/config/load.ts's. */
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { FerryError } from '../core/errors.js';
import type { Config, Job } from '../core/job.js';
import { escapeText } from '../core/text.js';
import { loadConfig } from '../jobs/config/load.js';
import { didYouMean } from '../jobs/config/problems.js';
import { userName } from '../ssh/ssh-config/user-name.js';
import type { Context } from './context.js';
import { configCandidates, findConfig } from './folders.js';

type Overrides = Readonly<Record<string, unknown>>;

/**
 * The configuration, with job keys given on the command line laid over the jobs named. Its warnings
 * are told, and its secrets hidden, before it is handed out. Errors: `config`.
 */
export async function readConfig(
  context: Context,
  overrides: Overrides = {},
  jobs: readonly string[] = [],
): Promise<Config> {
  const config = await readConfigIfAny(context, overrides, jobs);
  if (config !== undefined) return config;
  const places = configCandidates(context.around).map(escapeText).join(', ');
  throw new FerryError('config', `there is no jobs.yml; looked for ${places}`, {
    hint: '`ferryline init` writes one; --config FILE names one',
  });
}

/** The same; undefined when there is none and none was named. */
export async function readConfigIfAny(
  { around, config: named, output }: Context,
  overrides: Overrides = {},
  jobs: readonly string[] = [],
): Promise<Config | undefined> {
  const file = findConfig(around, named);
  if (file === undefined) return undefined;
  const { text, mode } = await readText(file);
  const config = loadConfig(text, {
    file,
    env: around.env,
    home: around.home,
    username: userName(around.env),
    agent: around.env.SSH_AUTH_SOCK,
    readFile: (path) => readFileSync(path, 'utf8'),
    mode,
    overrides,
    overridden: jobs,
  });
  output.hide(config.secrets);
  for (const warning of config.warnings) {
    output.note(`${output.style.yellow('warning:')} ${warning}`);
  }
  return config;
}

/** Larger files are no configuration; a little more than loadConfig takes, which then says so. */
const longest = 2 * 1024 * 1024;

async function readText(file: string): Promise<{ text: string; mode: number }> {
  try {
    const handle = await open(file, 'r');
    try {
      const { mode } = await handle.stat();
      const buffer = Buffer.alloc(longest);
      let length = 0;
      for (;;) {
        const { bytesRead } = await handle.read(buffer, length, longest - length);
        length += bytesRead;
        if (bytesRead === 0) break;
      }
      return { text: buffer.toString('utf8', 0, length), mode: mode & 0o7777 };
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    throw new FerryError('config', `${escapeText(file)} can't be read: ${code}`, {
      ...(code === undefined ? {} : { code }),
      cause: thrown,
      hint: '--config FILE and FERRYLINE_CONFIG name another one',
    });
  }
}

/** The job of that name; a `config` error with the list of jobs when there is none. */
export function jobNamed(config: Config, name: string): Job {
  const job = config.jobs.get(name);
  if (job !== undefined) return job;
  throw new FerryError(
    'config',
    `there is no job "${escapeText(name)}" in ${escapeText(config.file)}${didYouMean(name, config.jobs.keys())}`,
    { hint: jobList(config) },
  );
}

/** `its jobs are a, b`. */
export function jobList({ jobs }: Config): string {
  return jobs.size === 0 ? 'it has no jobs' : `its jobs are ${[...jobs.keys()].join(', ')}`;
}
