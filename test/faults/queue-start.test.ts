/** Row 28 of docs/faults.md, and a queue that can't be reached when the daemon starts. */
import { expect, onTestFinished } from 'vitest';
import { test } from '../kit/base.js';
import { startFerryline } from '../kit/daemons/cli.js';
import { namedDaemonEnv } from '../kit/daemons/named-daemon.js';
import { openScene } from '../kit/scene.js';
import { freePort } from '../kit/servers/free-port.js';
import type { Sshd } from '../kit/servers/sshd.js';
import { sharedStores, storeForTest } from '../kit/servers/stores.js';

async function start(sshd: Sshd, queue: string, ...args: string[]) {
  const scene = await openScene(sshd);
  const env = namedDaemonEnv(scene, 'only', queue);
  const live = startFerryline(['start', ...args], { cwd: scene.cwd, env });
  onTestFinished(() => void live.child.kill('SIGKILL'));
  return { live, cli: (verb: string[]) => scene.cli(verb, { env }) };
}

test('a Redis that may evict entries is refused, with the fix', async ({ sshd, redis }) => {
  for (const policy of ['allkeys-lru', 'volatile-ttl']) {
    await redis.command('config', 'set', 'maxmemory-policy', policy);
    const { live } = await start(sshd, redis.url);
    const { code, stderr } = await live.ended;
    expect(code).toBe(2);
    expect(stderr).toMatch(`maxmemory-policy ${policy}`);
    expect(stderr).toMatch('config set maxmemory-policy noeviction');
    expect(stderr).not.toMatch(/started: /);
  }
  await redis.command('config', 'set', 'maxmemory-policy', 'noeviction');
  const { live } = await start(sshd, redis.url);
  await live.said(/started: /);
  live.child.kill('SIGTERM');
  expect((await live.ended).code).toBe(0);
}, 60_000);

test.for(['redis://127.0.0.1', 'postgres://ferry@127.0.0.1'])(
  'a %s out of reach is tried again with a line each time, then given up with 4',
  { timeout: 30_000 },
  async (server, { sshd }) => {
    const url = `${server}:${await freePort()}`;
    const { live } = await start(sshd, url, '--wait-queue', '2s');
    const { code, stderr } = await live.ended;
    expect(code).toBe(4);
    const tries = stderr.match(/the queue can't be reached: .*ECONNREFUSED.*; trying again/g);
    expect(tries?.length).toBeGreaterThan(1);
    const last = stderr.trimEnd().split('\n').slice(-2).join('\n');
    expect(last).toMatch(/the queue can't be reached: .*ECONNREFUSED/);
    expect(last).toMatch(/check `queue` in jobs.yml/);
  },
);

test('a login that the queue refuses ends the start with 5 at once', async ({ sshd, redis }) => {
  const { live } = await start(sshd, redis.url.replace('//', '//ida:wrong@'));
  const { code, stderr } = await live.ended;
  expect([code, stderr]).toEqual([5, expect.stringMatching(/refuses the login: WRONGPASS/)]);
  expect(stderr).not.toMatch(/trying again/);
});

test.for(sharedStores)(
  'a %s that comes up in time is used',
  { timeout: 60_000 },
  async ([_name, startStore], { sshd }) => {
    const store = await storeForTest(startStore);
    await store.kill9();
    const { live, cli } = await start(sshd, store.url);
    await live.said(/trying again/);
    await store.restart();
    await live.said(/started: /);
    expect((await cli(['enqueue', 'job', '--wait'])).code).not.toBe(4);
    live.child.kill('SIGTERM');
    expect((await live.ended).code).toBe(0);
  },
);

test('a signal ends a start that waits for the queue', async ({ sshd }) => {
  const { live } = await start(sshd, `redis://127.0.0.1:${await freePort()}`);
  await live.said(/trying again/);
  live.child.kill('SIGTERM');
  expect((await live.ended).code).toBe(143);
}, 30_000);
