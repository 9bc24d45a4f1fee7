/** What a run of the command line cost: the child reports it as it ends. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { temporaryFolder } from '../files/temporary.js';

export interface Usage {
  /** The most memory it ever held, MiB. */
  readonly memory: number;
  /** Seconds of CPU, user and system, all threads. */
  readonly cpu: number;
  /** Seconds from start to end. */
  readonly elapsed: number;
}

const reporter = `
import { writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
if (isMainThread)
  process.on('exit', () => {
    const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
    const usage = {
      memory: maxRSS / 1024,
      cpu: (userCPUTime + systemCPUTime) / 1e6,
      elapsed: process.uptime(),
    };
    writeFileSync(process.env.USAGE_FILE, JSON.stringify(usage));
  });
`;

/** An environment for `cli`, and what the process that had it used, once it has ended. */
export async function measured(): Promise<{ env: Record<string, string>; usage(): Usage }> {
  const folder = await temporaryFolder();
  const file = join(folder, 'usage.json');
  const module = join(folder, 'report.mjs');
  await writeFile(module, reporter);
  return {
    env: { NODE_OPTIONS: `--import=${pathToFileURL(module).href}`, USAGE_FILE: file },
    usage: () => JSON.parse(readFileSync(file, 'utf8')) as Usage,
  };
}

/** How many TCP connections a process has at the moment to a port of this machine. Linux. */
export function connectionsTo(pid: number, port: number): number {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const established = '01';
  const sockets = new Set(
    ['tcp', 'tcp6'].flatMap((table) =>
      readFileSync(`/proc/${pid}/net/${table}`, 'utf8')
        .split('\n')
        .map((line) => line.trim().split(/\s+/))
        .filter(([, , remote, state]) => remote?.endsWith(`:${hex}`) && state === established)
        .map((fields) => `socket:[${fields[9]}]`),
    ),
  );
  const folder = `/proc/${pid}/fd`;
  const isOne = (name: string) => {
    try {
      return sockets.has(readlinkSync(join(folder, name)));
    } catch {
      return false; // it was closed meanwhile
    }
  };
  return readdirSync(folder).filter(isOne).length;
}
