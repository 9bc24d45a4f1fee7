/** `ferryline start` as a child process, and what tests ask of it through the command line. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFailed, onTestFinished } from 'vitest';
import type { Scene } from '../scene.js';
import { type JsonEvent, type Live, startFerryline } from './cli.js';

export interface Daemon extends Live {
  /** SIGTERM, and its end. */
  stop(): Promise<number>;
  /** SIGKILL, and its end. */
  kill9(): Promise<void>;
}

export interface DaemonOptions {
  /** More arguments of `start`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Another build's program (`buildOf`). */
  readonly program?: string;
}

/** Starts the daemon of a scene and resolves once it has started. */
export async function startDaemon(scene: Scene, options: DaemonOptions = {}): Promise<Daemon> {
  const live = startFerryline(['start', ...(options.args ?? [])], {
    cwd: scene.cwd,
    env: { ...options.env },
    ...(options.program !== undefined && { program: options.program }),
  });
  running.add(live);
  onTestFailed(() => {
    console.error(`the daemon ${live.pid} of ${scene.cwd}:`, lastOf(live));
    // a test that ran out of time did not come to its stop()
    live.child.kill('SIGKILL');
  });
  void live.ended.finally(() => running.delete(live));
  const end = async (signal: NodeJS.Signals) => {
    live.child.kill(signal);
    const { code, stderr } = await live.ended;
    expect(warningsOf(stderr)).toEqual([]);
    return code;
  };
  await live.said(/started: /);
  return {
    ...live,
    stop: () => end('SIGTERM'),
    kill9: async () => {
      await end('SIGKILL');
    },
  };
}

/** The end of a daemon's log, for a test that fails where nobody can look. */
function lastOf(live: Live): string {
  return live.stderr().split('\n').slice(-60).join('\n');
}

/** What Node itself says on stderr of a process that leaks, or has lost track of a promise. */
function warningsOf(stderr: string): string[] {
  return stderr
    .split('\n')
    .filter((line) =>
      /^\(node:\d+\)|unhandled|^node:internal|triggerUncaughtException/i.test(line),
    );
}

const running = new Set<Live>();

/** Ends what a test left running that failed before its stop(). */
export function killDaemons(): void {
  for (const { child } of running) child.kill('SIGKILL');
}
process.once('exit', killDaemons);

/** Waits until `what` gives something; the test's own time-out is the limit, after which it is not looked at any more. */
export async function eventually<T>(
  what: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  let isOver = false;
  onTestFinished(() => {
    isOver = true;
  });
  for (;;) {
    const found = await what();
    if (found !== undefined && found !== false) return found;
    if (isOver) throw new Error('the test is over');
    await sleep(25);
  }
}

/** `ferryline runs --json` of a scene: the runs, newest first. */
export async function runsOf(scene: Scene, job?: string): Promise<JsonEvent[]> {
  const { events } = await scene.cli([
    'runs',
    '--idle',
    '--json',
    '--limit',
    '1000',
    ...(job === undefined ? [] : [job]),
  ]);
  return [...events];
}
