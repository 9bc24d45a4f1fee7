/** The scheduler under a clock of the test's own: a wall that jumps, and a time that only passes. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Hours, parseHours } from '../../../src/core/hours.js';
import {
  type ScheduledJob,
  type ScheduleOptions,
  Scheduler,
} from '../../../src/triggers/schedule/schedule.js';
import { type MissedRules, slotsBetween } from '../../../src/triggers/schedule/slots.js';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

const at = (date: string) => Date.parse(date);
const iso = (ms: number) => new Date(ms).toISOString().replace(/(?::00)?\.000Z$/, 'Z');

function daily(schedule: string | string[], more: Partial<MissedRules> = {}): MissedRules {
  return {
    schedule: [schedule].flat(),
    timezone: 'UTC',
    catchUp: { slots: 'latest', within: undefined },
    ...more,
  };
}

/** A scheduler, all that it offers as `JOB SLOT HOW`, and its clock. */
function scene(start: string, onSlot?: ScheduleOptions['onSlot']) {
  const timers = new Set<{ readonly due: number; readonly then: () => void }>();
  const told: string[] = [];
  const errors: unknown[] = [];
  let passed = 0;
  let wall = at(start);
  let wakes = 0;
  const scheduler = new Scheduler({
    async onSlot(job, slot, how) {
      await onSlot?.(job, slot, how);
      told.push(`${job} ${iso(slot)} ${how}`);
    },
    async onGap(job, { from, to, count, why }) {
      told.push(`${job} ${count} ${iso(from)} to ${iso(to)}: ${why}`);
    },
    onHandled: () => {},
    async onAhead(jobs, now) {
      for (const [job, until] of jobs) told.push(`${job} ahead ${iso(until)} at ${iso(now)}`);
      return new Map();
    },
    onError: (job, thrown) => errors.push(`${job}: ${(thrown as Error).message}`),
    now: () => wall,
    setTimer(ms, then) {
      const timer = { due: passed + ms, then };
      timers.add(timer);
      return () => timers.delete(timer);
    },
  });
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return {
    scheduler,
    told,
    errors,
    timers,
    wakes: () => wakes,
    wall: () => wall,
    settle,
    /** What was told since it was last asked. */
    news: () => told.splice(0),
    set: async (jobs: Record<string, MissedRules | ScheduledJob>) => {
      const entries = Object.entries(jobs).map(([name, given]): [string, ScheduledJob] => [
        name,
        'starts' in given ? given : { starts: given, handledUntil: wall },
      ]);
      scheduler.set(new Map(entries));
      await settle();
    },
    /** Time passes, and the wall clock with it. */
    async pass(ms: number) {
      const end = passed + ms;
      for (;;) {
        const [first] = [...timers].sort((a, b) => a.due - b.due);
        if (first === undefined || first.due > end) break;
        wall += first.due - passed;
        passed = first.due;
        timers.delete(first);
        wakes++;
        first.then();
        await settle();
      }
      wall += end - passed;
      passed = end;
    },
    /** The wall clock is set, or the machine sleeps: no timer's time passes. */
    jump(ms: number) {
      wall += ms;
    },
  };
}

const later = 'a later slot makes up for it (catchUp: latest)';

