/** How many small runs a second a queue and its workers get through. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Daemon, startDaemon, writeJobs } from './daemon.js';
import type { DaemonScene } from './daemon-scene.js';
import { ms } from './samples.js';
import { type StoreName, startStore, storeNames } from './stores.js';

/** Jobs that are requested all at once, each time with one small file that changed. */
const jobs = 200;
const rounds = 5;

export async function runsASecond(scene: DaemonScene): Promise<string> {
  const rows: string[] = [];
  for (const name of storeNames)
    for (const workers of name === 'embedded' ? [1] : [1, 2]) {
      const { rates, processorMs } = await measure(name, workers, scene);
      const figures = [...rates].sort((a, b) => a - b);
      const [least, greatest] = [figures[0] ?? NaN, figures.at(-1) ?? NaN];
      const median = figures[Math.floor(figures.length / 2)] ?? NaN;
      rows.push(
        `| ${name} | ${workers} | **${ms(median)}** | ${ms(least)}–${ms(greatest)} | ${processorMs.toFixed(1)} | ${figures.length} |`,
      );
    }
  return [
    '| queue | workers | median, runs a second | min–max | processor ms of the daemons a run | rounds |',
    '|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

async function measure(
  name: StoreName,
  workers: number,
  scene: DaemonScene,
): Promise<{ readonly rates: readonly number[]; readonly processorMs: number }> {
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
