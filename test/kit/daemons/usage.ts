/** What a run of the command line cost: the child reports it as it ends. */
import { readFileSync } from 'node:fs';
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
