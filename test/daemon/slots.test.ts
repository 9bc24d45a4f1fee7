/**
 * Slots over a restart and over a change of the clocks, and pauses over a lost queue. Where the clock is
 * another one, the queue is embedded: with a server, slots come by the server's clock.
 */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import { test } from '../kit/base.js';
import { addApi, askApi, hostOf } from '../kit/daemons/api.js';
import { type JsonEvent, writeJobs } from '../kit/daemons/cli.js';
import { eventually, runsOf, startDaemon } from '../kit/daemons/daemon.js';
import { valuesIn } from '../kit/metrics.js';
import { openScene, remoteIn, type Scene } from '../kit/scene.js';
import type { Redis } from '../kit/servers/redis.js';
import type { Sshd } from '../kit/servers/sshd.js';

/** A scene, and a database of the Redis for it alone. */
async function freshScene(
  sshd: Sshd,
  redis: Redis,
): Promise<{ scene: Scene; env: Record<string, string> }> {
  const scene = await openScene(sshd);
  scene.writeHere({ a: 'one' });
  return { scene, env: { FERRYLINE_QUEUE: redis.database() } };
}

async function ends(scene: Scene): Promise<JsonEvent[]> {
  const { events } = await scene.cli(['runs', '--idle', '--json', '--limit', '1000']);
  return events.filter(({ event, state, slot }) => event === 'slot' || (state === 'ended' && slot));
}

const time = ({ slot }: JsonEvent) => Date.parse(slot);

describe.each([
  { catchUp: { slots: 'latest', within: '1h' }, each: 2, away: 600 },
  { catchUp: { slots: 'all', within: '1h' }, each: 10, away: 130 },
  { catchUp: { slots: 'none', within: '1h' }, each: 2, away: 600 },
  { catchUp: { slots: 'all', within: '1s' }, each: 2, away: 600 },
])('a daemon that was away, catchUp: $catchUp.slots, within $catchUp.within', (rules) => {
  test('every slot ends once', async ({ scene }) => {
    scene.writeHere({ a: 'one' });
    const { catchUp, each } = rules;
    await scene.jobs({ schedule: `*/${each} * * * * *`, catchUp });
    addApi(scene);
    const daemon = await startDaemon(scene);
    await eventually(async () => (await ends(scene)).length > 0);
    await daemon.stop();
    // What is at most a minute late is due and not missed: as if it had been away for longer.
    const away = Date.now();
    await sleep(1);
    const shift = rules.away * 1000;
    const again = await startDaemon(scene, { env: clockAhead(shift) });
    // only the daemon knows of skipped slots, so it is asked while it runs
    const found = await eventually(async () => {
      const all = await runsOf(scene);
      const goesOn = all.some(
        ({ state, slot }) =>
          state !== undefined && state !== 'ended' && Date.parse(slot) <= away + shift,
      );
      const now = await ends(scene);
      return !goesOn && now.some((one) => time(one) > away + shift + 10_000) && now;
    });
    const { stdout } = await scene.cli(['runs', '--idle', '--limit', '1000']);
    const { body } = await askApi(await hostOf(again), '/metrics');
    await again.stop();
    // Those left out by `catchUp: none` are meant; a few have an earlier run that is still active.
    const counted = valuesIn(body, 'ferryline_slots_missed_total')[0]?.value ?? -1;
    const isMeant = catchUp.slots === 'none' || (catchUp.slots === 'all' && each === 10);
    expect(counted > 100).toBe(!isMeant);
    expect(counted).toBeGreaterThanOrEqual(0);
    const all = found
      .filter(({ slot, from = slot }) => Date.parse(from) <= away + shift)
      .sort((a, b) => time(a) - time(b));
    // A record has several of them; what ran has its own.
    const slots = all.flatMap(({ slot, from, count = 1 }) => {
      const last = Date.parse(slot);
      if (from !== undefined) expect(last - Date.parse(from)).toBe((count - 1) * each * 1000);
      return Array.from({ length: count }, (_, n) => last - (count - 1 - n) * each * 1000);
    });
    expect(new Set(slots).size).toBe(slots.length);
    // None is left out.
    const gaps = slots.slice(1).map((slot, n) => slot - (slots[n] ?? 0));
    expect(new Set(gaps)).toEqual(new Set([each * 1000]));
    const missed = all.filter(
      (one) => time(one) > away && (one.count > 1 || time(one) < away + shift - 60_000),
    );
    const ran = missed.filter(({ event }) => event === 'run-view');
    if (catchUp.slots === 'all' && catchUp.within !== '1s') {
      // Each of them runs, one after another.
      expect(ran.length).toBe(missed.length);
      expect(ran.length).toBeGreaterThan(4);
      expect(ran.every(({ trigger }) => trigger === 'catch-up')).toBe(true);
      const order = [...ran].sort((a, b) => time(a) - time(b)).map((one) => one.report.startedAt);
      expect(order).toEqual(order.toSorted());
    } else {
      // One record has them all.
      expect(missed).toHaveLength(1);
      expect(missed[0]?.count).toBeGreaterThan(100);
    }
    const why = {
      none: /^catchUp: none/,
      latest: /a later slot makes up/,
      all: /catchUp\.within/,
    };
    for (const { event, why: said } of missed)
      if (event === 'slot') expect(said).toMatch(why[catchUp.slots as keyof typeof why]);
    expect(stdout).toMatch(
      ran.length > 0 ? /late by \d+ min/ : /\d{3} slots from \S+ .*\d to \S+ .*\d were missed: /,
    );
  }, 180_000);
});

