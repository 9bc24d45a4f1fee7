/** How soon a run that was asked for moves its first byte, and has its file at its final name. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startDaemon, writeJobs } from './daemon.js';
import type { DaemonScene } from './daemon-scene.js';
import { cells, lookAt } from './samples.js';
import { type StoreName, startStore, storeNames } from './stores.js';

export async function firstByte(scene: DaemonScene): Promise<string> {
  const rows: string[] = [];
  for (const name of storeNames) {
    const { firstByte, finalName } = await measure(name, scene);
    rows.push(`| ${name} | first byte | ${cells(firstByte)} |`);
    rows.push(`| ${name} | final name | ${cells(finalName)} |`);
  }
  return [
    '| queue | until | median, ms | p99 | min–max | runs |',
    '|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

/** Milliseconds from the request, for each run. */
interface Delays {
  readonly firstByte: readonly number[];
  readonly finalName: readonly number[];
}

async function measure(name: StoreName, scene: DaemonScene): Promise<Delays> {
  const folder = join(scene.folder, name);
  mkdirSync(join(folder, 'store'), { recursive: true });
  const store = await startStore(name, join(folder, 'store'));
  try {
    writeJobs(folder, store.url, scene.server, {
      job: { operation: 'push', from: './data', to: 'server:there' },
    });
    const daemon = await startDaemon(folder);
    const onlooker = lookAt(join(folder, 'there'));
    const delays = { firstByte: [] as number[], finalName: [] as number[] };
    const runs = scene.runs ?? Math.ceil(200 * scene.scale);
    // The first three make the session warm and the code hot.
    for (let run = -3; run < runs; run++) {
      scene.signal.throwIfAborted();
      // Another size each time: whole seconds alone would not tell two files apart.
      writeFileSync(join(folder, 'data/file.bin'), Buffer.alloc(2000 + run, 'x'));
      const written = onlooker.next((kind, file) => kind === 'change' && file.endsWith('part'));
      const named = onlooker.next((_, file) => file === 'file.bin');
      const start = performance.now();
      const { run: id } = (await daemon.ask('POST', '/api/jobs/job/enqueue')) as { run: string };
      const [firstByte, finalName] = [(await written) - start, (await named) - start];
      const report = (await daemon.ask('GET', `/api/runs/${id}/outcome`)) as { outcome: string };
      if (report.outcome !== 'succeeded') throw new Error(JSON.stringify(report));
      if (run < 0) continue;
      delays.firstByte.push(firstByte);
      delays.finalName.push(finalName);
    }
    onlooker.close();
    await daemon.stop();
    return delays;
  } finally {
    await store.stop();
  }
}