describe('slots come due', () => {
  test('at their time, each once, over all jobs', async () => {
    const { set, pass, news, scheduler } = scene('2026-01-01T00:00Z');
    await set({ a: daily('*/30 * * * *'), b: daily(['0 1 * * *', '5 1 * * *']), c: daily([]) });
    expect(iso(scheduler.next('a') ?? 0)).toBe('2026-01-01T00:30Z');
    expect([scheduler.next('c'), scheduler.next('d')]).toEqual([undefined, undefined]);
    await pass(29 * minute);
    expect(news()).toEqual([]);
    await pass(37 * minute);
    expect(news()).toEqual([
      'a 2026-01-01T00:30Z due',
      'a 2026-01-01T01:00Z due',
      'b 2026-01-01T01:00Z due',
      'b 2026-01-01T01:05Z due',
    ]);
    expect(iso(scheduler.next('b') ?? 0)).toBe('2026-01-02T01:00Z');
  });

  test('a due slot outside the window does not make up for a missed one inside', async () => {
    const { set, news, scheduler } = scene('2026-01-01T08:00Z');
    const rules = daily('0 * * * *', {
      catchUp: { slots: 'latest', within: day },
      window: parseHours('22:00-06:00') as Hours,
    });
    await set({ a: { starts: rules, handledUntil: at('2026-01-01T04:00Z') } });
    expect(news()).toEqual([
      'a 2026-01-01T05:00Z catch-up',
      'a 2026-01-01T08:00Z due',
      'a 2 2026-01-01T06:00Z to 2026-01-01T07:00Z: outside the window 22:00-06:00',
    ]);
    expect(iso(scheduler.next('a') ?? 0)).toBe('2026-01-01T22:00Z');
  });

  test('no slot is offered while the one before it is', async () => {
    const gates: (() => void)[] = [];
    const offered: number[] = [];
    const { set, pass, news, settle } = scene('2026-01-01T00:00Z', (_job, slot) => {
      offered.push(slot);
      return new Promise((resolve) => gates.push(resolve));
    });
    await set({ a: daily('* * * * *', { catchUp: { slots: 'all', within: hour } }) });
    await pass(3 * minute);
    expect(offered.map(iso)).toEqual(['2026-01-01T00:01Z']);
    for (let i = 0; i < 3; i++) {
      gates[i]?.();
      await settle();
    }
    expect(news()).toEqual([
      'a 2026-01-01T00:01Z due',
      'a 2026-01-01T00:02Z due',
      'a 2026-01-01T00:03Z due',
    ]);
  });

  test('over the hour that DST leaves out, and the one it repeats', async () => {
    const zone = { timezone: 'Europe/Berlin' };
    const spring = scene('2026-03-29T00:10Z');
    await spring.set({ time: daily('30 2 * * *', zone), pace: daily('30 * * * *', zone) });
    await spring.pass(2 * hour);
    expect(spring.news()).toEqual([
      'pace 2026-03-29T00:30Z due',
      'time 2026-03-29T01:00Z due',
      'pace 2026-03-29T01:30Z due',
    ]);
    const autumn = scene('2026-10-25T00:10Z');
    await autumn.set({ time: daily('30 2 * * *', zone), pace: daily('30 * * * *', zone) });
    await autumn.pass(2 * hour);
    expect(autumn.news()).toEqual([
      'time 2026-10-25T00:30Z due',
      'pace 2026-10-25T00:30Z due',
      'pace 2026-10-25T01:30Z due',
    ]);
  });
});