/** The environment of a process whose clock is ahead. */
function clockAhead(ms: number): { NODE_OPTIONS: string } {
  const module = encodeURIComponent(
    `const Real=Date;globalThis.Date=class extends Real{constructor(...a){if(a.length===0)super(Real.now()+${ms});else super(...a)}static now(){return Real.now()+${ms}}};`,
  );
  return { NODE_OPTIONS: `--import data:text/javascript,${module}` };
}

test.for([
  {
    to: 'summer time',
    // 02:30 does not exist, and comes at the end of the hour that is left out.
    daily: '2032-03-28T01:00:00.000Z',
    hourly: ['2032-03-28T01:30:00.000Z'],
  },
  {
    to: 'winter time',
    // 02:30 comes twice, and is one slot.
    daily: '2032-10-31T00:30:00.000Z',
    hourly: ['2032-10-31T00:30:00.000Z', '2032-10-31T01:30:00.000Z'],
  },
])(
  'a daemon in Berlin on the night of the change to $to',
  { timeout: 180_000 },
  async ({ daily, hourly }, { sshd, scene }) => {
    scene.writeHere({ a: 'one' });
    const job = { operation: 'push', from: './data', timezone: 'Europe/Berlin' };
    await writeJobs(scene.cwd, {
      remotes: { archive: remoteIn(sshd) },
      jobs: {
        daily: { ...job, to: `archive:${scene.place}/daily`, schedule: '30 2 * * *' },
        hourly: { ...job, to: `archive:${scene.place}/hourly`, schedule: '30 * * * *' },
      },
    });
    /** A daemon whose clock shows the given moment when it starts. */
    const startAt = (moment: number) =>
      startDaemon(scene, { env: clockAhead(moment - Date.now()) });
    // It sees the jobs, so that a start that takes its time passes over no slot.
    const first = await startAt(Date.parse(daily) - 55_000);
    await eventually(() => existsSync(join(scene.cwd, '.state/slots.json')));
    await first.stop();
    const slots = [...new Set([daily, ...hourly])];
    for (const [n, slot] of slots.entries()) {
      const daemon = await startAt(Date.parse(slot) - 2000);
      const wanted = [daily, ...hourly].filter((one) => slots.indexOf(one) <= n).sort();
      const ended = await eventually(async () => {
        const all = await ends(scene);
        return all.length >= wanted.length && all;
      });
      expect(ended.map((one) => one.slot).sort()).toEqual(wanted);
      expect(ended.every(({ trigger }) => trigger === 'schedule')).toBe(true);
      await daemon.stop();
    }
    const runs = await runsOf(scene, 'daily');
    expect(runs.map((one) => one.slot)).toEqual([daily]);
  },
);

