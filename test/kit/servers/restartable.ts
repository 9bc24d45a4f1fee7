/** A server on a free loopback port that can be killed and started again with its data. */
import { freePort } from './free-port.js';
import type { ServerProcess } from './server-process.js';

export interface Restartable {
  readonly port: number;
  /** Its output, over all its starts. */
  log(): string;
  /** Kills it as a crash would, and waits for its exit. */
  kill9(): Promise<void>;
  /** Starts it again on the same port and data folder; kills it first if it still runs. */
  restart(): Promise<void>;
  /** Ends it for good. Twice is fine. */
  stop(): Promise<void>;
}

/**
 * Starts a server and waits until its log matches `ready`. `stopSignal` is for a server that leaves
 * shared memory behind when it is killed.
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
        // Another process took the port, or a killed one has not released its memory yet.
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