describe('missed slots', () => {
  const jobs = {
    none: daily('0 * * * *', { catchUp: { slots: 'none', within: 3 * hour } }),
    latest: daily('0 * * * *', { catchUp: { slots: 'latest', within: 3 * hour } }),
    all: daily('0 * * * *', { catchUp: { slots: 'all', within: 2 * hour } }),
  };
  const old = (within: string) => `older than ${within} (catchUp.within)`;

  test('at start are those after the last one handled', async () => {
    const { set, news } = scene('2026-01-01T04:30Z');
    const handledUntil = at('2026-01-01T02:00Z');
    await set({ all: { starts: jobs.all, handledUntil } });
    expect(news()).toEqual(['all 2026-01-01T03:00Z catch-up', 'all 2026-01-01T04:00Z catch-up']);
  });

  test('of a suspend are noticed within half a minute', async () => {
    const { set, pass, jump, news } = scene('2026-01-01T00:10Z');
    await set(jobs);
    jump(4 * hour);
    await pass(30 * second);
    expect(news().sort()).toEqual([
      `all 2 2026-01-01T01:00Z to 2026-01-01T02:00Z: ${old('2 h 0 min')}`,
      'all 2026-01-01T03:00Z catch-up',
      'all 2026-01-01T04:00Z catch-up',
      'latest 2026-01-01T04:00Z catch-up',
      `latest 3 2026-01-01T01:00Z to 2026-01-01T03:00Z: ${old('3 h 0 min')}; ${later}`,
      'none 4 2026-01-01T01:00Z to 2026-01-01T04:00Z: catchUp: none',
    ]);
  });

  test('are not made up for where one is due just then', async () => {
    const { set, pass, jump, news } = scene('2026-01-01T00:59:59Z');
    await set(jobs);
    jump(hour);
    await pass(30 * second);
    expect(news().sort()).toEqual([
      'all 2026-01-01T01:00Z catch-up',
      'all 2026-01-01T02:00Z due',
      `latest 1 2026-01-01T01:00Z to 2026-01-01T01:00Z: ${later}`,
      'latest 2026-01-01T02:00Z due',
      'none 1 2026-01-01T01:00Z to 2026-01-01T01:00Z: catchUp: none',
      'none 2026-01-01T02:00Z due',
    ]);
  });

  test('a minute late is due, more is missed', async () => {
    for (const [late, how] of [
      [minute, '2026-01-01T01:00Z due'],
      [minute + 1, '1 2026-01-01T01:00Z to 2026-01-01T01:00Z: catchUp: none'],
    ] as const) {
      const { set, pass, jump, news } = scene('2026-01-01T00:59:59Z');
      await set({ none: jobs.none });
      jump(late);
      await pass(second);
      expect(news()).toEqual([`none ${how}`]);
    }
  });

  test('of a clock set a day ahead make one run, and their own once it is set back', async () => {
    const { set, pass, jump, news, scheduler } = scene('2026-01-01T12:00Z');
    await set({ a: daily('0 2 * * *') });
    jump(day);
    await pass(minute);
    expect(news()).toEqual(['a 2026-01-02T02:00Z catch-up']);
    jump(-day);
    await pass(minute);
    expect(news()).toEqual(['a ahead 2026-01-02T02:00Z at 2026-01-01T12:01:30Z']);
    expect(iso(scheduler.next('a') ?? 0)).toBe('2026-01-02T02:00Z');
    await pass(day);
    expect(news()).toEqual(['a 2026-01-02T02:00Z due']);
  });

  test('of a clock that is set back are offered again: the queue knows which of them have run', async () => {
    const { set, pass, jump, news } = scene('2026-01-02T01:00Z');
    await set({ a: daily('0 * * * *') });
    await pass(90 * minute);
    expect(news()).toEqual(['a 2026-01-02T02:00Z due']);
    jump(-hour);
    await pass(hour);
    expect(news()).toEqual([
      'a ahead 2026-01-02T02:00Z at 2026-01-02T01:30:30Z',
      'a 2026-01-02T02:00Z due',
    ]);
    await pass(hour);
    expect(news()).toEqual(['a 2026-01-02T03:00Z due']);
  });

  test('memory that is ahead from the start silences no job', async () => {
    const { set, pass, news } = scene('2026-01-01T00:30Z');
    const handledUntil = at('2126-01-01T00:30Z');
    await set({
      a: { starts: daily('0 * * * *'), handledUntil },
      b: { starts: daily('0 0 29 2 *'), handledUntil },
    });
    expect(news()).toEqual([
      'a ahead 2126-01-01T00:30Z at 2026-01-01T00:30Z',
      'b ahead 2126-01-01T00:30Z at 2026-01-01T00:30Z',
    ]);
    await pass(hour);
    expect(news()).toEqual(['a 2026-01-01T01:00Z due']);
  });
});

