/** Whether a bandwidth limit is kept, and made use of: bytes counted on the line, by when they passed. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { main } from './contenders.js';
import type { DaemonScene } from './daemon-scene.js';
import { startLine } from './delay.js';
import { measure } from './measure.js';
import { verdict } from './samples.js';
import { makeWork, scaled, type Work } from './work.js';

const MiB = 1024 * 1024;
/** Bytes a second. */
const limit = 4 * MiB;
/** Milliseconds over which a limit is to hold. */
const span = 10_000;
/** Twelve seconds' worth each. */
const works: readonly Work[] = [
  { name: 'one-big', files: 1, size: [12 * limit, 12 * limit] },
  { name: 'several-big', files: 12, size: [limit, limit] },
  { name: 'many-small', files: 4800, folders: 10, size: [10_486, 10_486] },
];

interface Passed {
  readonly at: number;
  readonly bytes: number;
}

export async function bandwidth(scene: DaemonScene): Promise<string> {
  const rows: string[] = [];
  for (const work of works) {
    makeWork(scaled(work, scene.scale), join(scene.folder, work.name));
    for (const operation of ['push', 'pull'] as const)
      for (const where of ['job', 'remote'] as const)
        rows.push(await row(scene, work, operation, where));
  }
  return [
    '| work | | limit of the | MiB/s | most in 10 s, MiB/s | within 5 % |',
    '|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

async function row(
  scene: DaemonScene,
  work: Work,
  operation: 'push' | 'pull',
  where: 'job' | 'remote',
): Promise<string> {
  const bytes = Math.round(work.files * work.size[0] * scene.scale);
  const passed = await transfer(scene, work, operation, where);
  const total = passed.reduce((sum, it) => sum + it.bytes, 0);
  // What SSH and SFTP add is no file's; it is spread evenly enough.
  const share = bytes / total;
  // Before the file bytes there is the login, which is far smaller than this.
  const from = passed.find((it) => it.bytes > 4096)?.at ?? NaN;
  const to = passed.at(-1)?.at ?? NaN;
  const [mean, most] = [bytes / ((to - from) / 1000), mostIn(passed) * share];
  const met = Math.abs(mean / limit - 1) <= 0.05 && most / limit <= 1.05;
  console.error(`${work.name}, ${operation}, ${where}: ${mean / MiB}, ${most / MiB} MiB/s`);
  return `| ${work.name} | ${operation} | ${where} | ${(mean / MiB).toFixed(2)} | ${(most / MiB).toFixed(2)} | ${verdict(met)} |`;
}

/** Bytes a second in the span that had the most; in a shorter transfer, over its length. */
function mostIn(passed: readonly Passed[]): number {
  let [sum, most, first] = [0, 0, 0];
  for (const { at, bytes } of passed) {
    sum += bytes;
    for (let oldest = passed[first]; oldest !== undefined && oldest.at <= at - span; ) {
      sum -= oldest.bytes;
      oldest = passed[++first];
    }
    most = Math.max(most, sum);
  }
  const whole = (passed.at(-1)?.at ?? 0) - (passed[0]?.at ?? 0);
  return most / (Math.min(span, whole) / 1000);
}

/** Runs a job with a limit; resolves to what passed in the direction of the files. */
async function transfer(
  { server, folder, signal }: DaemonScene,
  work: Work,
  operation: 'push' | 'pull',
  where: 'job' | 'remote',
): Promise<readonly Passed[]> {
  const passed: Passed[] = [];
  const sender = operation === 'push' ? 'client' : 'server';
  const line = await startLine(server.port, 0, (from, bytes) => {
    if (from === sender) passed.push({ at: performance.now(), bytes });
  });
  const own = join(folder, `${work.name}-${operation}-${where}`);
  mkdirSync(own);
  const limited = { bandwidth: `${limit / MiB}MiB/s` };
  const [from, to] = [join(folder, work.name), join(own, 'to')];
  writeFileSync(join(own, 'known_hosts'), `[127.0.0.1]:${line.port} ${server.hostKey}\n`);
  writeFileSync(
    join(own, 'jobs.yml'),
    JSON.stringify({
      remotes: {
        server: {
          host: '127.0.0.1',
          port: line.port,
          username: userInfo().username,
          auth: { key: server.keyFile },
          knownHosts: join(own, 'known_hosts'),
          root: folder,
          ...(where === 'remote' ? limited : {}),
        },
      },
      jobs: {
        job: {
          operation,
          from: operation === 'push' ? from : `server:${from}`,
          to: operation === 'push' ? `server:${to}` : to,
          ...(where === 'job' ? limited : {}),
        },
      },
    }),
  );
  const env = { PATH: process.env.PATH ?? '', HOME: own, FERRYLINE_STATE_DIR: join(own, 'state') };
  const command = [process.execPath, main, '--config', join(own, 'jobs.yml'), '-q', 'run', 'job'];
  try {
    await measure(command, { folder: own, env, patience: 60, signal });
  } finally {
    await line.close();
  }
  return passed;
}
