/** One process from start to end: wall time, CPU time, memory; stopped when it takes too long. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

export interface Measured {
  /** Wall time of the whole process. */
  readonly seconds: number;
  /** User and system time of the process and of all that it started. */
  readonly cpu: number;
  /** Peak resident memory of the largest of these processes, in MB. */
  readonly megabytes: number;
}

export interface Measuring {
  /** Gets the output and the figures: `output`, `figures`. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** Seconds until it is killed. */
  readonly patience: number;
  readonly signal: AbortSignal;
}

/** Waits for what the command leaves behind. */
const whole = join(import.meta.dirname, '../whole.pl');

/**
 * Runs a command under GNU time. Its wall time ends with the process itself, CPU and memory count
 * what it started, too, and are there once all of it has ended. `undefined` when it had to be stopped; throws with the end of its
 * output when it failed.
 */
export async function measure(
  command: readonly string[],
  { folder, env, patience, signal }: Measuring,
): Promise<Measured | undefined> {
  const [figures, outputFile] = [join(folder, 'figures'), join(folder, 'output')];
  const output = openSync(outputFile, 'w');
  const start = performance.now();
  // A group of its own, so that it ends with the processes it started.
  const timed = ['-q', '-o', figures, '-f', '%U %S %M', '--', 'perl', whole, ...command];
  const child = spawn('time', timed, {
    cwd: folder,
    env,
    stdio: ['ignore', output, output, 'pipe'],
    detached: true,
  });
  const kill = () => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  };
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    kill();
  }, patience * 1000);
  signal.addEventListener('abort', kill, { once: true });
  try {
    let seconds = NaN;
    let status = '';
    const said = child.stdio[3] as Readable;
    said.setEncoding('utf8').on('data', (text: string) => {
      seconds = (performance.now() - start) / 1000;
      status = text.trim();
    });
    await once(child, 'close');
    signal.throwIfAborted();
    if (late) return undefined;
    if (status !== '0') {
      const end = readFileSync(outputFile, 'utf8').slice(-3000);
      throw new Error(`${command.join(' ')}\nended with ${status}:\n${end}`);
    }
    const [user = NaN, system = NaN, kibibytes = NaN] = readFileSync(figures, 'utf8')
      .trim()
      .split(' ')
      .map(Number);
    return { seconds, cpu: user + system, megabytes: (kibibytes * 1024) / 1e6 };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', kill);
    closeSync(output);
  }
}
