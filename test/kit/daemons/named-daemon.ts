/** Several daemons on one queue, each with a state folder of its own, as on several machines. */
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import type { Scene } from '../scene.js';
import { type JsonEvent, type Result, startFerryline } from './cli.js';
import { type Daemon, eventually, startDaemon } from './daemon.js';

export interface NamedDaemonOptions {
  /** More arguments of `start`. */
  readonly args?: readonly string[];
  /** A jobs.yml of its own. */
  readonly config?: string;
  /** Another build's program (`buildOf`). */
  readonly program?: string;
}

export interface NamedDaemon extends Daemon {
  /** Its environment, for commands that talk to it. */
  readonly env: Readonly<Record<string, string>>;
  /** `ferryline ARGS…` for this daemon. */
  cli(args: readonly string[]): Promise<Result>;
  /** `ferryline runs --json`. */
  runs(job?: string): Promise<JsonEvent[]>;
  /** `ferryline enqueue JOB`; resolves to the run. */
  enqueue(job?: string): Promise<string>;
  /** `ferryline enqueue JOB --wait`, as a pipeline does; resolves once its run is known. */
  enqueueAndWait(job?: string): Promise<AwaitedRun>;
  /** Resolves to a run as `runs` lists it, once it has ended. */
  endOf(run: string): Promise<JsonEvent>;
}

/** A run that a command waits for. */
export interface AwaitedRun {
  readonly run: string;
  /** The command's end. */
  readonly ended: Promise<Result>;
}

/** The environment of a daemon called `name` in a scene, on a queue. */
export function namedDaemonEnv(scene: Scene, name: string, queue: string, config?: string) {
  return {
    FERRYLINE_QUEUE: queue,
    FERRYLINE_STATE_DIR: join(scene.cwd, `.state-${name}`),
    ...(config === undefined ? {} : { FERRYLINE_CONFIG: config }),
  };
}

/** Starts a daemon of a scene and resolves once it has started. It ends with the test, so that it takes no run of the next one. */
export async function startDaemonNamed(
  scene: Scene,
  name: string,
  queue: string,
  { args = [], config, program }: NamedDaemonOptions = {},
): Promise<NamedDaemon> {
  const env = namedDaemonEnv(scene, name, queue, config);
  const daemon = await startDaemon(scene, { args, env, ...(program !== undefined && { program }) });
  onTestFinished(() => daemon.kill9());
  const cli = (args: readonly string[]) => scene.cli(args, { env });
  const runs = async (job?: string) => {
    const { events } = await cli([
      'runs',
      '--idle',
      '--json',
      '--limit',
      '1000',
      ...(job === undefined ? [] : [job]),
    ]);
    return events.filter(({ event }) => event === 'run-view');
  };
  return {
    ...daemon,
    env,
    cli,
    runs,
    async enqueue(job = 'job') {
      const { code, events, stderr } = await cli(['enqueue', job, '--json']);
      expect([code, stderr]).toEqual([0, '']);
      return events[0]?.run;
    },
    async enqueueAndWait(job = 'job') {
      const waiting = startFerryline(['enqueue', job, '--wait', '--json'], {
        cwd: scene.cwd,
        env,
      });
      await waiting.said(/enqueued/);
      const [first = ''] = waiting.stdout().split('\n');
      return { run: JSON.parse(first).run, ended: waiting.ended };
    },
    endOf: (run) =>
      eventually(async () => {
        const view = (await runs()).find((one) => one.run === run);
        return view?.state === 'ended' && view;
      }),
  };
}
