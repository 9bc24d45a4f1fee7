/** What becomes of incidents, read aloud: each line is something that happens, and what is open afterwards. */
import { expect, test } from 'vitest';
import type { Outcome, Report } from '../../src/core/events.js';
import type { Incident } from '../../src/core/incident.js';
import { type Happening, judge } from '../../src/notify/judge.js';

const minute = 60_000;
const start = Date.UTC(2026, 10, 30, 2);

let made = 0;
/** A run that ends so many minutes after the start. */
function run(at: number, outcome: Outcome, more: Partial<Report> = {}): Happening {
  const endedAt = new Date(start + at * minute).toISOString();
  const files = { copied: 0, attrs: 0, deleted: 0, unchanged: 0, skipped: 0, failed: 0 };
  const report: Report = {
    ...{ run: `r${++made}`, job: 'night', operation: 'push', trigger: 'schedule', worker: 'w' },
    ...{ outcome, exitCode: 0, startedAt: endedAt, endedAt, seconds: 1, files, bytes: 0 },
    ...{ sessions: 1, attempt: 1, verified: 'size', failures: [], failuresOmitted: 0 },
    ...(outcome === 'failed' && { error: { kind: 'network', message: 'no answer' } }),
    ...more,
  };
  return { what: 'run', report, remote: 'archive', lastSuccess: undefined };
}

const auth = { error: { kind: 'auth', message: 'refused' } } as const;
const at = (minutes: number) => start + minutes * minute;
const stale = { what: 'stale', job: 'night', since: at(-60), hasSucceeded: true } as const;
const slow = { what: 'slow', job: 'night', message: 'it is slow' } as const;
const queue = { subject: 'worker', message: 'no process carries out runs' } as const;

/** All incidents after these happenings, each twice: what is told again changes nothing. */
function after(...happenings: Happening[]): Incident[] {
  const known = new Map<string, Incident>();
  for (const happening of happenings)
    for (const _ of [1, 2])
      for (const changed of judge([...known.values()], happening)) known.set(changed.id, changed);
  return [...known.values()];
}

/** `failed night network archive x2`, in brackets once it has ended. */
function shown({ cause, job, kind, remote, count, closedAt, key }: Incident): string {
  const words = [cause, job ?? key, kind, remote, count > 1 ? `x${count}` : undefined];
  const text = words.filter((word) => word !== undefined).join(' ');
  return closedAt === undefined ? text : `(${text})`;
}

test.each<[string, Happening[], string[]]>([
  ['a failure opens one', [run(0, 'failed')], ['failed night network archive']],
  [
    'the same again is the same one',
    [run(0, 'failed'), run(5, 'failed')],
    ['failed night network archive x2'],
  ],
  [
    'another kind is another one',
    [run(0, 'failed'), run(5, 'failed', auth)],
    ['failed night network archive', 'failed night auth archive'],
  ],
  [
    'a success ends all of them',
    [run(0, 'failed'), run(5, 'refused'), run(9, 'succeeded')],
    ['(failed night network archive)', '(refused night refused archive)'],
  ],
  [
    'a cancelled run changes nothing',
    [run(0, 'failed'), run(5, 'cancelled')],
    ['failed night network archive'],
  ],
  [
    'a success of another job changes nothing',
    [run(0, 'failed'), run(5, 'succeeded', { job: 'x' })],
    ['failed night network archive'],
  ],
  [
    'a success that ended before it changes nothing',
    [run(5, 'failed'), run(0, 'succeeded')],
    ['failed night network archive'],
  ],
  ['the end of a window is no failure', [run(0, 'incomplete', { stoppedBy: 'window' })], []],
  ['a dry run is no run', [run(0, 'refused', { dryRun: true })], []],
  [
    'one by hand fails before the eyes of whoever typed it',
    [run(0, 'failed', { worker: undefined as never })],
    [],
  ],
  [
    'a missed slot, and the success after it',
    [{ what: 'missed', job: 'night', slot: at(0), count: 14, why: 'too old' }, run(1, 'succeeded')],
    ['(missed night)'],
  ],
  ['no success for too long', [{ ...stale, message: 'm', at: at(0) }], ['stale night']],
  [
    'one that is stale again later is another one',
    [
      { ...stale, message: 'm', at: at(0) },
      run(1, 'succeeded'),
      { ...stale, since: at(1), message: 'm', at: at(99) },
    ],
    ['(stale night)', 'stale night'],
  ],
  ['a slow run', [{ ...slow, run: 'slow1', at: at(3) }], ['slow night']],
  [
    'a slow run ends as it likes',
    [{ ...slow, run: 'slow2', at: at(3) }, run(5, 'cancelled', { run: 'slow2' })],
    ['(slow night)'],
  ],
  [
    'what is wrong with the daemons',
    [
      { what: 'system', ...queue, at: at(0) },
      { what: 'system', ...queue, at: at(1) },
    ],
    ['system system.worker'],
  ],
  [
    'is over',
    [
      { what: 'system', ...queue, at: at(0) },
      { what: 'mended', subject: 'worker', at: at(1) },
    ],
    ['(system system.worker)'],
  ],
  [
    'a job that is removed',
    [run(0, 'failed'), { what: 'removed', job: 'night', at: at(1) }],
    ['(failed night network archive)'],
  ],
])('%s', (_, happenings, expected) => expect(after(...happenings).map(shown)).toEqual(expected));

test('an incident has what somebody wants to know at 3 am, and a month later', () => {
  const failures = Array.from({ length: 12 }, (_, n) => ({
    ...{ path: `p${n}`, kind: 'io' as const, message: 'no room' },
  }));
  const [incident] = after(run(0, 'incomplete', { failures, failuresOmitted: 3, run: 'a' }));
  expect(incident).toMatchObject({
    kind: 'io',
    message: '15 paths were not done',
    failuresOmitted: 5,
    run: 'a',
  });
  expect(incident?.failures).toHaveLength(10);
  const id = incident?.id ?? '';
  const [known] = judge([incident as Incident], {
    what: 'acknowledged',
    incident: id,
    by: 'ann',
    at: at(2),
  });
  const [ended] = judge([known as Incident], run(9, 'succeeded', { run: 'b' }));
  expect(ended).toMatchObject({ openedAt: at(0), closedAt: at(9), closedBy: 'run b succeeded' });
  expect(ended?.steps.map(({ step, by, run: of, why }) => [step, by ?? of ?? why])).toEqual([
    ['opened', 'a'],
    ['acknowledged', 'ann'],
    ['closed', 'run b succeeded'],
  ]);
});

test('a thousand failures keep the first step and the newest ones', () => {
  const [incident] = after(...Array.from({ length: 1000 }, (_, n) => run(n, 'failed')));
  expect(incident?.count).toBe(1000);
  expect(incident?.steps.length).toBeLessThan(100);
  expect(incident?.steps[0]).toMatchObject({ step: 'opened', at: at(0) });
  expect(incident?.steps.at(-1)).toMatchObject({ step: 'again', at: at(999) });
});
