/** A server on a free loopback port that can be killed and started again with what it kept. */
import { freePort } from './free-port.js';
import type { ServerProcess } from './server-process.js';

export interface Restartable {
  readonly port: number;
  /** All it wrote, over all its starts. */
  log(): string;
  /** Ends it as a crash would, and waits until it is gone. */
  kill9(): Promise<void>;
  /** Starts it again on the same port and data folder, killing it first where it still runs. */
  restart(): Promise<void>;
  /** Ends it for good. Twice is fine. */
  stop(): Promise<void>;
}

/**
 * Starts a server and waits until its log matches `ready`. `stopSignal` ends one that leaves things
 * behind (shared memory) when it is killed.
 */
export async function startRestartable(
  start: (port: number) => ServerProcess,
  ready: RegExp,
  stopSignal?: NodeJS.Signals,
): Promise<Restartable> {
  let port = await freePort();
  let server = start(port);
  let earlier = '';
  const settled = async (again: () => Promise<number>) => {
    for (let tries = 1; ; tries++) {
      try {
        return await server.said(ready);
      } catch (error) {
        // Another process took the port, or one that was killed has not let go of its memory yet.
        if (tries === 20 || !/(?:already|still) in use/.test(server.log())) throw error;
        earlier += server.log();
        port = await again();
        server = start(port);
      }
    }
  };
  await settled(freePort);

  const kill9 = () => server.stop();
  return {
    port,
    log: () => earlier + server.log(),
    kill9,
    async restart() {
      await kill9();
      earlier += server.log();
      server = start(port);
      await settled(async () => port);
    },
    stop: () => server.stop(stopSignal),
  };
}
