/** How soon a file that was dropped into a folder stands on the server: ferryline beside lsyncd. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDaemon, writeJobs } from './daemon.js';
import type { DaemonScene } from './daemon-scene.js';
import { median } from './report.js';
import { cells, lookAt, ms, verdict } from './samples.js';

const settle = 200;

interface Contender {
  readonly title: string;
  readonly from: string;
  readonly to: string;
  readonly values: number[];
  stop(): Promise<void>;
}

export async function watch(scene: DaemonScene): Promise<string> {
  const started: Contender[] = [];
  try {
    started.push(await ferryline(scene, 'embedded'));
    started.push(await lsyncd(scene, false));
    started.push(await lsyncd(scene, true));
    const runs = scene.runs ?? Math.ceil(40 * scene.scale);
    // The first makes the session warm.
    for (let run = -1; run < runs; run++) {
      for (const it of started) {
        scene.signal.throwIfAborted();
        const value = await drop(it, `file-${run + 1}.bin`);
        if (run >= 0) it.values.push(value);
        // At no fixed distance from anybody's clock.
        await sleep(700 + Math.random() * 1000);
      }
    }
  } finally {
    for (const it of started) await it.stop();
  }
  const [ours, plain] = started.map(({ values }) => median(values));
  const most = settle + 250;
  const ratio = (plain ?? NaN) / (ours ?? NaN);
  return [
    '| | median, ms | p99 | min–max | files |',
    '|---|---|---|---|---|',
    ...started.map(({ title, values }) => `| ${title} | ${cells(values)} |`),
    '',
    `- aim: at most ${most} ms at the median: ${verdict((ours ?? NaN) <= most)} (${ms(ours ?? NaN)} ms)`,
    `- aim: at least 3.00× sooner than lsyncd: ${verdict(ratio >= 3)} (${ratio.toFixed(2)}×)`,
  ].join('\n');
}

async function drop({ from, to }: Contender, name: string): Promise<number> {
  const content = Buffer.alloc(1024, name);
  const onlooker = lookAt(to);
  try {
    const there = onlooker.next((kind, file) => kind === 'rename' && file === name);
    writeFileSync(join(from, name), content);
    const start = performance.now();
    const value = (await there) - start;
    if (!readFileSync(join(to, name)).equals(content)) throw new Error(`${to}/${name} is wrong`);
    return value;
  } finally {
    onlooker.close();
  }
}

async function ferryline({ folder: parent, server }: DaemonScene, queue: string) {
  const folder = join(parent, 'ferryline');
  mkdirSync(folder);
  writeJobs(folder, queue, server, {
    job: {
      operation: 'push',
      from: './data',
      to: 'server:there',
      watch: { settle: `${settle}ms`, rescan: '1h' },
    },
  });
  const daemon = await startDaemon(folder);
  return {
    title: `ferryline, settle: ${settle}ms`,
    from: join(folder, 'data'),
    to: join(folder, 'there'),
    values: [],
    stop: daemon.stop,
  };
}

/** With rsync over ssh, as its own recipe has it; `shared`: over one login that ssh keeps. */
async function lsyncd({ folder: parent, server }: DaemonScene, shared: boolean) {
  const folder = join(parent, shared ? 'lsyncd-shared' : 'lsyncd');
  const [from, to] = [join(folder, 'data'), join(folder, 'there')];
  for (const it of [folder, from, to]) mkdirSync(it);
  writeFileSync(join(folder, 'known_hosts'), `[127.0.0.1]:${server.port} ${server.hostKey}\n`);
  const settings = join(folder, 'ssh_config');
  writeFileSync(
    settings,
    [
      'Host bench',
      '  HostName 127.0.0.1',
      `  Port ${server.port}`,
      `  User ${userInfo().username}`,
      `  IdentityFile ${server.keyFile}`,
      '  IdentitiesOnly yes',
      `  UserKnownHostsFile ${join(folder, 'known_hosts')}`,
      '  StrictHostKeyChecking yes',
      ...(shared
        ? ['  ControlMaster auto', `  ControlPath ${join(folder, 'ssh')}`, '  ControlPersist 60']
        : []),
      '',
    ].join('\n'),
  );
  const config = join(folder, 'lsyncd.lua');
  writeFileSync(
    config,
    `settings { nodaemon = true, logfile = "${folder}/log", statusFile = "${folder}/status" }
sync {
  default.rsync, source = "${from}", target = "bench:${to}", delay = 1,
  rsync = { archive = true, rsh = "ssh -F ${settings}" },
}
`,
  );
  const child = spawn('lsyncd', [config], { cwd: folder, stdio: 'ignore' });
  const ended = once(child, 'exit');
  const endWithUs = () => child.kill();
  process.once('exit', endWithUs);
  return {
    title: `lsyncd, delay 1${shared ? ", over one login (ssh's ControlMaster)" : ''}`,
    from,
    to,
    values: [],
    async stop() {
      child.kill();
      await ended;
      process.off('exit', endWithUs);
      if (shared) await once(spawn('ssh', ['-F', settings, '-O', 'exit', 'bench']), 'exit');
    },
  };
}
