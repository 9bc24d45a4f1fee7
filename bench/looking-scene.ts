/** What a large installation has: a jobs.yml of many jobs, and a state folder with the reports of their runs. The same every time but for its times. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Jobs of every kind that costs something to look at; none is due within hours of `now`. */
export function manyJobs(count: number, now: Date): Record<string, object> {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [nameOf(n), jobOf(n, now)]));
}

/** The name of the job with that number. */
export function nameOf(n: number): string {
  return `job-${String(n).padStart(5, '0')}`;
}

function jobOf(n: number, now: Date): object {
  // six hours on and more, in every zone below
  const hour = (now.getUTCHours() + 8 + (n % 12)) % 24;
  const starts = [
    { schedule: `${n % 60} ${hour} * * *`, timezone: 'UTC' },
    { schedule: `${n % 60} ${hour} * * 1-5`, timezone: 'Europe/Berlin' },
    { schedule: [`${n % 60} 3 1 1 *`, `${n % 60} 15 29 2 *`], timezone: 'Europe/London' },
    { schedule: `${n % 60} ${hour} * * *`, timezone: 'UTC', window: 'Sat,Sun' },
    {},
  ];
  return {
    ...(n % 10 === 0 && { description: `what customer ${n} gets` }),
    operation: n % 2 === 0 ? 'mirror' : 'push',
    from: './data',
    to: `server:there/${n}`,
    exclude: ['*.tmp', 'cache/'],
    ...starts[n % starts.length],
  };
}

/** Writes `reports` reports below the state folder, the jobs' runs of the last 30 days in turn; resolves to the newest run's id. */
export function writeReports(state: string, jobs: number, reports: number, now: Date): string {
  const everyMs = (30 * 86_400_000) / reports;
  let run = '';
  for (let n = 0; n < jobs; n++)
    mkdirSync(join(state, 'runs', nameOf(n)), { recursive: true, mode: 0o700 });
  mkdirSync(join(state, 'logs'), { recursive: true });
  const line = { event: 'notice', level: 'info', message: 'a line of a log', time: now };
  const log = `${JSON.stringify(line)}\n`.repeat(100);
  for (let n = 0; n < reports; n++) {
    const at = new Date(now.getTime() - Math.floor((reports - n) * everyMs) - 60_000);
    run = `${at.toISOString().replace(/[-:]|\.\d+/g, '')}-${String(n % 1_000_000).padStart(8, '0')}`;
    const job = nameOf(n % jobs);
    const idle = n % 3 === 0;
    const text = `${JSON.stringify(reportOf({ n, run, job, at, idle }))}\n`;
    writeFileSync(join(state, 'runs', job, `${run}${idle ? '.idle' : ''}.json`), text);
    // of each job's newest run
    if (n >= reports - jobs) writeFileSync(join(state, 'logs', `${run}.ndjson`), log);
  }
  return run;
}

function reportOf(one: {
  readonly n: number;
  readonly run: string;
  readonly job: string;
  readonly at: Date;
  readonly idle: boolean;
}): object {
  const { n, run, job, at, idle } = one;
  const failed = !idle && n % 7 === 0;
  const failures = Array.from({ length: failed ? 20 : 0 }, (_, i) => ({
    path: `folder-${i}/a file with a long name ${n}.bin`,
    kind: 'io',
    message: `job ${job}: folder-${i}/a file with a long name ${n}.bin can't be read: permission denied`,
  }));
  return {
    run,
    job,
    operation: 'mirror',
    trigger: 'schedule',
    slot: at.toISOString(),
    worker: 'worker-1',
    outcome: failed ? 'incomplete' : 'succeeded',
    exitCode: failed ? 3 : 0,
    startedAt: at.toISOString(),
    endedAt: new Date(at.getTime() + 4000).toISOString(),
    seconds: 4,
    files: {
      copied: idle ? 0 : 12,
      attrs: 0,
      deleted: 0,
      unchanged: n % 5000,
      skipped: 0,
      vanished: 0,
      failed: failures.length,
    },
    bytes: idle ? 0 : 1_234_567,
    sessions: 1,
    attempt: 1,
    verified: 'size',
    failures,
    failuresOmitted: 0,
  };
}
