/** After which time without a success a job is stale. */
import { expect, test } from 'vitest';
import type { Job } from '../../../src/core/job.js';
import { slotsBetween } from '../../../src/triggers/schedule/slots.js';
import { staleAfter } from '../../../src/triggers/schedule/stale.js';
import { jobOf, withJob } from '../../kit/loading.js';

const hour = 3_600_000;
const day = 24 * hour;
const now = Date.UTC(2026, 10, 30, 12);

function after(keys: string): number | undefined {
  return staleAfter(jobOf(withJob(keys)), now);
}

test.each([
  ['schedule: "0 2 * * *", timezone: UTC', 2 * day],
  ['schedule: "* * * * *", timezone: UTC', hour],
  ['schedule: "* * * * * *", timezone: UTC', hour],
  ['schedule: "0 * * * *", timezone: UTC', 2 * hour],
  ['schedule: "*/10 8-17 * * Mon-Fri", timezone: UTC', 2 * (62 * hour + 10 * 60_000)],
  ['schedule: "0 2 1 * *", timezone: UTC', 62 * day],
  ['schedule: "* * 8-17 * * Mon-Fri", timezone: UTC', 2 * (62 * hour + 1000)],
  ['schedule: "* * 1 * *", timezone: UTC', 2 * (30 * day + 60_000)],
  ['schedule: "0 * * 1-6 *", timezone: UTC', 2 * (184 * day + hour)],
  ['schedule: "*/5 * 1-27 * *", timezone: UTC', 2 * (4 * day + 5 * 60_000)],
  ['schedule: "0 2 29 2 *", timezone: UTC', 2 * 1461 * day],
  ['schedule: "0 * * * *", window: "22:00-06:00", timezone: UTC', 2 * 17 * hour],
  ['schedule: ["0 2 * * *", "0 4 * * *"], timezone: UTC', 2 * 22 * hour],
  ['schedule: "0 2 * * *", stale: 26h', 26 * hour],
  ['schedule: "0 2 * * *", stale: false', undefined],
  ['stale: 5m', 300_000],
  ['', undefined],
])('%s: %s ms', (keys, expected) => expect(after(keys)).toBe(expected));

test('it is the longest gap of all that come in 60 days', () => {
  const schedules = [
    '7 3 */3 * *',
    '0 1,5,6 * * 2',
    '15 0-7 13 * *',
    '0 12 * 1,12 6',
    '*/7 * * * *',
  ];
  for (const schedule of schedules) {
    const job: Job = jobOf(withJob(`schedule: "${schedule}", timezone: Europe/Berlin`));
    const slots = slotsBetween(job.starts, now, now + 60 * day, 100_000);
    const gaps = slots.slice(1).map((slot, at) => slot - (slots[at] as number));
    const longest = Math.max(hour / 2, ...gaps);
    expect(staleAfter(job, now), schedule).toBeGreaterThanOrEqual(2 * longest);
  }
});
