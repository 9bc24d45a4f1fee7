/** Whether a big run holds up small ones that go to the same remote. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Daemon, startDaemon, writeJobs } from './daemon.js';
import type { DaemonScene } from './daemon-scene.js';
import { startLine } from './delay.js';
import { cells } from './samples.js';
import { startStore } from './stores.js';
import { makeWork, scaled } from './work.js';

const GiB = 1024 ** 3;

export async function fair(scene: DaemonScene): Promise<string> {
  makeWork(
    scaled({ name: 'big', files: 1, size: [2 * GiB, 2 * GiB] }, scene.scale),
    join(scene.folder, 'big'),
  );
  const rows: string[] = [];
  for (const roundTrip of [0, 50]) {
    const line = roundTrip === 0 ? undefined : await startLine(scene.server.port, roundTrip);
    try {
      rows.push(...(await measure(scene, line?.port ?? scene.server.port, roundTrip)));
    } finally {
      await line?.close();
    }
  }
  return [
    '| round trip | | median, ms | p99 | min–max | runs |',
    '|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

async function measure(scene: DaemonScene, port: number, roundTrip: number): Promise<string[]> {
  const folder = join(scene.folder, `${roundTrip}`);
  mkdirSync(join(folder, 'store'), { recursive: true });
  const store = await startStore('redis', join(folder, 'store'));
  try {
    const push = { operation: 'push' };
    writeJobs(
      folder,
      store.url,
      { ...scene.server, port },
      {
        big: { ...push, from: join(scene.folder, 'big'), to: 'server:there/big' },
        small: { ...push, from: './data', to: 'server:there/small' },
      },
    );
    const daemon = await startDaemon(folder);
    const small = smallRuns(folder, daemon);
    for (let run = 0; run < 3; run++) await small(); // the session warm, the code hot
    const alone: number[] = [];
    for (let run = 0; run < (scene.runs ?? 50); run++) alone.push(await small());

    const beside: number[] = [];
    while (beside.length < alone.length) {
      scene.signal.throwIfAborted();
      rmSync(join(folder, 'there/big'), { recursive: true, force: true });
      let going = true;
      const start = performance.now();
      const big = runOf(daemon, 'big').finally(() => {
        going = false;
      });
      while (going) {
        const took = await small();
        if (going) beside.push(took);
      }
      await big;
      console.error(`big: ${((performance.now() - start) / 1000).toFixed(2)} s`);
    }
    await daemon.stop();
    const title = roundTrip === 0 ? 'loopback' : `${roundTrip} ms`;
    return [`| ${title} | alone | ${cells(alone)} |`, `| | beside 2 GiB | ${cells(beside)} |`];
  } finally {
    await store.stop();
  }
}

/** Milliseconds of one run of a file that has changed. */
function smallRuns(folder: string, daemon: Daemon): () => Promise<number> {
  let size = 1000;
  return async () => {
    // Another size each time: whole seconds alone would not tell two files apart.
    writeFileSync(join(folder, 'data/file.bin'), Buffer.alloc(size++, 'x'));
    const start = performance.now();
    await runOf(daemon, 'small');
    return performance.now() - start;
  };
}

async function runOf(daemon: Daemon, job: string): Promise<void> {
  const { run } = (await daemon.ask('POST', `/api/jobs/${job}/enqueue`)) as { run: string };
  const report = (await daemon.ask('GET', `/api/runs/${run}/outcome`)) as { outcome: string };
  if (report.outcome !== 'succeeded') throw new Error(JSON.stringify(report));
}
