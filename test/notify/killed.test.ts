/** Row 78: whoever keeps incidents is killed between any two steps, and somebody else goes on. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Channel } from '../../src/core/notify.js';
import { Delivery } from '../../src/notify/deliver.js';
import { openStore } from '../../src/queue/store/store.js';
import { builtModule } from '../kit/built.js';
import { reportOf } from '../kit/daemons/controls.js';
import { startReceiver } from '../kit/servers/receiver.js';
import { sharedStores, storeForTest } from '../kit/servers/stores.js';

/** One incident of each of two jobs, from its beginning to its end: more writes than `mostKills`. */
function scenario(number: number, isLast: boolean) {
  const happening = (job: string, outcome: 'failed' | 'succeeded') => {
    const at = Date.now() + (outcome === 'failed' ? 0 : 1);
    const run = `${job}-${outcome}`;
    const report = reportOf(run, {
      job,
      outcome,
      worker: 'w',
      endedAt: new Date(at).toISOString(),
    });
    return { what: 'run', report } as const;
  };
  const jobs = [`a${number}`, `b${number}`];
  const failures = jobs.map((job) => happening(job, 'failed'));
  const successes = jobs.map((job) => happening(job, 'succeeded'));
  return { failures, successes, isLast };
}

const mostKills = 12;

describe.each(sharedStores)('row 78: on %s', (_, startStore) => {
  test('one message a step and channel, wherever the keeper was killed', async () => {
    const { url } = await storeForTest(startStore);
    const receiver = await startReceiver();
    const channel = {
      ...{ name: 'ops', failures: 1, wait: 0, remind: undefined, group: 0, quiet: undefined },
      target: { kind: 'webhook', url: receiver.url, format: 'generic', secret: undefined },
      on: ['failed', 'recovered'],
    } as const;
    const ops: Channel = { ...channel, on: new Set(channel.on) };
    const store = await openStore({ url, folder: '', onTrouble() {}, onNote() {}, onWarning() {} });
    const delivery = new Delivery({
      store,
      channels: () => new Map([['ops', ops]]),
      wording: () => ({ redact: (text) => text }),
      incidents: async () => [],
      onEnd() {},
      onError() {},
    });
    onTestFinished(async () => {
      await delivery.close();
      await store.close();
    });
    const looking = setInterval(() => delivery.look(), 20);
    onTestFinished(() => clearInterval(looking));
    const names = [
      'queue/store/store',
      'notify/incident-store',
      'notify/messages',
      'notify/keeper',
    ];
    const modules = await Promise.all(names.map((name) => builtModule(`${name}.ts`)));
    let before: ReturnType<typeof scenario> | undefined;
    for (let dieAfter = 1; dieAfter <= mostKills + 1; dieAfter++) {
      const isOver = dieAfter > mostKills;
      const own = scenario(dieAfter, true);
      const scenarios = [...(before === undefined ? [] : [before]), ...(isOver ? [] : [own])];
      const given = JSON.stringify({ modules, url, channel, scenarios, dieAfter });
      const child = spawn(
        process.execPath,
        [join(import.meta.dirname, 'killed-keeper.mjs'), given],
        {
          stdio: ['ignore', 'inherit', 'inherit'],
        },
      );
      const [code, signal] = await once(child, 'exit');
      expect([code, signal]).toEqual(isOver ? [0, null] : [null, 'SIGKILL']);
      before = { ...own, isLast: false };
    }
    const told = receiver.received.flatMap(({ body }) =>
      JSON.parse(body).data.incidents.map(
        ({ job, step }: { job: string; step: string }) => `${job} ${step}`,
      ),
    );
    const expected = Array.from({ length: mostKills }, (_, n) =>
      ['a', 'b'].flatMap((job) => [`${job}${n + 1} opened`, `${job}${n + 1} recovered`]),
    );
    expect(told.sort()).toEqual(expected.flat().sort());
    const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
    expect(new Set(ids).size).toBe(ids.length);
  }, 120_000);
});
