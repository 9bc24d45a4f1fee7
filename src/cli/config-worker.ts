/** A thread that makes a Config of the texts of jobs.yml and jobs.d: thousands of jobs take seconds. config-thread.ts starts it. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Config, Job } from '../core/job.js';
import { type LoadContext, loadConfig } from '../jobs/config/load.js';
import { type Problem, problemOf } from '../server/problem.js';
import { readSecretFile } from './config-texts.js';

/** What the thread is given. */
export interface ConfigTask {
  readonly text: string;
  readonly context: Omit<LoadContext, 'readFile' | 'overrides' | 'isOverridden'>;
}

/** What it sends: first all but the jobs; then, each time it is asked, some of them, and none when it has sent all. */
export type ConfigPart =
  | { readonly config: Config }
  | { readonly jobs: readonly Job[] }
  | { readonly error: Problem };

/** Jobs in one message: the other thread takes a millisecond or two for them. */
const jobsAtOnce = 100;

function send(part: ConfigPart): void {
  parentPort?.postMessage(part);
}

try {
  const { text, context } = workerData as ConfigTask;
  const config = loadConfig(text, { ...context, readFile: readSecretFile });
  const jobs = [...config.jobs.values()];
  parentPort?.on('message', () => send({ jobs: jobs.splice(0, jobsAtOnce) }));
  send({ config: { ...config, jobs: new Map() } });
} catch (thrown) {
  send({ error: problemOf(thrown) });
}
