/** `ferryline start` as a child process: its jobs.yml, its control socket, what it takes of the machine. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Server } from './server.js';

/** What is run as `ferryline`. */
export const main = join(import.meta.dirname, '../../dist/cli/main.js');

export interface Daemon {
  readonly pid: number;
  /** Seconds from its start until it said that it works. */
  readonly seconds: number;
  /** Asks the control API; rejects when the answer is no success. */
  ask(method: 'GET' | 'POST', path: string): Promise<unknown>;
  usage(): Usage;
  /** Has it read jobs.yml again; resolves to the milliseconds until it said that it works by it. */
  reload(): Promise<number>;
  stop(): Promise<void>;
}

/** What a process takes at one moment. */
export interface Usage {
  /** Resident, MiB. */
  readonly mebibytes: number;
  /** The most that was ever resident, MiB. */
  readonly peak: number;
  /** User and system time since its start, seconds. */
  readonly cpu: number;
  /** Open files, sockets and the like. */
  readonly handles: number;
}

/** The folder of a daemon: `jobs.yml` and `state` are in it, `data` is the local side. */
export function writeJobs(
  folder: string,
  queue: string,
  server: Server,
  jobs: Readonly<Record<string, object>>,
): void {
  mkdirSync(join(folder, 'data'), { recursive: true });
  mkdirSync(join(folder, 'there'), { recursive: true });
  const known = join(folder, 'known_hosts');
  writeFileSync(known, `[127.0.0.1]:${server.port} ${server.hostKey}\n`);
  const remote = {
    host: '127.0.0.1',
    port: server.port,
    username: userInfo().username,
    auth: { key: server.keyFile },
    knownHosts: known,
    root: folder,
  };
  writeFileSync(join(folder, 'jobs.yml'), stringify({ queue, remotes: { server: remote }, jobs }));
}

/** The environment of a command for the daemon of that folder. */
export function environmentOf(folder: string): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, HOME: folder, FERRYLINE_STATE_DIR: join(folder, 'state') };
}

/** Starts the daemon of a folder; resolves when it works. */
export async function startDaemon(folder: string): Promise<Daemon> {
  const state = join(folder, 'state');
  const start = performance.now();
  const child = spawn(process.execPath, [main, 'start'], {
    cwd: folder,
    env: environmentOf(folder),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const endWithUs = () => child.kill('SIGKILL');
  process.once('exit', endWithUs);
  const ended = once(child, 'exit');
  await says(child, /started: /);
  const seconds = (performance.now() - start) / 1000;
  const { pid } = child;
  if (pid === undefined) throw new Error('the daemon has no pid');
  return {
    pid,
    seconds,
    ask: (method, path) => ask(join(state, 'control.sock'), method, path),
    usage: () => usageOf(pid),
    async reload() {
      const begun = performance.now();
      const reloaded = says(child, /jobs\.yml was reloaded/);
      child.kill('SIGHUP');
      await reloaded;
      return performance.now() - begun;
    },
    async stop() {
      child.kill('SIGTERM');
      const [code] = await ended;
      process.off('exit', endWithUs);
      if (code !== 0) throw new Error(`the daemon ended with ${code}`);
    },
  };
}

function says(child: ChildProcess, pattern: RegExp): Promise<void> {
  let text = '';
  return new Promise((resolve, reject) => {
    const listen = (chunk: string) => {
      text += chunk;
      if (!pattern.test(text)) return;
      child.stderr?.off('data', listen).resume();
      child.off('error', reject).off('exit', ended);
      resolve();
    };
    const ended = () => reject(new Error(`the daemon ended:\n${text}`));
    child.stderr?.setEncoding('utf8').on('data', listen);
    child.once('error', reject);
    child.once('exit', ended);
  });
}

/** Asks the daemon of a control socket; rejects when the answer is no success. */
export function ask(
  socketPath: string,
  method: string,
  path: string,
  signal?: AbortSignal,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const options = { socketPath, method, path, agent: false, ...(signal && { signal }) };
    const asked = request(options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => {
        if (response.statusCode === 200) resolve(JSON.parse(text));
        else reject(new Error(`${method} ${path}: ${text}`));
      });
    });
    asked.on('error', reject);
    asked.end();
  });
}

/** Clock ticks a second: Linux reports 100 to all programs, whatever its own are. */
const ticks = 100;

function usageOf(pid: number): Usage {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kibibytes = (name: string) => Number(status.match(`${name}:\\s+(\\d+)`)?.[1]);
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // From the third field on; user and system time are the 14th and 15th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    mebibytes: kibibytes('VmRSS') / 1024,
    peak: kibibytes('VmHWM') / 1024,
    cpu: (Number(fields[11]) + Number(fields[12])) / ticks,
    handles: readdirSync(`/proc/${pid}/fd`).length,
  };
}

/** Bytes of the files below a folder. */
export function bytesBelow(folder: string): number {
  let bytes = 0;
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const stat = statSync(join(folder, name), { throwIfNoEntry: false });
    if (stat?.isFile() === true) bytes += stat.size;
  }
  return bytes;
}
