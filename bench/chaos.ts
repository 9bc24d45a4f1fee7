/** Daemons of one installation under fire: each has a network to the store and a clock of its own, which go wrong at random. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { ask } from './daemon.js';

const main = join(import.meta.dirname, '../../dist/cli/main.js');

/** A process that is started again whenever it ends. */
export class Member {
  readonly name: string;
  readonly state: string;
  /** Ends that nobody asked for, with the last line it said. */
  readonly deaths: string[] = [];
  readonly #folder: string;
  readonly #roles: string;
  readonly #line: Line;
  readonly #queue: string;
  #child: ChildProcess | undefined;
  #said = '';
  /** It is down, and started anew by this timer. */
  #next: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(folder: string, name: string, roles: string, queue: string, line: Line) {
    this.name = name;
    this.state = join(folder, `state-${name}`);
    this.#folder = folder;
    this.#roles = roles;
    this.#queue = queue;
    this.#line = line;
    this.setClock(0);
  }

  start(): void {
    if (this.#isOver) return;
    this.#next = undefined;
    this.#said = '';
    const child = spawn(process.execPath, [main, 'start', '--roles', this.#roles], {
      cwd: this.#folder,
      env: {
        PATH: process.env.PATH,
        HOME: this.#folder,
        FERRYLINE_STATE_DIR: this.state,
        FERRYLINE_QUEUE: this.#queue,
        LD_PRELOAD: faketime(),
        FAKETIME_TIMESTAMP_FILE: this.#clock,
        FAKETIME_NO_CACHE: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child = child;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-2000);
    });
    child.once('exit', (code) => {
      if (this.#isOver || this.#next !== undefined) return;
      this.deaths.push(`${this.name} (${code}): ${this.#said.trim().split('\n').at(-1)}`);
      this.#next = setTimeout(() => this.start(), 1000);
    });
  }

  /** kill -9, and a new start after `downMs`; false if it is down. */
  kill(downMs: number): boolean {
    if (this.#next !== undefined) return false;
    this.#next = setTimeout(() => this.start(), downMs);
    this.#child?.kill('SIGKILL');
    return true;
  }

  /** Its clock is this many seconds ahead of ours. */
  setClock(seconds: number): void {
    writeFileSync(this.#clock, `${seconds < 0 ? '-' : '+'}${Math.abs(seconds)}\n`);
  }

  /** Nothing passes between it and the store, and nothing is closed. */
  silence(isSilent: boolean): void {
    this.#line.silence(isSilent);
  }

  /** Rejects while it is down, and after 15 s. */
  ask(method: 'GET' | 'POST', path: string): Promise<unknown> {
    return ask(join(this.state, 'control.sock'), method, path, AbortSignal.timeout(15_000));
  }

  async end(): Promise<void> {
    this.#isOver = true;
    const child = this.#child;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
      await ended;
      clearTimeout(timer);
    }
    this.#line.close();
  }

  get #clock(): string {
    return `${this.state}.clock`;
  }
}

/** Starts the daemons of a folder with a `jobs.yml`; `roles` by name. */
export async function startMembers(
  folder: string,
  queue: string,
  roles: Readonly<Record<string, string>>,
): Promise<Member[]> {
  const url = new URL(queue);
  return Promise.all(
    Object.entries(roles).map(async ([name, its]) => {
      const line = await openLine(Number(url.port));
      const own = queue.replace(`:${url.port}`, `:${line.port}`);
      const member = new Member(folder, name, its, own, line);
      member.start();
      return member;
    }),
  );
}

interface Line {
  readonly port: number;
  silence(isSilent: boolean): void;
  close(): void;
}

/** A proxy to a port on loopback, whose connections can go silent. */
async function openLine(port: number): Promise<Line> {
  const sockets = new Set<Socket>();
  let isSilent = false;
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('data', (bytes) => to.write(bytes));
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        if (!isSilent) to.destroy();
      });
      if (isSilent) from.pause();
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    silence(silent) {
      isSilent = silent;
      for (const socket of sockets) {
        if (silent) socket.pause();
        else socket.resume();
      }
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Debian's libfaketime for programs with threads. */
function faketime(): string {
  const found = readdirSync('/usr/lib')
    .map((folder) => `/usr/lib/${folder}/faketime/libfaketimeMT.so.1`)
    .find((file) => existsSync(file));
  if (found === undefined) throw new Error('the package faketime is missing');
  return found;
}
