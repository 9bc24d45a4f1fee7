/** The tools of the demo: commands that are shown and run, and promises that are checked. */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Cancelled, FerryError } from '../../core/errors.js';
import type { Report } from '../../core/events.js';
import { jobReportsFolder } from '../../state/layout.js';
import { builtProgram } from '../../state/own-files.js';
import type { Output } from '../show/output.js';
import type { DemoHost } from './host.js';

export interface Stage {
  readonly folder: string;
  /** The served folder on disk. */
  readonly served: string;
  readonly host: DemoHost;
  readonly output: Output;
  readonly signal: AbortSignal;
}

export function title({ output }: Stage, text: string): void {
  output.note('');
  output.note(output.style.bold(text));
}

/** Shows a command and runs it; fails unless it ends with the expected exit code. */
export async function command(
  stage: Stage,
  args: readonly string[],
  expected: number,
): Promise<void> {
  showCommand(stage, args);
  const code = await ferryline(stage, args, 'inherit');
  if (code !== expected)
    broken(`"ferryline ${args.join(' ')}" ended with ${code}, not ${expected}`);
}

export function showCommand({ output }: Stage, args: readonly string[]): void {
  output.note(output.style.dim(`$ ferryline ${args.join(' ')}`));
}

/** Checks a promise and prints it; fails if it does not hold. */
export async function check({ output }: Stage, what: string, holds: () => Promise<boolean>) {
  if (!(await holds())) broken(`this did not hold: ${what}`);
  output.note(`${output.style.green('ok')}  ${what}`);
}

export function broken(what: string): never {
  throw new FerryError('defect', `the demo failed: ${what}`, {
    hint: 'please report this with all of the output above',
  });
}

/** Runs a command and resolves to its exit code. An abort stops the command; the promise then rejects with the signal's reason. */
export async function ferryline(
  stage: Stage,
  args: readonly string[],
  stdio: 'inherit' | 'ignore',
): Promise<number> {
  const { signal } = stage;
  if (signal.aborted) throw signal.reason;
  const child = spawnFerryline(stage, args, [
    'ignore',
    stdio === 'inherit' ? 'inherit' : 'ignore',
    stdio,
  ]);
  const forward = () => child.kill(exitedBy(signal) === 143 ? 'SIGTERM' : 'SIGINT');
  signal.addEventListener('abort', forward);
  const [code] = (await once(child, 'exit')) as [number | null];
  signal.removeEventListener('abort', forward);
  if (signal.aborted) throw signal.reason;
  return code ?? 1;
}

/** Starts this program in the demo's folder, with the variables that point jobs.yml to the demo's server. */
export function spawnFerryline(
  { folder, host, output }: Stage,
  args: readonly string[],
  stdio: StdioOptions,
  more: Readonly<Record<string, string>> = {},
): ChildProcess {
  const { FERRYLINE_CONFIG: _, FERRYLINE_QUEUE: __, ...env } = process.env;
  return spawn(process.execPath, [builtProgram, ...args, ...(output.color ? [] : ['--no-color'])], {
    cwd: folder,
    stdio,
    env: {
      ...env,
      FERRYLINE_STATE_DIR: stateOf(folder),
      ARCHIVE_HOST: '127.0.0.1',
      ARCHIVE_PORT: String(host.port),
      ARCHIVE_USER: host.username,
      ARCHIVE_KEY: host.keyFile,
      ARCHIVE_KNOWN_HOSTS: host.knownHostsFile,
      ARCHIVE_ROOT: host.root,
      ...more,
    },
  });
}

function exitedBy({ reason }: AbortSignal): number {
  return reason instanceof Cancelled ? reason.exitCode : 130;
}

function stateOf(folder: string): string {
  return join(folder, '..', 'state');
}

export async function lastReport({ folder }: Stage, job: string): Promise<Report> {
  const runs = jobReportsFolder(stateOf(folder), job);
  // By start time, since ids of the same millisecond sort at random.
  const reports = await Promise.all(
    (await readdir(runs)).map(
      async (name) => JSON.parse(await readFile(join(runs, name), 'utf8')) as Report,
    ),
  );
  const [latest] = reports.sort((a, b) => b.startedAt.localeCompare(a.startedAt));
  return latest ?? broken(`job ${job} left no report`);
}
