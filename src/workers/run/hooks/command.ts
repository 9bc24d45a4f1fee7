/** Runs one command to its end, in a process group of its own: nothing that it starts there outlives it. */
import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cancelled } from '../../../core/errors.js';
import { escapeText } from '../../../core/text.js';

export interface Command {
  /** The program and its arguments; no shell sees them. */
  readonly argv: readonly string[];
  /** The folder in which it runs, from which a relative program path starts, too. */
  readonly folder: string;
  /** Its whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** What it can read on its standard input. */
  readonly input: string;
  /** Milliseconds after which it is ended. */
  readonly timeout: number;
  /** Milliseconds that its processes have after SIGTERM before they get SIGKILL; absent: 5 s. */
  readonly grace?: number;
}

/** How a command ended. */
export interface CommandEnd {
  /** Undefined when it ended with 0; otherwise why it failed, in words. */
  readonly failed: string | undefined;
  readonly seconds: number;
  /** The last 64 KiB of what it printed, on both outputs. */
  readonly output: string;
}

/** Milliseconds of that, at most, when ferryline itself ends: its runs are handed back before then. */
const graceAtEndMs = 2000;
/** What is kept of a command's output; what it prints before that is dropped. */
const keptBytes = 64 * 1024;
const lookEveryMs = 20;
/** Milliseconds that processes are waited for that got SIGKILL; one in the middle of a system call may take longer. */
const killedWithinMs = 1000;
/** Milliseconds that output is still read for when a process that left the group keeps it open. */
const lastWordsMs = 200;

/**
 * Runs a command. It ends with its first process: what is left of its group then gets SIGTERM, and
 * SIGKILL after 5 s, and nobody waits for a process that keeps its output open. The same happens to
 * all of it after the timeout, or when the signal is aborted; an aborted one begins nothing. Never rejects.
 */
export async function runCommand(command: Command, signal: AbortSignal): Promise<CommandEnd> {
  const { argv, folder, env } = command;
  const [program = '', ...args] = argv;
  const notRun = (failed: string) => ({ failed, seconds: 0, output: '' });
  if (signal.aborted) return notRun('was not run, since its run was stopped');
  try {
    const child = spawn(program, args, { cwd: folder, env, stdio: 'pipe', detached: true });
    // after the reasons for that its streams may be missing; others are thrown
    if (child.pid === undefined) await once(child, 'spawn');
    return await toItsEnd(child, command, signal);
  } catch (error) {
    return notRun(whyNotRun(error as NodeJS.ErrnoException, program));
  }
}

function toItsEnd(
  child: ChildProcessWithoutNullStreams,
  { input, timeout, grace = 5000 }: Command,
  signal: AbortSignal,
): Promise<CommandEnd> {
  const began = performance.now();
  return new Promise((resolve) => {
    const group = new Group(child);
    const output = new Tail();
    let why: string | undefined;
    const stop = (reason: string, within = grace) => {
      why ??= reason;
      void group.end(within).then(() => end(why));
    };
    const onAbort = () =>
      stop('was stopped with its run', isOwnEnd(signal) ? Math.min(grace, graceAtEndMs) : grace);
    const timer = setTimeout(() => stop('did not end in time, and was stopped'), timeout);
    const end = (failed: string | undefined) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      for (const stream of child.stdio) stream?.destroy();
      const seconds = Math.round(performance.now() - began) / 1000;
      resolve({ failed, seconds, output: output.text });
    };
    child.stdout.on('data', (data: Buffer) => output.add(data));
    child.stderr.on('data', (data: Buffer) => output.add(data));
    // a command need not read its input
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.once('exit', async (code, killedBy) => {
      await group.end(grace);
      // what it printed before its end may still be on the way
      await Promise.race([
        Promise.all([ended(child.stdout), ended(child.stderr)]),
        sleep(lastWordsMs),
      ]);
      end(why ?? (code === 0 ? undefined : howEnded(code, killedBy)));
    });
    signal.addEventListener('abort', onAbort);
  });
}

/** Whether a signal is aborted since ferryline itself ends. */
function isOwnEnd({ reason }: AbortSignal): boolean {
  return reason instanceof Cancelled && reason.exitCode === 143;
}

function ended(stream: Readable): Promise<void> {
  if (stream.readableEnded || stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => stream.once('close', resolve));
}

/** The processes of a command. */
class Group {
  readonly #child: ChildProcess;
  #end: Promise<void> | undefined;
  /** When it gets SIGKILL, ms of `performance.now()`. */
  #killAt = Number.POSITIVE_INFINITY;

  constructor(child: ChildProcess) {
    this.#child = child;
    if (running.size === 0) process.on('exit', killAll);
    running.add(this);
  }

  /** Sends SIGTERM, and SIGKILL after `graceMs` if any process is left; a further call can only shorten that. Resolves once none is left, or soon after that. */
  end(graceMs: number): Promise<void> {
    this.#killAt = Math.min(this.#killAt, performance.now() + graceMs);
    this.#end ??= this.#bringToEnd();
    return this.#end;
  }

  async #bringToEnd(): Promise<void> {
    this.#signal('SIGTERM');
    if (!(await this.#isGoneBefore(() => this.#killAt))) {
      this.kill();
      const late = performance.now() + killedWithinMs;
      await this.#isGoneBefore(() => late);
    }
    running.delete(this);
    if (running.size === 0) process.off('exit', killAll);
  }

  kill(): void {
    this.#signal('SIGKILL');
  }

  async #isGoneBefore(time: () => number): Promise<boolean> {
    while (this.#signal(0)) {
      if (performance.now() >= time()) return false;
      await sleep(lookEveryMs);
    }
    return true;
  }

  /** False when no process of the group is left. */
  #signal(name: NodeJS.Signals | 0): boolean {
    const { pid } = this.#child;
    if (pid === undefined) return false;
    try {
      return process.kill(-pid, name);
    } catch {
      return false;
    }
  }
}

/** The commands that have not ended: ferryline itself may be ended at once. */
const running = new Set<Group>();

function killAll(): void {
  for (const group of running) group.kill();
}

/** The end of what a command printed. */
class Tail {
  #parts: Buffer[] = [];
  #bytes = 0;

  add(data: Buffer): void {
    this.#parts.push(data);
    this.#bytes += data.length;
    if (this.#bytes > 2 * keptBytes) this.#cut();
  }

  get text(): string {
    this.#cut();
    return Buffer.concat(this.#parts).toString('utf8');
  }

  #cut(): void {
    if (this.#bytes <= keptBytes) return;
    const last = Buffer.concat(this.#parts).subarray(-keptBytes);
    this.#parts = [Buffer.from(last)];
    this.#bytes = last.length;
  }
}

function howEnded(code: number | null, killedBy: NodeJS.Signals | null): string {
  return killedBy === null ? `ended with ${code}` : `was ended by ${killedBy}`;
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such program',
  ENOTDIR: 'there is no such program',
  EACCES: 'it may not be executed',
  ETXTBSY: 'something is writing to it',
  E2BIG: 'its arguments and variables are too long',
  EMFILE: 'too many files are open',
};

function whyNotRun({ code = '', message }: NodeJS.ErrnoException, program: string): string {
  return `can't be run: ${reasons[code] ?? escapeText(message)}: ${escapeText(program)}`;
}
