/** How long it takes to look at a large installation: the commands that only ask, and a probe beside them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { type Daemon, environmentOf, main, startDaemon, writeJobs } from './daemon.js';
import type { DaemonScene } from './daemon-scene.js';
import { manyJobs, nameOf, writeReports } from './looking-scene.js';
import { cells } from './samples.js';
import { type StoreName, startStore } from './stores.js';

const [jobsWanted, reportsWanted] = [5000, 100_000];

/** The same before reports had an index, for comparison. */
const before =
  'Before reports had an index (commit f09efbe, 2026-11-30): with all of this on Redis, `status` ended with 4, since it had no answer within 10 s. With a tenth of it (`--scale 0.1`: 500 jobs, 10,000 reports), median ms on Redis and embedded: `status` 547 and 784, `runs` 614 and 1469, `runs JOB` 257 and 618, `next` 1046 and 1567, `logs JOB` 460 and 768, `/readyz` with nothing else 186 and 210, beside the commands 213 and 352, reload 214 and 363; resident 229 and 351 MiB.';

const jobsInFile = 500;

/** Milliseconds between two probes. */
const probeEveryMs = 10;

export async function looking(scene: DaemonScene): Promise<string> {
  const rows: string[] = [];
  for (const name of ['redis', 'embedded'] as const) rows.push(...(await rowsOf(scene, name)));
  return [
    '| queue | | median, ms | p99 | min–max | times |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
    before,
  ].join('\n');
}

async function rowsOf(scene: DaemonScene, name: StoreName): Promise<string[]> {
  const [jobs, reports] = [jobsWanted, reportsWanted].map((n) => Math.ceil(n * scene.scale));
  const folder = join(scene.folder, name);
  mkdirSync(join(folder, 'store'), { recursive: true });
  const now = new Date();
  const store = await startStore(name, join(folder, 'store'));
  try {
    writeFiles(folder, store.url, scene, manyJobs(jobs as number, now));
    writeFileSync(join(folder, 'data/file.bin'), Buffer.alloc(1024, 'x'));
    const run = writeReports(join(folder, 'state'), jobs as number, reports as number, now);
    return await measure(folder, name, run, scene.runs ?? 5);
  } finally {
    await store.stop();
  }
}

async function measure(
  folder: string,
  store: StoreName,
  run: string,
  times: number,
): Promise<string[]> {
  const first = await startDaemon(folder);
  await settled(first);
  await first.stop();
  const daemon = await startDaemon(folder);
  await settled(daemon);
  const row = (what: string, values: readonly number[]) =>
    `| ${store} | ${what} | ${cells(values)} |`;
  const rows = [
    row('the first start', [first.seconds * 1000]),
    row('a later start', [daemon.seconds * 1000]),
  ];
  try {
    rows.push(row('`GET /readyz`, nothing else', await probing(daemon, () => sleep(2000))));
    const commands = [
      ['status'],
      ['status', '--json'],
      ['runs'],
      ['runs', nameOf(7)],
      ['next'],
      ['logs', run],
      ['logs', nameOf(7)],
    ];
    const probes: number[] = [];
    for (const args of commands) {
      const values: number[] = [];
      const during = await probing(daemon, async () => {
        for (let n = 0; n < times; n++) values.push(await timeOf(args, folder));
      });
      probes.push(...during);
      const shown = args.map((arg) => (arg === run ? 'RUN' : arg === nameOf(7) ? 'JOB' : arg));
      rows.push(row(`\`ferryline ${shown.join(' ')}\``, values));
    }
    rows.push(row('`GET /readyz` beside these', probes));
    const reloads: number[] = [];
    const during = await probing(daemon, async () => {
      for (let n = 0; n < times; n++) reloads.push(await daemon.reload());
    });
    rows.push(row('reload', reloads), row('`GET /readyz` beside that', during));
    const { mebibytes, peak } = daemon.usage();
    rows.push(
      `| ${store} | resident, MiB | **${Math.round(mebibytes)}** | | peak ${Math.round(peak)} | 1 |`,
    );
  } finally {
    await daemon.stop();
  }
  return rows;
}

/** jobs.yml and jobs.d: a file may have so many tokens only. */
function writeFiles(
  folder: string,
  queue: string,
  { server }: DaemonScene,
  jobs: Readonly<Record<string, object>>,
): void {
  const entries = Object.entries(jobs);
  writeJobs(folder, queue, server, Object.fromEntries(entries.slice(0, jobsInFile)));
  mkdirSync(join(folder, 'jobs.d'));
  for (let from = jobsInFile; from < entries.length; from += jobsInFile) {
    const part = Object.fromEntries(entries.slice(from, from + jobsInFile));
    writeFileSync(join(folder, `jobs.d/from-${from}.yml`), stringify({ jobs: part }));
  }
}

/** Waits until the daemon does nothing any more. */
async function settled(daemon: Daemon): Promise<void> {
  for (let before = -1, now = daemon.usage().cpu; now - before > 0.05; ) {
    before = now;
    await sleep(1000);
    now = daemon.usage().cpu;
  }
}

/** Asks `/readyz` again and again while `work` is done; resolves to the milliseconds each took. */
async function probing(daemon: Daemon, work: () => Promise<unknown>): Promise<number[]> {
  const found: number[] = [];
  let isDone = false;
  const done = work().finally(() => {
    isDone = true;
  });
  while (!isDone) {
    const begun = performance.now();
    await daemon.ask('GET', '/readyz');
    found.push(performance.now() - begun);
    await sleep(probeEveryMs);
  }
  await done;
  return found;
}

/** Milliseconds of a command as a whole process; NaN if it failed. */
async function timeOf(args: readonly string[], folder: string): Promise<number> {
  const begun = performance.now();
  const child = spawn(process.execPath, [main, ...args], {
    cwd: folder,
    env: environmentOf(folder),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stdout.resume();
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const [code] = await once(child, 'close');
  const took = performance.now() - begun;
  if (code === 0) return took;
  console.error(`ferryline ${args.join(' ')} ended with ${code}: ${errors}`);
  return Number.NaN;
}
