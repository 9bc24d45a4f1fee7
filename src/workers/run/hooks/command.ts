/** Runs one command to its end, in a process group of its own: nothing that it starts there outlives it. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
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
 * all of it after the timeout, or when the signal is aborted. Never rejects.
 */
export function runCommand(command: Command, signal: AbortSignal): Promise<CommandEnd> {
  const { argv, folder, env, input, timeout, grace = 5000 } = command;
  const [program = '', ...args] = argv;
  const began = performance.now();
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: folder,
      env,
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    const group = new Group(child, grace);
    const output = new Tail();
    let why: string | undefined;
    const stop = (reason: string) => {
      why ??= reason;
      void group.end().then(() => end(why));
    };
    const onAbort = () => stop('was stopped with its run');
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
    child.once('error', (error: NodeJS.ErrnoException) => {
      void group.end();
      end(whyNotRun(error, program));
    });
    child.once('exit', async (code, killedBy) => {
      await group.end();
      // what it printed before its end may still be on the way
      await Promise.race([
        Promise.all([ended(child.stdout), ended(child.stderr)]),
        sleep(lastWordsMs),
      ]);
      end(why ?? (code === 0 ? undefined : howEnded(code, killedBy)));
    });
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort);
  });
}

function ended(stream: Readable): Promise<void> {
  if (stream.readableEnded || stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => stream.once('close', resolve));
}

/** The processes of a command. */
class Group {
  readonly #child: ChildProcess;
  readonly #graceMs: number;
  #end: Promise<void> | undefined;
  readonly #onExit = () => this.#signal('SIGKILL');

  constructor(child: ChildProcess, graceMs: number) {
    this.#child = child;
    this.#graceMs = graceMs;
    // ferryline itself may be ended at once
    process.once('exit', this.#onExit);
  }

  /** Sends SIGTERM, and SIGKILL after a while if any process is left. Resolves once none is, or soon after that. */
  end(): Promise<void> {
    this.#end ??= this.#bringToEnd();
    return this.#end;
  }

  async #bringToEnd(): Promise<void> {
    this.#signal('SIGTERM');
    if (!(await this.#isGoneWithin(this.#graceMs))) {
      this.#signal('SIGKILL');
      await this.#isGoneWithin(killedWithinMs);
    }
    process.off('exit', this.#onExit);
  }

  async #isGoneWithin(ms: number): Promise<boolean> {
    const began = performance.now();
    while (this.#signal(0)) {
      if (performance.now() - began >= ms) return false;
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
  EACCES: 'it may not be executed',
};

function whyNotRun({ code = '', message }: NodeJS.ErrnoException, program: string): string {
  return `can't be run: ${reasons[code] ?? escapeText(message)}: ${escapeText(program)}`;
}