test.for([{ store: 'embedded' }, { store: 'redis' }])(
  'a clock a day ahead for a while: slots go on, on $store',
  { timeout: 180_000 },
  async ({ store }, { scene, redis }) => {
    scene.writeHere({ a: 'one' });
    await scene.jobs({ schedule: '* * * * * *' });
    const env = store === 'redis' ? { FERRYLINE_QUEUE: redis.database() } : {};
    const day = 24 * 3600_000;
    const ahead = await startDaemon(scene, { env: { ...env, ...clockAhead(day) } });
    await eventually(async () => (await ends(scene)).length > 2);
    if (store === 'redis') {
      // Slots come by the server's clock.
      expect((await ends(scene)).every((one) => time(one) < Date.now() + 60_000)).toBe(true);
      await ahead.said(/this machine's clock, .* is 2[34] h \d+ min ahead of/);
    }
    await ahead.stop();
    const daemon = await startDaemon(scene, { env });
    const isNow = (one: JsonEvent) => time(one) < Date.now() + 60_000;
    const since = Date.now();
    await eventually(
      async () => (await ends(scene)).filter((one) => isNow(one) && time(one) > since).length > 2,
    );
    if (store === 'embedded')
      await daemon.said(/job: slots were handled up to \S+, and the clock is at \S+: it was ahead/);
    await daemon.stop();
  },
);

describe('a pause', () => {
  const isPaused = async (scene: Scene) =>
    (await scene.cli(['status', '--json'])).events[0]?.jobs[0].paused;

  test('outlives a restart and a lost queue; slots are skipped, and resume looks at everything', async ({
    sshd,
    redis,
  }) => {
    const { scene, env } = await freshScene(sshd, redis);
    await scene.jobs({
      operation: 'push',
      schedule: '* * * * * *',
      watch: { rescan: '1h' },
      settle: '100ms',
    });
    let daemon = await startDaemon(scene, { env });
    await eventually(async () => (await ends(scene)).length > 0);
    expect((await scene.cli(['pause', 'job'])).code).toBe(0);
    await daemon.stop();
    await redis.command('FLUSHALL');
    daemon = await startDaemon(scene, { env });
    expect(await isPaused(scene)).toBe(true);
    await eventually(async () =>
      (await ends(scene)).some(({ why }) => why?.startsWith('the job is paused by ')),
    );
    const refused = await scene.cli(['enqueue', 'job']);
    expect([refused.code, refused.stderr]).toEqual([7, expect.stringContaining('paused')]);
    const before = (await ends(scene)).filter(({ event }) => event === 'run-view').length;
    scene.writeHere({ later: 'two' });
    await eventually(
      async () => (await ends(scene)).filter(({ why }) => why?.includes('paused')).length > 4,
    );
    expect((await ends(scene)).filter(({ event }) => event === 'run-view')).toHaveLength(before);
    expect((await scene.cli(['resume', 'job'])).code).toBe(0);
    const rescanned = await eventually(async () =>
      (await scene.cli(['runs', '--idle', '--json', '--limit', '1000'])).events.find(
        ({ trigger, outcome }) => trigger === 'rescan' && outcome === 'succeeded',
      ),
    );
    expect(rescanned.job).toBe('job');
    await daemon.stop();
  }, 90_000);

  test('of an embedded queue outlives its folder', async ({ sshd, redis }) => {
    const { scene } = await freshScene(sshd, redis);
    let daemon = await startDaemon(scene);
    await scene.cli(['pause', 'job']);
    await daemon.stop();
    rmSync(join(scene.cwd, '.state/queue'), { recursive: true });
    daemon = await startDaemon(scene);
    expect(await isPaused(scene)).toBe(true);
    await daemon.stop();
  }, 120_000);
});
