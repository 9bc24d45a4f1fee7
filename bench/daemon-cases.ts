/** The benchmark's table for the long-running ferryline: how soon it acts, and what it takes while it runs. */
import { firstByte } from './daemon-first-byte.js';
import { idle, thousand } from './daemon-idle.js';
import { soak } from './daemon-soak.js';
import { watch } from './daemon-watch.js';
import type { Server } from './server.js';

export interface DaemonCase {
  readonly name: string;
  /** One sentence for people, which says what is measured. */
  readonly about: string;
  /** Measures, and resolves to the results as Markdown. */
  readonly run: (scene: DaemonScene) => Promise<string>;
}

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

export const daemonCases: readonly DaemonCase[] = [
  {
    name: 'daemon-first-byte',
    about:
      'from `POST /api/jobs/JOB/enqueue` on the control socket to the first byte of the file written on the server (inotify at its temporary name), session warm, one run after another',
    run: firstByte,
  },
  {
    name: 'daemon-watch',
    about:
      'from the end of writing a file of 1 KB into a drop folder until it stands at its final name on the server, session warm, loopback, ferryline and lsyncd in turn',
    run: watch,
  },
  {
    name: 'daemon-idle',
    about:
      'a daemon with three jobs (a schedule, a watch, neither) after one run, by where its queue is kept',
    run: idle,
  },
  {
    name: 'daemon-1000',
    about: '1,000 jobs with schedules, none of them due',
    run: thousand,
  },
  {
    name: 'daemon-soak',
    about:
      '100 runs a minute for ten minutes, each transferring a file, after 1,100 runs ahead, since 1,000 ended runs are kept in a queue',
    run: soak,
  },
];
