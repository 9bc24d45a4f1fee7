/** What those who watch hear of: what the queue's messages say, jobs.yml when it is reloaded, and what is looked for. */
import type { OpenQueue } from '../queue/open.js';
import { LiveEvents, type LiveTopic } from '../server/api/live.js';
import type { DaemonControls } from '../server/daemon-controls.js';
import type { JobsInUse } from './jobs-in-use.js';
import type { RunsProgress } from './progress.js';

interface LiveSources {
  readonly queue: OpenQueue;
  readonly inUse: JobsInUse;
  readonly progress: RunsProgress;
}

export function openLive(
  { queue, inUse, progress }: LiveSources,
  controls: Pick<DaemonControls, 'queue'>,
): LiveEvents {
  const live = new LiveEvents({
    onProgress: (watcher) => progress.watch(watcher),
    async look() {
      const found = new Map<LiveTopic, string>([
        ['pauses', JSON.stringify(queue.pauses.holding())],
        ['queue', JSON.stringify(controls.queue())],
        ['config', `${inUse.loadedAt.toISOString()} ${inUse.error ?? ''}`],
      ]);
      if (queue.trouble() !== undefined) return found;
      const workers = await queue.knownWorkers();
      const known = workers.map(({ id, digest, runs }) => [id, digest, runs]);
      return found.set('workers', JSON.stringify(known));
    },
  });
  const { signals } = queue;
  signals.on('requested', ({ run, job }) => live.sayRun('requested', run, job));
  signals.on('ended', ({ run }) => live.sayRun('ended', run));
  signals.on('cancelled', ({ report }) => {
    const { run, job } = JSON.parse(report);
    live.sayRun('ended', run, job);
  });
  signals.on('pauses', () => live.say('pauses'));
  for (const kind of ['incidents', 'incidentsKept'] as const)
    signals.on(kind, () => {
      live.say('incidents');
      live.say('messages');
    });
  inUse.follow(() => live.say('config'));
  return live;
}
