/** How long a command takes that has nothing to do but start; `one-file` and `noop` measure the same where there is work. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { environmentOf, main } from './daemon.js';
import type { DaemonScene } from './daemon-scene.js';
import { median } from './report.js';
import { cells, verdict } from './samples.js';

/** Each command as a whole process, in turn; sftp prints no version, and its ssh does. */
const commands: Readonly<Record<string, readonly string[]>> = {
  ferryline: [process.execPath, main, '--version'],
  rclone: ['rclone', 'version'],
  rsync: ['rsync', '--version'],
  'sftp (`ssh -V`)': ['ssh', '-V'],
  Node: [process.execPath, '--version'],
};

const aimMs = 60;

export async function startUp({ folder, runs = 20 }: DaemonScene): Promise<string> {
  const home = join(folder, 'home');
  mkdirSync(home);
  const env = environmentOf(home);
  const taken = new Map(Object.keys(commands).map((name) => [name, [] as number[]]));
  // the first run of each fills caches
  for (let round = 0; round <= runs; round++)
    for (const [name, [program = '', ...args]] of Object.entries(commands)) {
      const since = performance.now();
      execFileSync(program, args, { env, stdio: 'ignore' });
      if (round > 0) taken.get(name)?.push(performance.now() - since);
    }
  const ours = median(taken.get('ferryline') ?? []);
  return [
    '| | median, ms | p99 | min–max | times |',
    '|---|---|---|---|---|',
    ...[...taken].map(([name, values]) => `| ${name} | ${cells(values)} |`),
    '',
    `Aim: ferryline in at most ${aimMs} ms: ${verdict(ours <= aimMs)}.`,
  ].join('\n');
}
