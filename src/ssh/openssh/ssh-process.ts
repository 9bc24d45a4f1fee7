/** A running `ssh` of the system: its stdin and stdout as one stream, the lines that it prints, and its end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { Duplex } from 'node:stream';
import { escapeText } from '../../core/text.js';
import type { SessionLog } from '../transport.js';

/** Of stderr the last characters are kept: the reason for an end is printed last. */
const keptCharacters = 64 * 1024;
/** How long ssh may take to exit after SIGTERM; after that it is killed. */
const goodbyeMs = 1000;

export class SshProcess {
  readonly stream: Duplex;
  /** Resolves with the end of stderr once ssh has exited or could not be started; never rejects. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  readonly #log: SessionLog;
  readonly #listeners = new Set<(line: string) => void>();
  #output = '';
  #unfinishedLine = '';
  #logins = 0;
  #software = '';

  constructor(args: readonly string[], log: SessionLog) {
    this.#log = log;
    const child = spawn('ssh', args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      // a process group of its own: Ctrl-C on the terminal goes to ferryline, which ends ssh
      detached: true,
      env: { ...process.env, LC_ALL: 'C' },
    });
    this.#child = child;
    this.stream = streamOf(child);
    child.stderr.setEncoding('utf8').on('data', (text: string) => this.#print(text));
    this.ended = new Promise((resolve) => {
      child.once('error', (error) => resolve(`${this.#output}\n${error.message}`));
      child.once('close', () => resolve(this.#output));
    });
  }

  /** Logins so far, those on jump hosts included. Known with `-v` only. */
  get logins(): number {
    return this.#logins;
  }

  /** How the server names its software; `''` without `-v`. */
  get software(): string {
    return this.#software;
  }

  /** What it has printed on stderr so far; of much the end. */
  get output(): string {
    return this.#output;
  }

  /** Its exit code; undefined while it runs, or where a signal has ended it. */
  get exitCode(): number | undefined {
    return this.#child.exitCode ?? undefined;
  }

  /** Calls back for each line on stderr, until the returned function is called. */
  onLine(listener: (line: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ends ssh, politely at first; resolves once it has exited. */
  async end(): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    child.stdin?.destroy();
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), goodbyeMs);
    await closed;
    clearTimeout(timer);
  }

  #print(text: string): void {
    this.#output = (this.#output + text).slice(-keptCharacters);
    const lines = (this.#unfinishedLine + text).split(/\r?\n/);
    this.#unfinishedLine = lines.pop() ?? '';
    for (const line of lines) {
      if (/^(?:debug1: )?Authenticated to /.test(line)) this.#logins++;
      this.#software =
        /^debug1: .* remote software version (.*)$/.exec(line)?.[1] ?? this.#software;
      this.#log('status', `ssh: ${escapeText(line.replace(/^debug1: /, ''))}`);
      for (const listener of this.#listeners) listener(line);
    }
  }
}

/** A child's stdin and stdout as one stream. */
function streamOf({ stdin, stdout }: ChildProcess): Duplex {
  if (stdin === null || stdout === null) throw new Error('a child without pipes');
  const stream = new Duplex({
    read() {
      stdout.resume();
    },
    write(chunk, _encoding, done) {
      stdin.write(chunk, done);
    },
    writev(chunks, done) {
      stdin.cork();
      chunks.forEach(({ chunk }, i) => {
        stdin.write(chunk, i === chunks.length - 1 ? done : undefined);
      });
      stdin.uncork();
    },
    final(done) {
      stdin.end(done);
    },
    destroy(error, done) {
      stdin.destroy();
      stdout.destroy();
      done(error);
    },
  });
  stdout.on('data', (chunk: Buffer) => {
    if (!stream.push(chunk)) stdout.pause();
  });
  stdout.once('end', () => stream.push(null));
  // no error here: the reason that ssh prints when it exits says more than a broken pipe
  stdin.on('error', () => stream.destroy());
  stdout.on('error', () => stream.destroy());
  return stream;
}
