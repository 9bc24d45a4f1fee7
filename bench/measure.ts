/** One process from start to end: wall time, CPU time, memory; stopped when it takes too long. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Measured {
  /** Wall time of the whole process. */
  readonly seconds: number;
  /** User and system time of the process and of the children that it waited for. */
  readonly cpu: number;
  /** Peak resident memory of the largest of these processes, in MiB. */
  readonly mebibytes: number;
}

export interface Measuring {
  /** Gets the output and the figures: `output`, `figures`. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** Seconds until it is killed. */
  readonly patience: number;
  readonly signal: AbortSignal;
}

/**
 * Runs a command under GNU time. `undefined` when it had to be stopped; throws with the end of its
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
  const child = spawn('time', ['-q', '-o', figures, '-f', '%U %S %M', '--', ...command], {
    cwd: folder,
    env,
    stdio: ['ignore', output, output],
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
    const { status, seconds } = await new Promise<{ status: string; seconds: number }>(
      (resolve, reject) => {
        child.once('error', reject);
        child.once('exit', (code, by) =>
          resolve({
            status: String(code ?? by),
            seconds: (performance.now() - start) / 1000,
          }),
        );
      },
    );
    signal.throwIfAborted();
    if (late) return undefined;
    if (status !== '0') {
      const said = readFileSync(outputFile, 'utf8').slice(-3000);
      throw new Error(`${command.join(' ')}\nended with ${status}:\n${said}`);
    }
    const [user = NaN, system = NaN, kibibytes = NaN] = readFileSync(figures, 'utf8')
      .trim()
      .split(' ')
      .map(Number);
    return { seconds, cpu: user + system, mebibytes: kibibytes / 1024 };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', kill);
    closeSync(output);
  }
}
