/** The benchmark's table of ferryline by itself: the long-running one, and the limits it keeps. */
import { bandwidth } from './bandwidth.js';
import { chaos } from './daemon-chaos.js';
import { due } from './daemon-due.js';
import { firstByte } from './daemon-first-byte.js';
import { idle, thousand } from './daemon-idle.js';
import { runsASecond } from './daemon-runs.js';
import type { DaemonScene } from './daemon-scene.js';
import { soak } from './daemon-soak.js';
import { watch } from './daemon-watch.js';
import { fair } from './fair.js';
import { looking } from './looking.js';
import { planMillion } from './plan-million.js';
import { startUp } from './start-up.js';

export interface DaemonCase {
  readonly name: string;
  /** One sentence for people, which says what is measured. */
  readonly about: string;
  /** Measures, and resolves to the results as Markdown. */
  readonly run: (scene: DaemonScene) => Promise<string>;
}

export const daemonCases: readonly DaemonCase[] = [
  {
    name: 'start-up',
    about:
      'printing the version, each command as a whole process, in turn; `one-file` and `noop` compare commands that have something to do',
    run: startUp,
  },
  {
    name: 'plan-million',
    about:
      '`ferryline plan` of 1,000,000 empty files in 1,000 folders, all of them new, loopback, each action printed to a file',
    run: planMillion,
  },
  {
    name: 'daemon-first-byte',
    about:
      'from `POST /api/jobs/JOB/enqueue` on the control socket to the first byte of the file written on the server, and to the file at its final name (both by inotify), session warm, one run after another',
    run: firstByte,
  },
  {
    name: 'daemon-runs',
    about:
      '200 jobs with one file of 1 KB that changed, requested all at once; the time until all have ended, their reports kept and told',
    run: runsASecond,
  },
  {
    name: 'daemon-due',
    about:
      '300 jobs due in the same second, each pushing a file of 1 KB, on two processes that schedule and work, the server allowing each remote two logins',
    run: due,
  },
  {
    name: 'daemon-watch',
    about:
      'from the end of writing a file of 1 KB into a drop folder until it has its final name on the server, session warm, loopback, ferryline and lsyncd in turn',
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
    name: 'looking',
    about:
      'looking at 5,000 jobs and 100,000 reports: commands as whole processes, one after another, and a probe of the daemon every 10 ms beside them',
    run: looking,
  },
  {
    name: 'daemon-soak',
    about:
      '100 runs a minute for ten minutes, each transferring a file, after 1,100 runs ahead, since 1,000 ended runs are kept in a queue',
    run: soak,
  },
  {
    name: 'daemon-chaos',
    about:
      'two schedulers and four workers for ten minutes with kills, flushes, clock steps and silent networks at random: what became of every acknowledged request and every slot',
    run: chaos,
  },
  {
    name: 'bandwidth',
    about:
      'limits of 4 MiB/s: file bytes on the line a second, over the whole transfer and over the ten seconds that had the most of them',
    run: bandwidth,
  },
  {
    name: 'fair',
    about:
      'runs of one file of 1 KB in a daemon (queue in Redis), from being asked for until they have ended, one after another: alone, and beside a run to the same remote over the same login that pushes 2 GiB',
    run: fair,
  },
];