describe('a slot that was refused', () => {
  test('comes again after a moment, the others do not', async () => {
    let refusals = 2;
    const { set, pass, news, errors } = scene('2026-01-01T00:00Z', async (job) => {
      if (job === 'a' && refusals-- > 0) throw new Error('no queue');
    });
    await set({ a: daily('0 1 * * *'), b: daily('0 1 * * *') });
    await pass(hour);
    expect([news(), errors]).toEqual([['b 2026-01-01T01:00Z due'], ['a: no queue']]);
    await pass(10 * second);
    expect(news()).toEqual(['a 2026-01-01T01:00Z due']);
    expect(errors).toHaveLength(2);
    await pass(hour);
    expect(news()).toEqual([]);
  });

  test('for long is a missed one', async () => {
    let refuse = true;
    const { set, pass, news } = scene('2026-01-01T00:00Z', async () => {
      if (refuse) throw new Error('no queue');
    });
    await set({
      a: daily('0 1 * * *'),
      b: daily('0 1 * * *', { catchUp: { slots: 'none', within: undefined } }),
    });
    await pass(2 * hour);
    refuse = false;
    await pass(minute);
    expect(news()).toEqual([
      'b 1 2026-01-01T01:00Z to 2026-01-01T01:00Z: catchUp: none',
      'a 2026-01-01T01:00Z catch-up',
    ]);
  });
});

describe('a reload', () => {
  test('begins now for a job whose schedule or zone changed', async () => {
    const { set, pass, news } = scene('2026-01-01T00:00Z');
    await set({ a: daily('0 1 * * *'), b: daily('0 1 * * *') });
    await pass(2.5 * hour);
    news();
    const handledUntil = 0;
    await set({
      a: { starts: daily('30 * * * *'), handledUntil },
      b: { starts: daily('0 1 * * *', { timezone: 'Etc/GMT+1' }), handledUntil },
    });
    expect(news()).toEqual([]);
    await pass(hour);
    expect(news()).toEqual(['a 2026-01-01T03:30Z due']);
  });

  test('keeps what was handled of a job that stays', async () => {
    const { set, pass, news, jump } = scene('2026-01-01T00:00Z');
    await set({ a: daily('0 1 * * *') });
    await pass(2 * hour);
    expect(news()).toEqual(['a 2026-01-01T01:00Z due']);
    jump(day);
    await set({
      a: {
        starts: daily('0 1 * * *', { catchUp: { slots: 'none', within: undefined } }),
        handledUntil: 0,
      },
    });
    expect(news()).toEqual(['a 1 2026-01-02T01:00Z to 2026-01-02T01:00Z: catchUp: none']);
  });

  test('ends what is not in it, its retries too', async () => {
    const { set, pass, timers, errors } = scene('2026-01-01T00:00Z', async () => {
      throw new Error('no queue');
    });
    await set({ a: daily('* * * * *') });
    await pass(minute);
    expect(errors).toHaveLength(1);
    await set({});
    expect(timers.size).toBe(0);
    await pass(hour);
    expect(errors).toHaveLength(1);
  });

  test('while slots are offered lets that one end, and offers no more of the old schedule', async () => {
    let open = () => {};
    const offered: string[] = [];
    const { set, pass, news, settle } = scene('2026-01-01T00:03Z', (_job, slot) => {
      offered.push(iso(slot));
      return new Promise((resolve) => (open = resolve));
    });
    const starts = daily('* * * * *', { catchUp: { slots: 'all', within: hour } });
    await set({ a: { starts, handledUntil: at('2026-01-01T00:00Z') } });
    await set({ a: daily('0 1 * * *') });
    open();
    await settle();
    expect(news()).toEqual(['a 2026-01-01T00:01Z catch-up']);
    await pass(hour);
    expect(offered).toEqual(['2026-01-01T00:01Z', '2026-01-01T01:00Z']);
  });

  test('with another schedule, after the clock was set back, goes by the clock', async () => {
    const { set, pass, news, jump } = scene('2026-01-01T00:00Z');
    await set({ a: daily('0 * * * *') });
    await pass(2 * hour);
    news();
    jump(-2 * hour);
    await set({ a: daily('*/30 * * * *') });
    await pass(hour);
    expect(news()).toEqual(['a 2026-01-01T00:30Z due', 'a 2026-01-01T01:00Z due']);
  });
});

