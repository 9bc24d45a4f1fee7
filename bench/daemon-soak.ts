/** Runs at a steady pace for a while: nothing of the daemon may grow. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bytesBelow, type Daemon, startDaemon, type Usage, writeJobs } from './daemon.js';
import type { DaemonScene } from './daemon-scene.js';
import { type Store, startStore, storeNames } from './stores.js';

const perMinute = 100;
/** Minutes after which it is looked at; the last ends it. */
const looks = [1, 5, 10];
/** Runs ahead: more than the ended ones that a queue keeps. */
const ahead = 1100;
/** Jobs that take turns, so that runs may overlap. */
const jobs = 10;

interface Look extends Usage {
  readonly minute: number;
  /** Bytes of the queue. */
  readonly queue: number;
  /** Bytes of the state folder but the embedded queue's. */
  readonly state: number;
}

/** All stores at once, each with a daemon of its own. */
export async function soak(scene: DaemonScene): Promise<string> {
  const tables = await Promise.all(
    storeNames.map(async (name) => {
      const folder = join(scene.folder, name);
      mkdirSync(join(folder, 'store'), { recursive: true });
      const store = await startStore(name, join(folder, 'store'));
      try {
        return (await soakOne(scene, folder, store)).map(
          (it) =>
            `| ${name} | ${it.minute} | ${Math.round(it.mebibytes)} MiB | ${it.handles} | ${mebi(it.queue)} | ${mebi(it.state)} | ${it.cpu.toFixed(1)} |`,
        );
      } finally {
        await store.stop();
      }
    }),
  );
  return [
    '| queue | minute | resident | handles | queue | rest of the state folder | CPU so far, s |',
    '|---|---|---|---|---|---|---|',
    ...tables.flat(),
  ].join('\n');
}

const mebi = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

async function soakOne(scene: DaemonScene, folder: string, store: Store): Promise<Look[]> {
  const names = Array.from({ length: jobs }, (_, i) => `job-${i}`);
  writeJobs(
    folder,
    store.url,
    scene.server,
    Object.fromEntries(
      names.map((name) => [
        name,
        { operation: 'push', from: `./data/${name}`, to: `server:there/${name}`, history: 20 },
      ]),
    ),
  );
  for (const name of names) mkdirSync(join(folder, 'data', name));
  const daemon = await startDaemon(folder);
  let count = 0;
  const run = async () => {
    const name = names[count++ % jobs] ?? '';
    writeFileSync(join(folder, 'data', name, 'file.bin'), Buffer.alloc(1000 + count, 'x'));
    await complete(daemon, name);
  };

  for (let i = 0; i < Math.ceil((ahead / jobs) * scene.scale); i++)
    await Promise.all(names.map(run));
  const state = join(folder, 'state');
  const took: Look[] = [];
  const start = performance.now();
  const cpu = daemon.usage().cpu;
  const runs = new Set<Promise<void>>();
  let failed: unknown;
  for (let i = 1; ; i++) {
    scene.signal.throwIfAborted();
    if (failed !== undefined) throw failed;
    const due = start + (i * 60_000) / perMinute;
    await sleep(Math.max(0, due - performance.now()));
    const minute = looks.find((it) => Math.ceil(it * perMinute * scene.scale) === i);
    if (minute !== undefined) {
      const usage = daemon.usage();
      const queue = store.bytes(folder);
      const inside = store.name === 'embedded' ? queue : 0;
      took.push({
        ...usage,
        cpu: usage.cpu - cpu,
        minute,
        queue,
        state: bytesBelow(state) - inside,
      });
    }
    if (minute === looks.at(-1)) break;
    const one = run()
      .catch((error) => {
        failed = error;
      })
      .finally(() => runs.delete(one));
    runs.add(one);
  }
  await Promise.all(runs);
  await daemon.stop();
  return took;
}

async function complete(daemon: Daemon, job: string): Promise<void> {
  const { run } = (await daemon.ask('POST', `/api/jobs/${job}/enqueue`)) as { run: string };
  const report = (await daemon.ask('GET', `/api/runs/${run}/outcome`)) as { outcome: string };
  if (report.outcome !== 'succeeded') throw new Error(JSON.stringify(report));
}
