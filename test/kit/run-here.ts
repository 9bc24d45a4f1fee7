/** A scene's job, run in this process: much quicker than the built program, for the many runs of one test. */
import { readFileSync } from 'node:fs';
import type { Report, RunEvent } from '../../src/core/events.js';
import type { Job } from '../../src/core/job.js';
import { SessionPool } from '../../src/endpoints/sftp/pool.js';
import { runJob } from '../../src/workers/run/run-job.js';
import { temporaryFolder } from './files/temporary.js';
import { load } from './loading.js';
import type { Scene } from './scene.js';

/** Writes jobs.yml as `scene.jobs` does, and returns a function that runs the job. Each run has a state folder of its own. */
export async function runsHere(
  scene: Scene,
  job: object,
  remote: object = {},
): Promise<() => Promise<Report & { readonly events: readonly RunEvent[] }>> {
  const file = await scene.jobs(job, remote);
  const readFile = (path: string) => readFileSync(path, 'utf8');
  const config = load(readFile(file), { file, readFile });
  const { signal } = new AbortController();
  let runs = 0;
  return async () => {
    const pool = new SessionPool();
    const events: RunEvent[] = [];
    try {
      const report = await runJob(config.jobs.get('job') as Job, {
        ...{ run: `run-${runs++}`, trigger: 'manual', attempt: 1, signal, pool, dryRun: false },
        ...{ emit: (event) => events.push(event), state: await temporaryFolder() },
        deletionsApproved: true,
      });
      return { ...report, events };
    } finally {
      await pool.close();
    }
  };
}