test('stop leaves no timer', async () => {
  const { set, pass, news, scheduler, timers } = scene('2026-01-01T00:00Z');
  await set({ a: daily('* * * * *') });
  expect(timers.size).toBe(1);
  scheduler.stop();
  expect(timers.size).toBe(0);
  await pass(hour);
  expect(news()).toEqual([]);
});

test('a thousand jobs share one timer, which wakes for a slot or twice a minute', async () => {
  const { set, pass, news, timers, wakes } = scene('2026-01-01T00:00Z');
  const jobs = Array.from({ length: 1000 }, (_, i): [string, MissedRules] => [
    `job-${i}`,
    daily(`${i % 60} ${(i % 3) + 1} * * *`),
  ]);
  await set(Object.fromEntries(jobs));
  expect(timers.size).toBe(1);
  await pass(day);
  expect(new Set(news()).size).toBe(1000);
  expect(timers.size).toBe(1);
  expect(wakes()).toBeLessThanOrEqual(2 * 24 * 60 + 180);
});

test('whatever the clock does, a slot that comes is offered, and none twice unless the clock was set back', async () => {
  const step = fc.oneof(
    fc.record({ pass: fc.integer({ min: 1, max: 3 * hour }) }),
    fc.record({ jump: fc.integer({ min: -day, max: day }) }),
    fc.constant({ reload: true } as const),
  );
  const rules = fc.record({
    schedule: fc.constantFrom('*/15 * * * *', '0 * * * *', '*/20 1-4 * * *', '30 2 * * *'),
    timezone: fc.constantFrom('UTC', 'Europe/Berlin'),
    catchUp: fc.record({
      slots: fc.constantFrom('none', 'latest', 'all'),
      within: fc.constantFrom(undefined, hour, 2 * day),
    }),
  });
  const begins = fc.constantFrom('2026-01-01T00:00Z', '2026-03-28T22:00Z', '2026-10-24T22:00Z');
  await fc.assert(
    fc.asyncProperty(
      begins,
      rules,
      fc.array(step, { maxLength: 12 }),
      fc.array(fc.boolean(), { maxLength: 20 }),
      async (start, { schedule, ...more }, steps, refusals) => {
        const it = scene(start, async () => {
          if (refusals.pop() === true) throw new Error('refused');
        });
        const starts = daily(schedule, more);
        await it.set({ a: starts });
        let isBack = false;
        for (const one of steps) {
          if ('pass' in one) await it.pass(one.pass);
          else if ('jump' in one) {
            it.jump(one.jump);
            isBack ||= one.jump < 0;
          } else await it.set({ a: { starts, handledUntil: 0 } });
        }
        // For the retry of what is refused last, and until memory that is ahead was noticed.
        await it.pass(10 * minute);
        refusals.length = 0;
        await it.pass(10 * second);
        const before = it.news();
        // From here on the clock is right: whatever it was before, each slot comes.
        const from = it.wall();
        await it.pass(day);
        const due = it.news().map((line) => line.replace(/^a (\S+) due$/, '$1'));
        expect(due).toEqual(slotsBetween(starts, from, it.wall(), 10_000).map(iso));
        if (isBack) return;
        let count = 0;
        for (const line of before) {
          const gap = /^a (\d+) \S+ to /.exec(line);
          count += gap === null ? 1 : Number(gap[1]);
        }
        expect(count).toBe(slotsBetween(starts, at(start), from, 10_000).length);
      },
    ),
    { numRuns: 60 },
  );
});
