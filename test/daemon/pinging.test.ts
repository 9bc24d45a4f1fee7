/** Checks of Healthchecks: what runs and the daemon itself ping. */
import { expect } from 'vitest';
import { Pings, uuidOf } from '../../src/notify/pings.js';
import { test } from '../kit/base.js';
import { writeJobs } from '../kit/daemons/cli.js';
import { eventually, startDaemon } from '../kit/daemons/daemon.js';
import { remoteIn } from '../kit/scene.js';
import { startReceiver } from '../kit/servers/receiver.js';

test('each run pings its begin and its end, with its log and one id; the daemon itself pings while it lives', async ({
  scene,
  sshd,
}) => {
  const checks = await startReceiver();
  checks.answer = (response) => response.setHeader('Ping-Body-Limit', '120').end();
  scene.writeHere({ a: 'a', x: 'x' });
  scene.writeThere({ 'bad/x/in-the-way': '' });
  const job = { operation: 'push', from: './data', retry: { attempts: 1 } };
  await writeJobs(scene.cwd, {
    remotes: { archive: remoteIn(sshd) },
    notify: { beat: { healthchecks: `${checks.url}/ping/{job}?create=1` } },
    heartbeat: { healthchecks: `${checks.url}/heart`, every: '1s' },
    jobs: {
      good: { ...job, to: `archive:${scene.place}/good` },
      bad: { ...job, to: `archive:${scene.place}/bad` },
      quiet: { ...job, to: `archive:${scene.place}/quiet`, notify: false },
    },
  });
  const daemon = await startDaemon(scene);
  await scene.cli(['enqueue', 'quiet', '--wait']);
  const ids = new Map<string, string>();
  for (const name of ['good', 'bad']) {
    const { events } = await scene.cli(['enqueue', name, '--wait', '--json']);
    ids.set(name, events[0]?.run);
  }
  const pings = () => checks.received.filter(({ path }) => path.startsWith('/ping'));
  await eventually(() => pings().length === 4);
  const rid = (name: string) => `?create=1&rid=${uuidOf(ids.get(name) ?? '')}`;
  expect(pings().map(({ path }) => path)).toEqual([
    `/ping/good/start${rid('good')}`,
    `/ping/good${rid('good')}`,
    `/ping/bad/start${rid('bad')}`,
    `/ping/bad/fail${rid('bad')}`,
  ]);
  const [, , , failed] = pings();
  expect(failed?.body).toBe(
    `{"event":"end","job":"bad","run":"${ids.get('bad')}","outcome":"incomplete"}\n`,
  );
  const beats = () => checks.received.filter(({ path }) => path === '/heart').length;
  await eventually(() => beats() >= 2);
  await daemon.stop();
  const after = beats();
  expect((await scene.cli(['status'])).code).toBe(4);
  expect(beats()).toBe(after);
}, 60_000);

test('a ping that fails is tried again, an end never overtakes its begin, and what is lost is said', async () => {
  const check = await startReceiver();
  const lost: string[] = [];
  const pings = new Pings({
    endOfLog: async () => ['first', 'last'],
    onLost: (why) => void lost.push(why),
    waits: [1, 1],
  });
  let answers = [500, 429, 200, 200, 500, 500, 500, 404];
  check.answer = (response) => {
    response.statusCode = answers[0] ?? 200;
    answers = answers.slice(1);
    response.end();
  };
  pings.began([`${check.url}/a`], 'job', 'r1');
  pings.ended([`${check.url}/a`], 'job', 'r1', 'succeeded');
  await eventually(() => check.received.length === 4);
  const paths = check.received.map(({ path }) => path.replace(/\?.*/, ''));
  expect(paths).toEqual(['/a/start', '/a/start', '/a/start', '/a']);
  expect(check.received[3]?.body).toMatch(/^first\nlast\n\{"event":"end"/);
  await pings.beat(`${check.url}/b`);
  await pings.beat(`${check.url}/b`);
  expect(lost).toEqual(['it answers 500', 'it answers 404']);
  await pings.close();
});
