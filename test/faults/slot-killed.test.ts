/** A process that decides a slot is killed between any two of its steps: row 69 of docs/faults.md. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Budget } from '../../src/core/at-once.js';
import type { Report } from '../../src/core/events.js';
import type { Job } from '../../src/core/job.js';
import { consume } from '../../src/queue/consume.js';
import { openRunQueue } from '../../src/queue/runs.js';
import { openSignals } from '../../src/queue/signals.js';
import { openSlots } from '../../src/queue/slots.js';
import { openStore } from '../../src/queue/store/store.js';
import { slotDecider } from '../../src/triggers/schedule/decide-slot.js';
import { builtModule } from '../kit/built.js';
import { temporaryFolder } from '../kit/files/temporary.js';
import { startPostgres } from '../kit/servers/postgres.js';
import { startRedis } from '../kit/servers/redis.js';
import { storeForTest } from '../kit/servers/stores.js';

const slot = Date.UTC(2026, 0, 1, 2);
const starts = { retry: { attempts: 1 }, catchUp: { slots: 'latest' } };
/** Right after which call to the store a process dies: the Nth of its kind. */
const deaths = ['addJob 1', 'moveToActive 1', 'addJob 2', 'moveToCompleted 1'];

const modules = {
  store: await builtModule('queue/store/store.ts'),
  signals: await builtModule('queue/signals.ts'),
  runs: await builtModule('queue/runs.ts'),
  slots: await builtModule('queue/slots.ts'),
  decide: await builtModule('triggers/schedule/decide-slot.ts'),
};

interface Place {
  readonly url: string;
  readonly folder: string;
}

/** Has a slot of `job` added and decided by a process that kills itself right after a call to the store; resolves to that call, or to `done`. */
async function decideUntil(place: Place, job: string, death: string): Promise<string> {
  // Bundled as it is here, it can't check a database.
  if (place.folder !== '') writeFileSync(join(place.folder, 'clean'), '');
  const program = `
    import { writeSync } from 'node:fs';
    const { openStore } = await import('${modules.store}');
    const { openSignals } = await import('${modules.signals}');
    const { openRunQueue } = await import('${modules.runs}');
    const { openSlots } = await import('${modules.slots}');
    const { slotDecider } = await import('${modules.decide}');
    let armed = false;
    const calls = {};
    const after = (call) => {
      if (call !== '${death}') return;
      writeSync(1, call);
      process.kill(process.pid, 'SIGKILL');
    };
    const opened = await openStore({ ...${JSON.stringify(place)}, onTrouble() {}, onWarning() {} });
    const backend = (...args) => new Proxy(opened.backend(...args), {
      get(made, name) {
        const value = Reflect.get(made, name, made);
        if (typeof value !== 'function') return value;
        // What others were killed over is left to the end.
        if (name === 'moveStalledJobsToWait') return async () => [];
        return (...given) => {
          if (!armed) return value.apply(made, given);
          calls[name] = (calls[name] ?? 0) + 1;
          const call = name + ' ' + calls[name];
          const answer = value.apply(made, given);
          return answer?.then?.((it) => (after(call), it)) ?? answer;
        };
      },
    });
    const store = { ...opened, backend };
    const fail = (error) => { console.error(error); process.exit(1); };
    const runs = await openRunQueue(store, await openSignals(opened, fail), fail);
    const slots = openSlots(store, fail);
    const onlooker = openSlots(opened, fail);
    const job = { name: '${job}', starts: ${JSON.stringify(starts)} };
    const decide = slotDecider({
      runs,
      jobNamed: (name) => ({ ...job, name }),
      pauseOf: () => undefined,
      hasReport: async () => false,
      emptiedAt: () => undefined,
    });
    armed = true;
    await slots.add({ job: '${job}', slot: ${slot}, how: 'due' });
    slots.decide({ decide, outlived: () => undefined, left() {} });
    while ((await onlooker.end('${job}', ${slot})) === undefined) await new Promise((next) => setTimeout(next, 100));
    writeSync(1, 'done');
    process.exit(0);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    said += text;
  });
  await once(child, 'close');
  return said;
}

/** Starts a scheduler and a worker that are not killed, which are offered the same slots; resolves to how often each job ran. */
async function finish(place: Place, jobs: readonly string[]): Promise<Map<string, number>> {
  const errors: Error[] = [];
  const onError = (error: Error) => void errors.push(error);
  const store = await openStore({ ...place, onTrouble() {}, onWarning() {} });
  const signals = await openSignals(store, onError);
  const runs = await openRunQueue(store, signals, onError);
  const slots = openSlots(store, onError);
  const ran = new Map<string, number>();
  const places = new Budget(10);
  const consumer = consume(store, {
    workers: [undefined],
    takePlace: () => (places.tryTake(1) ? () => places.give(1) : undefined),
    async carryOut({ request: { run, job, trigger } }) {
      ran.set(job, (ran.get(job) ?? 0) + 1);
      const report = { run, job, trigger, outcome: 'succeeded', exitCode: 0 } as Report;
      return { next: 'end', report };
    },
    onEnded: () => {},
    onGivenUp: () => {},
    onError,
  });
  for (const job of jobs) await slots.add({ job, slot, how: 'due' });
  slots.decide({
    decide: slotDecider({
      runs,
      jobNamed: (name) => ({ name, starts }) as unknown as Job,
      pauseOf: () => undefined,
      hasReport: async () => false,
      emptiedAt: () => undefined,
    }),
    outlived: () => undefined,
    left: () => {},
  });
  for (const job of jobs) {
    let end: Awaited<ReturnType<typeof slots.end>>;
    while (end === undefined || end === 'lost') {
      end = await slots.end(job, slot);
      await sleep(50);
    }
    expect(end).toMatchObject({ end: 'ran' });
    const run = end.end === 'ran' ? end.run : '';
    while ((await runs.find(run))?.state !== 'ended') await sleep(50);
  }
  expect(errors).toEqual([]);
  const left = (await runs.list(0)).map(({ run }) => run);
  expect(left).toEqual([]);
  await consumer.close();
  await slots.close();
  await runs.close();
  await signals.close();
  await store.close();
  return ran;
}

test('the slot makes one run, whichever step was the last: on Redis, Postgres and embedded', async () => {
  const servers = await Promise.all([startRedis, startPostgres].map(storeForTest));
  const folder = await temporaryFolder();
  await (await openStore({ url: 'embedded', folder, onTrouble() {}, onWarning() {} })).close();
  const places: Place[] = [
    ...servers.map(({ url }) => ({ url, folder: '' })),
    { url: 'embedded', folder },
  ];
  await Promise.all(
    places.map(async (place) => {
      const jobs = deaths.map((_, n) => `job-${n}`);
      for (const [n, death] of deaths.entries())
        expect(await decideUntil(place, jobs[n] as string, death)).toBe(death);
      const ran = await finish(place, jobs);
      expect(Object.fromEntries(ran)).toEqual(Object.fromEntries(jobs.map((job) => [job, 1])));
    }),
  );
}, 240_000);
