/** Makes a Config in a thread of its own, so that this one goes on with its work. */
import { Worker } from 'node:worker_threads';
import type { Config, Job, Location } from '../core/job.js';
import { errorIn } from '../server/problem.js';
import type { ConfigPart, ConfigTask } from './config-worker.js';

/** The thread keeps the values of all files until it is done: with little room it would collect garbage all the time. */
const youngMebibytes = 64;

/** The same as loadConfig, with its errors. The jobs come a few at a time, so that nothing waits for all of them. */
export function loadInThread(task: ConfigTask): Promise<Config> {
  const thread = new Worker(new URL('./config-worker.js', import.meta.url), {
    workerData: task,
    resourceLimits: { maxYoungGenerationSizeMb: youngMebibytes },
  });
  return new Promise<Config>((resolve, reject) => {
    let config: Config | undefined;
    const jobs = new Map<string, Job>();
    thread.on('message', (part: ConfigPart) => {
      if ('error' in part) return reject(errorIn(part.error));
      if ('config' in part) config = part.config;
      else for (const job of part.jobs) jobs.set(job.name, linked(job, config?.remotes));
      if ('jobs' in part && part.jobs.length === 0 && config !== undefined)
        return resolve({ ...config, jobs });
      thread.postMessage('more');
    });
    thread.once('error', reject);
    thread.once('exit', () => reject(new Error('the thread that reads jobs.yml has ended')));
  }).finally(() => thread.terminate());
}

/** The job with the remotes of the configuration, in place of the copies that its message had. */
function linked(job: Job, remotes: Config['remotes'] | undefined): Job {
  const link = (location: Location): Location => {
    const remote = location.remote && remotes?.get(location.remote.name);
    return remote === undefined ? location : { ...location, remote };
  };
  const linkPart = <T extends Pick<Job, 'from' | 'to' | 'after'>>(part: T): T => {
    const { from, to, after } = part;
    const kept = after.kind === 'archive' ? { ...after, to: link(after.to) } : after;
    return { ...part, from: link(from), to: link(to), after: kept };
  };
  const { parts } = job;
  return parts === undefined ? linkPart(job) : { ...linkPart(job), parts: parts.map(linkPart) };
}
