/** The built command line as a child process, as a user runs it. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';

const project = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const main = join(project, 'dist/cli/main.js');

export interface RunOptions {
  readonly cwd?: string;
  /** Added to a small environment: PATH, and HOME and the state folder inside `cwd`. */
  readonly env?: Readonly<Record<string, string>>;
  /** For its stdin. */
  readonly input?: string;
  readonly signal?: AbortSignal;
  /** A command that starts it: `['prlimit', '--nofile=20']`. */
  readonly wrap?: readonly string[];
  /** The program's file: that of another build (`buildOf`). */
  readonly program?: string;
}

/** One line of `--json`. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into it as users' scripts do
export type JsonEvent = Record<string, any> & { readonly event: string };

export interface Result {
  /** The exit code, or 128 + the signal's number. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Stdout's lines as objects where it was called with `--json`; else empty. */
  readonly events: readonly JsonEvent[];
}

export interface Live {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  /** Resolves when stdout or stderr matches; rejects with both when the process ends first. */
  said(pattern: RegExp): Promise<void>;
  readonly ended: Promise<Result>;
}

/** Runs `ferryline ARGS…` to its end. Never rejects for an exit code. */
export function ferryline(args: readonly string[], options: RunOptions = {}): Promise<Result> {
  return startFerryline(args, options).ended;
}

/** Starts `ferryline ARGS…` and hands out the live child. */
export function startFerryline(args: readonly string[], options: RunOptions = {}): Live {
  mustBeBuilt();
  const cwd = options.cwd ?? project;
  const [command = '', ...words] = [
    ...(options.wrap ?? []),
    process.execPath,
    options.program ?? main,
    ...args,
  ];
  const child = spawn(command, words, {
    cwd,
    signal: options.signal,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      HOME: cwd,
      FERRYLINE_STATE_DIR: join(cwd, '.state'),
      // compiled code is kept from test to test
      XDG_CACHE_HOME: join(project, 'dist/cache'),
      ...options.env,
    },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk;
    child.emit('said');
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
    child.emit('said');
  });
  // It may well end without reading its input.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');

  let over = false;
  const ended = once(child, 'close').then(([code, signal]): Result => {
    over = true;
    child.emit('said');
    return {
      code: code ?? 128 + (signalNumbers[signal as string] ?? 0),
      stdout,
      stderr,
      events: args.includes('--json') ? parseEvents(stdout) : [],
    };
  });
  return {
    child,
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    said(pattern) {
      return new Promise((resolve, reject) => {
        const look = () => {
          const found = pattern.test(stdout) || pattern.test(stderr);
          if (!found && !over) return;
          child.off('said', look);
          if (found) resolve();
          else reject(new Error(`it ended before it said ${pattern}:\n${stdout}\n${stderr}`));
        };
        child.on('said', look);
        look();
      });
    },
    ended,
  };
}

/** Writes `folder/jobs.yml` from YAML text or a plain object; resolves to its path. */
export async function writeJobs(folder: string, jobs: string | object): Promise<string> {
  const file = join(folder, 'jobs.yml');
  await writeFile(file, typeof jobs === 'string' ? jobs : stringify(jobs));
  return file;
}

const signalNumbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
};

function parseEvents(stdout: string): JsonEvent[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      try {
        return JSON.parse(line) as JsonEvent;
      } catch {
        throw new Error(`with --json, stdout holds a line that is no JSON: ${line}`);
      }
    });
}

let built = false;

/** The tests drive what users get: the built program, no older than its sources. */
function mustBeBuilt(): void {
  if (built) return;
  if (!existsSync(main)) throw new Error('dist/ is missing: run `npm run build` first');
  const builtAt = statSync(main).mtimeMs;
  const sources = readdirSync(join(project, 'src'), { recursive: true, encoding: 'utf8' });
  for (const source of sources) {
    if (!source.endsWith('.ts') || source.endsWith('.d.ts')) continue;
    if (statSync(join(project, 'src', source)).mtimeMs > builtAt)
      throw new Error(`dist/ is older than src/${source}: run \`npm run build\` first`);
  }
  built = true;
}
