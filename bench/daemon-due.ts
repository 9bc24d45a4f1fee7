/** Many jobs due in one second, on two processes: how long until all have run, and over how many connections. */
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Daemon, startDaemon, writeJobs } from './daemon.js';
import type { DaemonScene } from './daemon-scene.js';
import { ms } from './samples.js';
import { startStore } from './stores.js';

const jobsWanted = 300;
const processes = 2;
/** How far ahead the moment is at which all are due: until then the processes start. */
const aheadMs = 15_000;

export async function due(scene: DaemonScene): Promise<string> {
  const rows: string[] = [];
  for (const name of ['redis', 'postgres'] as const) rows.push(await measure(name, scene));
  return [
    '| queue | jobs | seconds until all had run | connections of each process, at most | resident of each, at most |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

async function measure(name: 'redis' | 'postgres', scene: DaemonScene): Promise<string> {
  const folder = join(scene.folder, name);
  mkdirSync(join(folder, 'store'), { recursive: true });
  const store = await startStore(name, join(folder, 'store'));
  const port = Number(new URL(store.url).port);
  const daemons: Daemon[] = [];
  const source = join(folder, 'data');
  mkdirSync(source);
  writeFileSync(join(source, 'file.bin'), Buffer.alloc(1024, 'x'));
  const moment = new Date(Math.ceil((Date.now() + aheadMs) / 1000) * 1000);
  const [minute, hour] = [moment.getUTCMinutes(), moment.getUTCHours()];
  const schedule = `${moment.getUTCSeconds()} ${minute} ${hour} * * *`;
  const names = Array.from({ length: Math.ceil(jobsWanted * scene.scale) }, (_, i) => `job-${i}`);
  const jobs = names.map((one) => [
    one,
    { operation: 'push', from: source, to: `server:there/${one}`, schedule, timezone: 'UTC' },
  ]);
  try {
    for (let i = 0; i < processes; i++) {
      const home = join(folder, `${i}`);
      mkdirSync(home);
      writeJobs(home, store.url, scene.server, Object.fromEntries(jobs));
      daemons.push(await startDaemon(home));
    }
    if (Date.now() >= moment.getTime()) throw new Error('the processes took too long to start');
    const most = daemons.map(() => 0);
    for (let left = names.length; left > 0; ) {
      scene.signal.throwIfAborted();
      for (const [i, { pid }] of daemons.entries())
        most[i] = Math.max(most[i] ?? 0, connectionsTo(pid, port));
      if (Date.now() > moment.getTime() + 300_000)
        throw new Error(`${left} of the runs are missing`);
      left = names.length - (await succeeded(daemons[0] as Daemon));
      await sleep(50);
    }
    const seconds = (Date.now() - moment.getTime()) / 1000;
    const peaks = daemons.map((daemon) => Math.round(daemon.usage().peak));
    return `| ${name} | ${names.length} | **${ms(seconds)}** | ${most.join(', ')} | ${peaks.join(', ')} MiB |`;
  } finally {
    for (const daemon of daemons) await daemon.stop();
    await store.stop();
  }
}

/** How many jobs have a run that succeeded. */
async function succeeded(daemon: Daemon): Promise<number> {
  const { runs } = (await daemon.ask('GET', '/api/runs?limit=10000&idle=1')) as {
    runs: readonly { job: string; outcome?: string }[];
  };
  return new Set(runs.filter(({ outcome }) => outcome === 'succeeded').map(({ job }) => job)).size;
}

/** How many TCP connections a process has at the moment to a port of this machine. */
function connectionsTo(pid: number, port: number): number {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const established = '01';
  const rows = ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8').split('\n'),
  );
  const sockets = new Set<string>();
  for (const row of rows) {
    const fields = row.trim().split(/\s+/);
    if (fields[2]?.endsWith(`:${hex}`) && fields[3] === established)
      sockets.add(`socket:[${fields[9]}]`);
  }
  const open = readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return sockets.has(readlinkSync(`/proc/${pid}/fd/${fd}`));
    } catch {
      return false; // it was closed meanwhile
    }
  });
  return open.length;
}
