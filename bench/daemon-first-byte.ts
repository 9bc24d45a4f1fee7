/** How soon a run that was asked for moves its first byte. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startDaemon, writeJobs } from './daemon.js';
import type { DaemonScene } from './daemon-scene.js';
import { cells, lookAt } from './samples.js';
import { type StoreName, startStore, storeNames } from './stores.js';

export async function firstByte(scene: DaemonScene): Promise<string> {
  const rows: string[] = [];
  for (const name of storeNames) {
    const values = await measure(name, scene);
    rows.push(`| ${name} | ${cells(values)} |`);
  }
  return ['| queue | median, ms | p99 | min–max | runs |', '|---|---|---|---|---|', ...rows].join(
    '\n',
  );
}

async function measure(name: StoreName, scene: DaemonScene): Promise<readonly number[]> {
  const folder = join(scene.folder, name);
  mkdirSync(join(folder, 'store'), { recursive: true });
  const store = await startStore(name, join(folder, 'store'));
  try {
    writeJobs(folder, store.url, scene.server, {
      job: { operation: 'push', from: './data', to: 'server:there' },
    });
    const daemon = await startDaemon(folder);
    const onlooker = lookAt(join(folder, 'there'));
    const values: number[] = [];
    const runs = scene.runs ?? Math.ceil(200 * scene.scale);
    // The first three make the session warm and the code hot.
    for (let run = -3; run < runs; run++) {
      scene.signal.throwIfAborted();
      // Another size each time: whole seconds alone would not tell two files apart.
      writeFileSync(join(folder, 'data/file.bin'), Buffer.alloc(2000 + run, 'x'));
      const written = onlooker.next((kind, file) => kind === 'change' && file.endsWith('part'));
      const start = performance.now();
      const { run: id } = (await daemon.ask('POST', '/api/jobs/job/enqueue')) as { run: string };
      const seconds = (await written) - start;
      const report = (await daemon.ask('GET', `/api/runs/${id}/outcome`)) as { outcome: string };
      if (report.outcome !== 'succeeded') throw new Error(JSON.stringify(report));
      if (run >= 0) values.push(seconds);
    }
    onlooker.close();
    await daemon.stop();
    return values;
  } finally {
    await store.stop();
  }
}
