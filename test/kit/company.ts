/** Several daemons on one queue, each with a state folder of its own, as on several machines. */
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { JsonEvent, Result } from './cli.js';
import { type Daemon, startDaemon } from './daemon.js';
import type { Scene } from './scene.js';

export interface MemberOptions {
  /** More arguments of `start`. */
  readonly args?: readonly string[];
  /** A jobs.yml of its own. */
  readonly config?: string;
}

export interface Member extends Daemon {
  /** Its environment, for commands that are to reach it. */
  readonly env: Readonly<Record<string, string>>;
  /** `ferryline ARGS…`, asked of this daemon. */
  cli(args: readonly string[]): Promise<Result>;
  /** `ferryline runs --json`. */
  runs(job?: string): Promise<JsonEvent[]>;
}

/** The environment of a daemon called `name` in a scene, on a queue. */
export function memberEnv(scene: Scene, name: string, queue: string, config?: string) {
  return {
    FERRYLINE_QUEUE: queue,
    FERRYLINE_STATE_DIR: join(scene.cwd, `.state-${name}`),
    ...(config === undefined ? {} : { FERRYLINE_CONFIG: config }),
  };
}

/** Starts a daemon of a scene and resolves when it works. It ends with the test, so that it takes no run of the next one. */
export async function startMember(
  scene: Scene,
  name: string,
  queue: string,
  { args = [], config }: MemberOptions = {},
): Promise<Member> {
  const env = memberEnv(scene, name, queue, config);
  const daemon = await startDaemon(scene, { args, env });
  onTestFinished(() => daemon.kill9());
  const cli = (args: readonly string[]) => scene.cli(args, { env });
  return {
    ...daemon,
    env,
    cli,
    async runs(job) {
      const { events } = await cli(['runs', '--json', ...(job === undefined ? [] : [job])]);
      return events.filter(({ event }) => event === 'run-view');
    },
  };
}
