/** What a daemon takes while nothing is to do, and how soon it works after its start. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Daemon, startDaemon, writeJobs } from './daemon.js';
import type { DaemonScene } from './daemon-scene.js';
import { verdict } from './samples.js';
import { type StoreName, startStore, storeNames } from './stores.js';

/** Milliseconds over which idle CPU is counted, and before that for what a start leaves to do. */
const [over, before] = [30_000, 10_000];

const jobs = {
  nightly: { operation: 'mirror', from: './data', to: 'server:there', schedule: '0 2 1 1 *' },
  drop: { operation: 'push', from: './data', to: 'server:there', watch: true },
  publish: { operation: 'push', from: './data', to: 'server:there' },
};

interface Idle {
  /** Seconds until it worked: at the first start, and at one later. */
  readonly first: number;
  readonly later: number;
  /** The most that was resident at the first start, MiB. */
  readonly peak: number;
  readonly mebibytes: number;
  /** Of one core. */
  readonly cpu: number;
}

export async function idle(scene: DaemonScene): Promise<string> {
  const results = await measureAll(scene, storeNames, jobs);
  const [embedded = NaN, redis = NaN] = results.map(({ mebibytes }) => mebibytes);
  return [
    ...table(storeNames, results),
    '',
    `- PGlite, the embedded queue, costs ${Math.round(embedded - redis)} MiB beside Redis, which runs elsewhere`,
    `- aim: under 120 MB with Redis: ${verdict(redis * 1.048576 < 120)} (${Math.round(redis * 1.048576)} MB)`,
  ].join('\n');
}

export async function thousand(scene: DaemonScene): Promise<string> {
  const many = Object.fromEntries(
    Array.from({ length: Math.ceil(1000 * scene.scale) }, (_, i) => [
      `job-${i}`,
      {
        operation: 'mirror',
        from: './data',
        to: `server:there/${i}`,
        schedule: `${i % 60} ${i % 24} 1 1 *`,
      },
    ]),
  );
  const stores = ['embedded', 'redis'] as const;
  return table(stores, await measureAll(scene, stores, many)).join('\n');
}

function table(stores: readonly StoreName[], results: readonly Idle[]): string[] {
  return [
    '| queue | first start, s | later start, s | peak of the first start | resident | idle CPU |',
    '|---|---|---|---|---|---|',
    ...results.map(
      ({ first, later, peak, mebibytes, cpu }, i) =>
        `| ${stores[i]} | ${first.toFixed(2)} | ${later.toFixed(2)} | ${Math.round(peak)} MiB | **${Math.round(mebibytes)} MiB** | ${(cpu * 100).toFixed(2)} % |`,
    ),
  ];
}

async function measureAll(
  scene: DaemonScene,
  stores: readonly StoreName[],
  asked: Readonly<Record<string, object>>,
): Promise<readonly Idle[]> {
  const results: Idle[] = [];
  for (const name of stores) results.push(await measure(scene, name, asked));
  return results;
}

async function measure(
  scene: DaemonScene,
  name: StoreName,
  asked: Readonly<Record<string, object>>,
): Promise<Idle> {
  const folder = join(scene.folder, name);
  mkdirSync(join(folder, 'store'), { recursive: true });
  const store = await startStore(name, join(folder, 'store'));
  try {
    writeJobs(folder, store.url, scene.server, asked);
    writeFileSync(join(folder, 'data/file.bin'), Buffer.alloc(1024, 'x'));
    const fresh = await startDaemon(folder);
    const { peak } = fresh.usage();
    await fresh.stop();
    const daemon = await startDaemon(folder);
    await once(daemon, Object.keys(asked).at(-1) ?? '');
    await sleep(before * scene.scale, undefined, { signal: scene.signal });
    const begun = daemon.usage();
    await sleep(over * scene.scale, undefined, { signal: scene.signal });
    const ended = daemon.usage();
    await daemon.stop();
    return {
      first: fresh.seconds,
      later: daemon.seconds,
      peak,
      mebibytes: ended.mebibytes,
      cpu: (ended.cpu - begun.cpu) / ((over * scene.scale) / 1000),
    };
  } finally {
    await store.stop();
  }
}

/** One run, so that all that a run needs is loaded. */
async function once(daemon: Daemon, job: string): Promise<void> {
  const { run } = (await daemon.ask('POST', `/api/jobs/${job}/enqueue`)) as { run: string };
  await daemon.ask('GET', `/api/runs/${run}/outcome`);
}
