/** `ferryline next`; test/triggers checks the times themselves. */
import { beforeEach, expect, test } from 'vitest';
import { ferryline, type JsonEvent, writeJobs } from '../../kit/daemons/cli.js';
import { temporaryFolder } from '../../kit/files/temporary.js';

let cwd: string;

const job = { operation: 'push', from: './data', to: 'archive:in' };
const remotes = { archive: { host: '127.0.0.1', username: 'u' } };

beforeEach(async () => {
  cwd = await temporaryFolder();
  await writeJobs(cwd, {
    remotes,
    jobs: {
      nightly: { ...job, schedule: '0 2 * * *', timezone: 'Asia/Kolkata' },
      upload: { ...job, to: 'archive:upload' },
      leap: { ...job, to: 'archive:leap', schedule: ['30 0 12 29 2 *', '0 0 L-30 2 *'] },
      ghost: { ...job, to: 'archive:ghost', schedule: '0 0 L-30 2 *', timezone: 'UTC' },
    },
  });
});

const next = (...args: string[]) =>
  ferryline(['next', ...args], { cwd, env: { TZ: 'America/Lima' } });

test('prints the next five slots of each job that has a schedule, in its zone', async () => {
  const { code, stdout, stderr } = await next();
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const lines = stdout.trimEnd().split('\n');
  expect(lines[0]).toBe('nightly: Asia/Kolkata');
  for (const [index, line] of lines.slice(1, 6).entries()) {
    const [, weekday, date = '', rest] =
      /^ {2}(\w{3}) (\S+) 02:00 \+05:30 {2}in (.*)$/.exec(line) ?? [];
    expect(new Date(date).toUTCString().slice(0, 3)).toBe(weekday);
    expect(rest).toMatch(
      index === 0 ? /^\d+ (?:h \d+ min|min \d+ s|s|ms)$|^\d\.\d s$/ : /^\d d \d+ h$/,
    );
  }
  expect(lines[6]).toBe('leap: America/Lima');
  expect(lines[7]).toMatch(/^ {2}\w{3} \d{4}-02-29 12:00:30 -05:00 {2}in \d/);
  expect(lines.slice(-2)).toEqual(['ghost: UTC', '  never in the next five years']);
  expect(stdout).not.toContain('upload');
});

test('seconds are shown for all slots of a job or for none', async () => {
  await writeJobs(cwd, { remotes, jobs: { often: { ...job, schedule: '*/30 * * * * *' } } });
  const times = (await next()).stdout.trimEnd().split('\n').slice(1);
  expect(times).toHaveLength(5);
  for (const line of times) expect(line).toMatch(/ \d\d:\d\d:[03]0 /);
});

test('slots outside the window of a job are left out', async () => {
  const windowed = { ...job, timezone: 'UTC', window: '02:00-03:00' };
  await writeJobs(cwd, {
    remotes,
    jobs: {
      hourly: { ...windowed, schedule: '0 * * * *' },
      noon: { ...windowed, to: 'archive:noon', schedule: '0 12 * * *' },
    },
  });
  const lines = (await next('hourly', 'noon')).stdout.trimEnd().split('\n');
  expect(lines[0]).toBe('hourly: UTC, in the window 02:00-03:00');
  expect(lines.slice(1, 6)).toEqual(Array(5).fill(expect.stringContaining(' 02:00 +00:00 ')));
  expect(lines.slice(6)).toEqual([
    'noon: UTC, in the window 02:00-03:00',
    '  never in the next five years',
  ]);
  const warning =
    'job noon never runs by its schedule: no slot of the next five years lies in its window 02:00-03:00';
  expect((await ferryline(['validate', '--json'], { cwd })).events).toMatchObject([
    { warnings: [{ message: warning }] },
  ]);
  const started = await ferryline(['start', '--wait-queue', '1ms'], {
    cwd,
    env: { FERRYLINE_QUEUE: 'redis://127.0.0.1:1/0' },
  });
  expect([started.code, started.stderr]).toEqual([
    4,
    expect.stringContaining(`warning: ${warning}\n`),
  ]);
});

test('of one job', async () => {
  expect((await next('nightly')).stdout).not.toContain('leap');
  expect(await next('upload')).toMatchObject({ code: 0, stdout: 'upload: no schedule\n' });
  const wrong = await next('nightyl');
  expect(wrong).toMatchObject({ code: 2, stdout: '' });
  expect(wrong.stderr).toContain('there is no job "nightyl"');
});

test('--json prints a line a job', async () => {
  const { code, events } = await next('--json');
  expect(code).toBe(0);
  expect(events.map(({ event, job, timezone }) => [event, job, timezone])).toEqual([
    ['next', 'nightly', 'Asia/Kolkata'],
    ['next', 'leap', 'America/Lima'],
    ['next', 'ghost', 'UTC'],
  ]);
  const { time, slots } = events[0] as JsonEvent;
  expect(slots).toHaveLength(5);
  expect(Date.parse(slots[0])).toBeGreaterThan(Date.parse(time));
  for (const slot of slots) expect(slot).toMatch(/T20:30:00\.000Z$/);
  expect((await next('upload', '--json')).events).toMatchObject([{ job: 'upload', slots: [] }]);
});

test('if no job has a schedule, it says so', async () => {
  await writeJobs(cwd, { remotes, jobs: { upload: job } });
  expect(await next()).toMatchObject({ code: 0, stdout: '', stderr: 'no job has a schedule\n' });
});
