/** What each case of the daemon's table is given. */
import type { Server } from './server.js';

export interface DaemonScene {
  readonly server: Server;
  /** The case's own folder, which the server serves too. */
  readonly folder: string;
  /** Measurements asked for; absent: as many as the case takes by itself. */
  readonly runs: number | undefined;
  /** Below 1: less of everything, to try the benchmark itself. */
  readonly scale: number;
  readonly signal: AbortSignal;
}
