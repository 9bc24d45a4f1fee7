/**
 * Rows 13 and 17 of docs/faults.md: the built program, or its server, is killed at every system call that
 * touches data, and every fsync and close fails, one after another. `npm test` plays a sample, `npm run
 * torture` all of them, with other files each time round.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { random } from '../kit/files/tree.js';
import type { Sshd } from '../kit/servers/sshd.js';
import { type Call, callsIn, injectedIn, straceOf } from './calls.js';
import { type Killable, KillScene, startOrderedSshd, type Way, ways } from './kill-scene.js';
import { RenameScene } from './rename-scene.js';
import { asked } from './settings.js';

const { seed, milliseconds, isLong } = asked(0);
const chance = random(seed);
let sshd: Sshd;
let orders: string;
const counts = { kills: 0, missed: 0, errors: 0 };

beforeAll(async () => {
  ({ sshd, orders } = await startOrderedSshd());
});
afterAll(async () => {
  await sshd.stop();
  console.log(
    `torture: ${counts.kills} kills, ${counts.errors} errors injected, ${counts.missed} not met`,
  );
});

/** Some of a list by chance, in order; all of it in the long test. */
function some<T>(list: readonly T[], count: number): T[] {
  if (isLong) return [...list];
  const chosen = new Set<T>();
  while (chosen.size < Math.min(count, list.length))
    chosen.add(list[Math.floor(chance() * list.length)] as T);
  return list.filter((one) => chosen.has(one));
}

/** Plays rounds until the time is over; one is whole in any case. */
async function rounds(play: (seed: number) => Promise<void>, share: number): Promise<void> {
  const end = performance.now() + milliseconds * share;
  let round = seed;
  do await play(round++);
  while (performance.now() < end);
}

/** Of the program: what it does with both sides and its state, and what it says to the server after the login. */
function ofProgram(scene: Killable): Call[] {
  let isLoggedIn = false;
  return callsIn(scene.log, (text) => {
    if (text.includes('/stored-times/')) isLoggedIn = true;
    if (/\((?:1|2)</.test(text)) return false; // its output
    return text.includes(scene.from) || text.includes(scene.to) || (isLoggedIn && ofRun.test(text));
  });
}
const ofRun = /<socket:|\/\.state\//;

async function killed(scene: Killable, call: Call, whose: 'program' | 'server', round: number) {
  await scene.reset(round);
  const inject = { call, inject: 'signal=KILL' };
  if (whose === 'server') scene.orderServer(straceOf(scene.serverLog, inject));
  const { code } = await scene.run(whose === 'program' ? straceOf(scene.log, inject) : []);
  if (whose === 'program' && code === 0) counts.missed++;
  else counts.kills++;
  const where = `${scene.way}, ${whose}, seed ${round}, killed at ${call.name} ${call.nth}: ${call.text}`;
  expect([where, scene.wrongNow()]).toEqual([where, []]);
  const after = await scene.run();
  expect([where, after.code, after.events.at(-1)]).toMatchObject([where, 0, { event: 'run' }]);
  expect([where, scene.wrongAfter()]).toEqual([where, []]);
}

/** Of the server: what it does with the destination. */
function ofServer(scene: Killable): Call[] {
  return callsIn(scene.serverLog, (text) => text.includes(scene.to) || text.includes(scene.from));
}

const chosen = (few: readonly Way[]) => (isLong ? ways : few);
const timeout = milliseconds + 600_000;

describe('row 17: killed at every system call that touches data', () => {
  test.each(chosen(['push', 'mirror down', 'across']))(
    'the program, %s',
    { timeout },
    async (way) => {
      const scene = await KillScene.open(way, sshd, orders);
      await rounds(async (round) => {
        await scene.reset(round);
        expect((await scene.trace('program')).code).toBe(0);
        expect(scene.wrongAfter()).toEqual([]);
        const calls = ofProgram(scene);
        expect(calls.length).toBeGreaterThan(30);
        for (const call of some(calls, 2)) await killed(scene, call, 'program', round);
      }, 0.09);
    },
  );

  test.each(chosen(['mirror']))('the server, %s', { timeout }, async (way) => {
    const scene = await KillScene.open(way, sshd, orders);
    await rounds(async (round) => {
      await scene.reset(round);
      expect((await scene.trace('server')).code).toBe(0);
      const calls = ofServer(scene);
      expect(calls.length).toBeGreaterThan(10);
      for (const call of some(calls, 2)) await killed(scene, call, 'server', round);
    }, 0.06);
  });
});

test.for(['program', 'server'] as const)(
  'renames: the %s is killed at every system call that touches data',
  { timeout },
  async (whose) => {
    const scene = await RenameScene.open(sshd, orders);
    await rounds(async (round) => {
      await scene.reset();
      const { code, events } = await scene.trace(whose);
      expect([code, events.at(-1)]).toMatchObject([0, { files: { renamed: 6, copied: 1 } }]);
      expect(scene.wrongAfter()).toEqual([]);
      const calls = whose === 'program' ? ofProgram(scene) : ofServer(scene);
      expect(calls.length).toBeGreaterThan(20);
      for (const call of some(calls, 2)) await killed(scene, call, whose, round);
    }, 0.05);
  },
);

/** Whether an error of this call says that data was not stored. */
const storesData = ({ name, text }: Call) =>
  (name === 'fsync' || name === 'close') && text.includes('.ferrypart');

describe('row 13: fsync or close fails with EIO', () => {
  const rows = [
    ['here', 'pull', 'program'],
    ['on the server', 'push', 'server'],
  ] as const;
  test.each(rows)('%s', { timeout }, async (_, way, whose) => {
    const scene = await KillScene.open(way, sshd, orders);
    await rounds(async (round) => {
      await scene.reset(round);
      expect((await scene.trace(whose)).code).toBe(0);
      const calls = (whose === 'program' ? ofProgram(scene) : ofServer(scene)).filter(storesData);
      expect(new Set(calls.map(({ name }) => name))).toEqual(new Set(['fsync', 'close']));
      for (const call of some(calls, 2)) {
        await scene.reset(round);
        const inject = { call, inject: 'error=EIO' };
        if (whose === 'server') scene.orderServer(straceOf(scene.serverLog, inject));
        const wrap = whose === 'program' ? straceOf(scene.log, inject) : [];
        const { code, events } = await scene.run(wrap);
        const where = `${way}, seed ${round}, EIO from ${call.name} ${call.nth}: ${call.text}`;
        expect([where, scene.wrongNow()]).toEqual([where, []]);
        const injected = injectedIn(whose === 'program' ? scene.log : scene.serverLog);
        // Node ends at an error of its own calls
        const isOfData = injected.every((text) => storesData({ ...call, text }));
        if (code === 0 || !isOfData) {
          counts.missed++;
          continue;
        }
        counts.errors++;
        const failures = events.at(-1)?.failures;
        expect([where, code, failures]).toMatchObject([where, 3, [{ kind: 'io' }]]);
        const after = await scene.run();
        expect([where, after.code, after.events.at(-1)]).toMatchObject([
          ...[where, 0, { files: { copied: 1 } }],
        ]);
        expect([where, scene.wrongAfter()]).toEqual([where, []]);
      }
    }, 0.05);
  });
});
