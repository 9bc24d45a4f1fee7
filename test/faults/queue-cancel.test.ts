/** Cancelled runs: in the middle of a large file, waiting in the queue or for their turn, and in the hands of another process. */
import { readdirSync, statSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startFerryline, writeJobs } from '../kit/cli.js';
import { type Member, startMember } from '../kit/company.js';
import { eventually } from '../kit/daemon.js';
import { type Redis, startRedis } from '../kit/redis.js';
import { openScene, remoteIn, type Scene } from '../kit/scene.js';
import { type Sshd, startSshd } from '../kit/sshd.js';

let sshd: Sshd;
let redis: Redis;
beforeAll(async () => {
  [sshd, redis] = await Promise.all([startSshd(), startRedis()]);
});
afterAll(() => Promise.all([sshd.stop(), redis.stop()]));

let databases = 0;
/** A queue nobody else has. */
const fresh = () => `${redis.url}/${databases++}`;

/** Job `big` would take an hour; so would `other`. */
async function openJobs(): Promise<Scene> {
  const scene = await openScene(sshd);
  scene.writeHere({ 'big/file': Buffer.alloc(40_000_000), 'other/file': Buffer.alloc(40_000_000) });
  const job = (name: string) => ({
    operation: 'push',
    from: `./data/${name}`,
    to: `archive:${scene.place}/${name}`,
  });
  await writeJobs(scene.cwd, {
    remotes: { archive: remoteIn(sshd, { bandwidth: '10KiB/s' }) },
    jobs: { big: job('big'), other: job('other') },
  });
  return scene;
}

/** A run that is waited for, as a pipeline does; and its id. */
async function enqueueAndWait(scene: Scene, member: Member, job: string) {
  const waiting = startFerryline(['enqueue', job, '--wait', '--json'], {
    cwd: scene.cwd,
    env: member.env,
  });
  await waiting.said(/enqueued/);
  const run: string = JSON.parse(waiting.stdout().split('\n')[0] as string).run;
  return { run, ended: waiting.ended };
}

/** Bytes of a job's temporary file. */
function written(scene: Scene, job: string): number {
  try {
    const [name] = readdirSync(scene.there(job));
    return name === undefined ? 0 : statSync(scene.there(`${job}/${name}`)).size;
  } catch {
    return 0;
  }
}

const cancelled = [130, { event: 'run', outcome: 'cancelled', exitCode: 130 }];

test('in the middle of a large file', async () => {
  const queue = fresh();
  const scene = await openJobs();
  const member = await startMember(scene, 'only', queue);
  const { run, ended } = await enqueueAndWait(scene, member, 'big');
  await eventually(() => written(scene, 'big') > 0);
  expect((await member.cli(['cancel', run])).code).toBe(0);
  const { code, events } = await ended;
  expect([code, events.at(-1)]).toMatchObject(cancelled);
  // It ended at once, not after the hour, and what it had written does not stand there.
  expect(readdirSync(scene.there('big'))).not.toContain('file');
  expect(await member.runs()).toMatchObject([{ run, state: 'ended', outcome: 'cancelled' }]);
  // What was cancelled is not taken up again.
  expect((await member.cli(['cancel', run])).stderr).toMatch(/had ended already/);
  expect(await member.stop()).toBe(0);
}, 60_000);

test('in the hands of another process', async () => {
  const queue = fresh();
  const scene = await openJobs();
  const asked = await startMember(scene, 'asked', queue, { args: ['--roles', 'api'] });
  const worker = await startMember(scene, 'worker', queue, { args: ['--roles', 'worker'] });
  const { run, ended } = await enqueueAndWait(scene, asked, 'big');
  await eventually(() => written(scene, 'big') > 0);
  expect((await asked.cli(['cancel', run])).code).toBe(0);
  const { code, events } = await ended;
  expect([code, events.at(-1)]).toMatchObject(cancelled);
  expect(readdirSync(scene.there('big'))).not.toContain('file');
  expect(await asked.runs()).toMatchObject([{ run, outcome: 'cancelled' }]);
  await Promise.all([asked.stop(), worker.stop()]);
}, 60_000);

test('in the hands of a process that has died: nobody takes it up', async () => {
  const queue = fresh();
  const scene = await openJobs();
  const asked = await startMember(scene, 'asked', queue, { args: ['--roles', 'api'] });
  const worker = await startMember(scene, 'worker', queue, { args: ['--roles', 'worker'] });
  const { run, ended } = await enqueueAndWait(scene, asked, 'big');
  await eventually(() => written(scene, 'big') > 0);
  await worker.kill9();
  expect((await asked.cli(['cancel', run])).code).toBe(0);
  const next = await startMember(scene, 'next', queue, { args: ['--roles', 'worker'] });
  const { code, events } = await ended;
  expect([code, events.at(-1)]).toMatchObject(cancelled);
  expect(await asked.runs()).toMatchObject([{ run, outcome: 'cancelled' }]);
  await Promise.all([asked.stop(), next.stop()]);
}, 60_000);

test('waiting in the queue', async () => {
  const queue = fresh();
  const scene = await openJobs();
  const member = await startMember(scene, 'only', queue, { args: ['--roles', 'api'] });
  const { run, ended } = await enqueueAndWait(scene, member, 'big');
  expect((await member.cli(['cancel', run])).stderr).toMatch(/out of the queue/);
  const { code, events } = await ended;
  expect([code, events.at(-1)]).toMatchObject(cancelled);
  expect(await member.runs()).toMatchObject([{ run, outcome: 'cancelled' }]);
  await member.stop();
}, 60_000);

test('waiting for its turn behind another run, which goes on', async () => {
  const queue = fresh();
  const scene = await openJobs();
  const member = await startMember(scene, 'only', queue, { args: ['--concurrency', '1'] });
  const first = await enqueueAndWait(scene, member, 'big');
  await eventually(() => written(scene, 'big') > 0);
  const second = await enqueueAndWait(scene, member, 'other');
  await eventually(async () =>
    (await member.runs()).some(({ run, state }) => run === second.run && state === 'active'),
  );
  expect((await member.cli(['cancel', second.run])).code).toBe(0);
  const { code, events } = await second.ended;
  expect([code, events.at(-1)]).toMatchObject(cancelled);
  const going = (await member.runs()).find(({ run }) => run === first.run);
  expect(going?.state).toBe('active');
  expect((await member.cli(['cancel', first.run])).code).toBe(0);
  expect((await first.ended).code).toBe(130);
  await member.stop();
}, 60_000);
