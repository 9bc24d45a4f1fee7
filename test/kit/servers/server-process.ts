/** A server as a child process: its log shows when it is ready, its pid is used to stop it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import type { Account } from '../account.js';

export interface ServerProcess {
  readonly pid: number;
  /** Its stdout and stderr. */
  log(): string;
  /** Resolves when the log matches; rejects with the log if the process ends first. */
  said(pattern: RegExp): Promise<void>;
  /**
   * Kills it and the processes it started, and waits for its exit. May be called twice. A `signal`
   * goes to its first process only, for a server that ends the others itself.
   */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export function startProcess(
  command: string,
  args: readonly string[],
  options: { readonly account?: Account; readonly cwd?: string } = {},
): ServerProcess {
  const { account, cwd } = options;
  const child = spawn(command, args, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, HOME: '/nonexistent', LC_ALL: 'C.UTF-8' },
    ...(account === undefined || process.getuid?.() !== 0
      ? {}
      : { uid: account.uid, gid: account.gid }),
  });
  let text = '';
  let ended = false;
  const endAll = () => {
    if (child.pid === undefined || ended) return;
    for (const pid of [...descendants(child.pid), child.pid]) end(pid);
  };
  // Nothing is left running if a test fails before stop().
  process.once('exit', endAll);
  const exit = once(child, 'exit').then(
    () => undefined,
    (error: Error) => {
      text += error.message;
    },
  );
  void exit.then(() => {
    ended = true;
    process.off('exit', endAll);
    child.emit('log');
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      child.emit('log');
    });
  }

  return {
    pid: child.pid ?? 0,
    log: () => text,
    said(pattern) {
      return new Promise((resolve, reject) => {
        const look = () => {
          if (!pattern.test(text) && !ended) return;
          child.off('log', look);
          if (pattern.test(text)) resolve();
          else reject(new Error(`${command} ended before it said ${pattern}:\n${text}`));
        };
        child.on('log', look);
        look();
      });
    },
    async stop(signal) {
      if (signal === undefined) endAll();
      else if (!ended) child.kill(signal);
      await exit;
    },
  };
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}

/** The descendants of a process, by the parents' ids in /proc. */
function descendants(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // It ended meanwhile.
    }
  }
  const all: number[] = [];
  const visit = (pid: number) => {
    for (const child of children.get(pid) ?? []) {
      all.push(child);
      visit(child);
    }
  };
  visit(root);
  return all;
}
