/** A store that is emptied under its processes: FLUSHALL, or a database that was made anew. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { parse, stringify } from 'yaml';
import { test } from '../kit/base.js';
import { eventually } from '../kit/daemons/daemon.js';
import { type NamedDaemon, namedDaemonEnv, startDaemonNamed } from '../kit/daemons/named-daemon.js';
import { emptyStore, onEachStore } from '../kit/servers/stores.js';
import { openSlowScene, type SlowScene } from '../kit/slow-scene.js';

/** When runs were carried out, finished or not, from the logs: pairs of ms since the epoch, first to last. */
function spansOf(daemons: readonly NamedDaemon[]): (readonly [number, number])[] {
  return daemons
    .flatMap((daemon) => daemon.stderr().split('\n'))
    .filter((line) => /"message":"job: /.test(line))
    .map((line) => JSON.parse(line))
    .filter(({ seconds, copied }) => seconds > 0 && copied > 0)
    .map(({ time, seconds }) => [Date.parse(time) - seconds * 1000, Date.parse(time)] as const)
    .sort(([a], [b]) => a - b);
}

/** A second job, at once done by worker three. */
function addOther(scene: SlowScene): void {
  scene.writeHere({ '../other/a': 'a' });
  const { remotes } = parse(readFileSync(scene.fast, 'utf8'));
  const to = `quick:${scene.place}-other`;
  for (const file of [join(scene.cwd, 'jobs.yml'), scene.fast]) {
    const config = parse(readFileSync(file, 'utf8'));
    config.remotes.quick = remotes.archive;
    config.jobs.other = { operation: 'push', from: './other', to, worker: 'three' };
    writeFileSync(file, stringify(config));
  }
}

test(
  'what was acknowledged is added again, marked, and no two runs write at once, on each store',
  ({ sshd }) =>
    onEachStore(async (store) => {
      const scene = await openSlowScene(sshd);
      addOther(scene);
      const front = await startDaemonNamed(scene, 'front', store.url, { args: ['--roles', 'api'] });
      const workers = [
        await startDaemonNamed(scene, 'one', store.url, { args: ['--roles', 'worker'] }),
        await startDaemonNamed(scene, 'two', store.url, { args: ['--roles', 'worker'] }),
      ];
      const first = await front.enqueue();
      await scene.begun();
      const second = await front.enqueue();
      expect(second).not.toBe(first);
      const byHand = (...flags: string[]) =>
        scene.cli(['run', 'job', '--json', ...flags], {
          env: namedDaemonEnv(scene, 'hand', store.url, scene.fast),
        });
      expect((await byHand()).code).toBe(8);
      // It ends while who requested it hears nothing, and only its worker has the report.
      const unheard = await front.enqueue('other');
      front.child.kill('SIGSTOP');
      const args = ['--roles', 'worker', '--worker', 'three'];
      const third = await startDaemonNamed(scene, 'three', store.url, { args });
      await third.said(/"message":"other: succeeded/);
      await emptyStore(store);
      front.child.kill('SIGCONT');
      const hand = eventually(async () => {
        const end = await byHand();
        // A worker may look at a run just then.
        return end.code !== 8 && end;
      });
      // The run in hand stops by itself; those that follow are quick.
      copyFileSync(scene.fast, join(scene.cwd, 'jobs.yml'));
      for (const run of [first, second])
        expect(await front.endOf(run)).toMatchObject({
          outcome: 'succeeded',
          report: { again: true },
        });
      expect(scene.arrived()).toEqual(scene.names);
      const heard = await front.endOf(unheard);
      expect([heard.outcome, heard.report.again]).toEqual(['succeeded', undefined]);
      expect(third.stderr().split('"message":"other: ')).toHaveLength(2);
      const { code, events, stderr } = await hand;
      expect([code, stderr]).toEqual([0, expect.stringContaining('the queue was emptied')]);
      const byHandEnd = events.at(-1);
      const spans = [
        ...spansOf(workers),
        [Date.parse(byHandEnd?.startedAt), Date.parse(byHandEnd?.endedAt)] as const,
      ].sort(([a], [b]) => a - b);
      expect(spans.length).toBeGreaterThan(1);
      for (const [n, [, end]] of spans.entries())
        expect(spans[n + 1]?.[0] ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(end);
      expect((await front.runs('job')).map(({ run }) => run).sort()).toEqual(
        [first, second].sort(),
      );
      // A request of now is an ordinary one.
      const later = await front.enqueue();
      const end = await front.endOf(later);
      expect([end.outcome, end.report.again]).toEqual(['succeeded', undefined]);
      await Promise.all([...workers, third, front].map((daemon) => daemon.stop()));
    }),
  180_000,
);
