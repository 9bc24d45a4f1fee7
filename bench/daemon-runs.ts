/** How many small runs a second a queue and its workers get through, and the least that a run can cost. */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Daemon, startDaemon, writeJobs } from './daemon.js';
import type { DaemonScene } from './daemon-scene.js';
import type { FloorResult, FloorTask } from './floor.js';
import { median } from './report.js';
import { ms } from './samples.js';
import { type StoreName, startStore, storeNames } from './stores.js';

/** Jobs that are requested all at once, each time with one small file that changed. */
const jobs = 200;
const rounds = 5;

/** Runs a second on Redis, by workers, that were measured before runs were fetched into free places; the aim is three times as many. */
const before: Readonly<Record<number, number>> = { 1: 45, 2: 59 };

const floors: readonly (readonly [title: string, does: FloorTask['does']])[] = [
  ['redis: floor, BullMQ’s own worker and nothing else', 'queue'],
  ['redis: floor, and one file put, a report and a log written', 'whole'],
];

export async function runsASecond(scene: DaemonScene): Promise<string> {
  const rows: string[] = [];
  const aims: string[] = [];
  const add = (title: string, workers: number, { rates, processorMs }: FloorResult) =>
    rows.push(
      `| ${title} | ${workers} | **${ms(median(rates))}** | ${ms(Math.min(...rates))}–${ms(Math.max(...rates))} | ${processorMs.toFixed(1)} | ${rates.length} |`,
    );
  for (const name of storeNames)
    for (const workers of name === 'embedded' ? [1] : [1, 2]) {
      const result = await measure(name, workers, scene);
      add(name, workers, result);
      const was = before[workers];
      if (name === 'redis' && was !== undefined) aims.push(aimText(was, median(result.rates)));
    }
  for (const [title, does] of floors) add(title, 1, await measureFloor(does, scene));
  return [
    '| queue | workers | median, runs a second | min–max | processor ms of the daemons a run | rounds |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
    `- aim on Redis, three times as many as before runs were fetched into free places, with one worker and two: ${aims.join(', ')}`,
    '- The floor is a process without ferryline (`bench/floor.ts`): its requests come from within it, nothing is listed, compared, locked or limited, and nobody hears of an end but the process itself.',
  ].join('\n');
}

function aimText(was: number, now: number): string {
  return `${3 * was} ${now >= 3 * was ? 'met' : 'not met'} (${(now / was).toFixed(1)}×)`;
}

async function measureFloor(does: FloorTask['does'], scene: DaemonScene): Promise<FloorResult> {
  scene.signal.throwIfAborted();
  const folder = join(scene.folder, `floor-${does}`);
  mkdirSync(join(folder, 'store'), { recursive: true });
  const store = await startStore('redis', join(folder, 'store'));
  const { port, keyFile } = scene.server;
  const task: FloorTask = {
    does,
    port: Number(new URL(store.url).port),
    runs: Math.ceil(jobs * scene.scale),
    rounds: scene.runs ?? rounds,
    folder,
    server: { port, keyFile, username: userInfo().username },
  };
  try {
    const program = fileURLToPath(new URL('./floor.js', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(task)]);
    return JSON.parse(stdout) as FloorResult;
  } finally {
    await store.stop();
  }
}

async function measure(name: StoreName, workers: number, scene: DaemonScene): Promise<FloorResult> {
  const folder = join(scene.folder, `${name}-${workers}`);
  mkdirSync(join(folder, 'store'), { recursive: true });
  const store = await startStore(name, join(folder, 'store'));
  const names = Array.from({ length: Math.ceil(jobs * scene.scale) }, (_, i) => `job-${i}`);
  const job = (one: string) => ({
    operation: 'push',
    from: join(folder, '0/data', one),
    to: `server:there/${one}`,
    history: 20,
  });
  const daemons: Daemon[] = [];
  try {
    for (let i = 0; i < workers; i++) {
      const home = join(folder, `${i}`);
      mkdirSync(home);
      writeJobs(
        home,
        store.url,
        scene.server,
        Object.fromEntries(names.map((one) => [one, job(one)])),
      );
    }
    for (const one of names) mkdirSync(join(folder, '0/data', one));
    for (let i = 0; i < workers; i++) daemons.push(await startDaemon(join(folder, `${i}`)));
    const rates: number[] = [];
    const processorSeconds = () => daemons.reduce((sum, daemon) => sum + daemon.usage().cpu, 0);
    let before = 0;
    // The first round makes folders, sessions and code warm.
    for (let round = -1; round < (scene.runs ?? rounds); round++) {
      scene.signal.throwIfAborted();
      for (const one of names)
        writeFileSync(join(folder, '0/data', one, 'file.bin'), Buffer.alloc(1002 + round, 'x'));
      if (round === 0) before = processorSeconds();
      const start = performance.now();
      await Promise.all(names.map((one) => complete(daemons[0] as Daemon, one)));
      if (round >= 0) rates.push(names.length / ((performance.now() - start) / 1000));
    }
    const processorMs = ((processorSeconds() - before) * 1000) / (rates.length * names.length);
    return { rates, processorMs };
  } finally {
    for (const daemon of daemons) await daemon.stop();
    await store.stop();
  }
}

async function complete(daemon: Daemon, job: string): Promise<void> {
  const { run } = (await daemon.ask('POST', `/api/jobs/${job}/enqueue`)) as { run: string };
  const end = (await daemon.ask('GET', `/api/runs/${run}/outcome`)) as { outcome: string };
  if (end.outcome !== 'succeeded') throw new Error(JSON.stringify(end));
}
