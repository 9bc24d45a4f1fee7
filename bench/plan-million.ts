/** The time and the memory that a plan of a million new files takes, the largest that one process keeps whole. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { million } from './cases.js';
import { main } from './contenders.js';
import type { DaemonScene } from './daemon-scene.js';
import { type Measured, measure } from './measure.js';
import { median } from './report.js';
import { verdict } from './samples.js';
import { makeWork, scaled } from './work.js';

const aimMb = 300;
/** Seconds until a plan is stopped. */
const patience = 150;

export async function planMillion(scene: DaemonScene): Promise<string> {
  const { server, folder, runs = 5, scale, signal } = scene;
  // the case `million` has the same work
  const work = join(dirname(folder), million.name);
  if (!existsSync(work)) makeWork(scaled(million, scale), work);
  mkdirSync(join(folder, 'there'));
  writeFileSync(join(folder, 'known_hosts'), `[127.0.0.1]:${server.port} ${server.hostKey}\n`);
  const remote = {
    host: '127.0.0.1',
    port: server.port,
    username: userInfo().username,
    auth: { key: server.keyFile },
    knownHosts: join(folder, 'known_hosts'),
    root: join(folder, 'there'),
  };
  const job = { operation: 'mirror', from: work, to: 'server:' };
  writeFileSync(
    join(folder, 'jobs.yml'),
    JSON.stringify({ remotes: { server: remote }, jobs: { job } }),
  );
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: folder,
    FERRYLINE_STATE_DIR: join(folder, 'state'),
  };
  const command = [process.execPath, main, '--config', join(folder, 'jobs.yml'), 'plan', 'job'];
  const taken: Measured[] = [];
  for (let run = 0; run < runs; run++) {
    const measured = await measure(command, { folder, env, patience, signal });
    await server.idle();
    if (measured === undefined) throw new Error(`a plan took more than ${patience} s`);
    taken.push(measured);
  }
  const of = (figure: keyof Measured) => taken.map((one) => one[figure]);
  const span = (values: readonly number[], digits: number) =>
    `**${median(values).toFixed(digits)}** | ${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)}`;
  return [
    '| | median | min–max |',
    '|---|---|---|',
    `| time, s | ${span(of('seconds'), 1)} |`,
    `| CPU, s | ${span(of('cpu'), 1)} |`,
    `| peak memory, MB | ${span(of('megabytes'), 0)} |`,
    '',
    `${runs} runs. Aim: at most ${aimMb} MB in each: ${verdict(Math.max(...of('megabytes')) <= aimMb)}.`,
  ].join('\n');
}
