/** Loads configurations for the tests of jobs.yml: with a fixed environment, and errors as lines. */
import { FerryError } from '../../src/core/errors.js';
import type { Config, Job } from '../../src/core/job.js';
import { type LoadContext, loadConfig } from '../../src/jobs/config/load.js';

const files: Record<string, string> = { '/etc/ferry/pw': 'hunter2\n', '/run/token': 'a\n\n' };

export const context: LoadContext = {
  file: '/etc/ferry/jobs.yml',
  env: { HOST: 'h.example', PORT: '2222', NUMBER: '12345', EMPTY: '', TRUE: 'true' },
  home: '/home/u',
  username: 'me',
  agent: undefined,
  readFile: (path) => {
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error('no'), { code: 'ENOENT' });
    return text;
  },
};

export const load = (text: string, over: Partial<LoadContext> = {}): Config =>
  loadConfig(text, { ...context, ...over });

/** The lines of the config error that a text gives; none when it loads. */
export function problems(text: string, over: Partial<LoadContext> = {}): string[] {
  try {
    load(text, over);
    return [];
  } catch (thrown) {
    if (!(thrown instanceof FerryError) || thrown.kind !== 'config') throw thrown;
    return thrown.message.split('\n');
  }
}

/** A file with one remote `d` and one job `x`, to which keys are added. */
export const withJob = (keys: string, sides = 'operation: push, from: ./a, to: d:b') =>
  `remotes: { d: { host: h } }\njobs: { x: { ${sides}, ${keys} } }`;
export const withRemote = (keys: string) => `remotes: { d: { host: h, ${keys} } }`;

export function jobOf(text: string, over: Partial<LoadContext> = {}): Job {
  const job = load(text, over).jobs.get('x');
  if (job === undefined) throw new Error('no job x');
  return job;
}
