/** Who did what, read page by page, while the files are written and rotated. */
import { appendFileSync, existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type AuditLog, openAuditLog } from '../../../src/observe/audit-log.js';
import { readAudit } from '../../../src/observe/read-audit.js';
import { askApi, type ServedApi, serveApi, viewToken } from '../../kit/daemons/api.js';
import { apiPartsOf, givenControls } from '../../kit/daemons/controls.js';
import { temporaryFolder } from '../../kit/files/temporary.js';

let state: string;
let audit: AuditLog;
let api: ServedApi;
beforeEach(async () => {
  state = await temporaryFolder();
  audit = openAuditLog(state, { maxBytes: 2000 });
  const parts = apiPartsOf(givenControls({}));
  api = await serveApi({ ...parts, audit: (wanted) => readAudit(state, wanted) });
});
afterEach(async () => {
  await api.listener.close();
  audit.close();
});

const get = (query: string) => askApi(api.host, `/api/v1/audit?${query}`, { token: viewToken });
const write = (n: number, change = {}) =>
  audit.write({
    by: 'ops',
    via: 'http',
    action: 'run',
    target: `job-${n}`,
    result: 'done',
    ...change,
  });

/** The targets of all pages, with `between` called after each. */
async function targets(query: string, between = () => {}): Promise<string[]> {
  const found: string[] = [];
  for (let cursor = ''; ; ) {
    const { status, body } = await get(`${query}${cursor}`);
    expect(status).toBe(200);
    found.push(...body.items.map(({ target }: { target: string }) => target));
    if (body.next === undefined) return found;
    cursor = `&cursor=${body.next}`;
    between();
  }
}

test('is newest first over all files, with nothing twice or missing while lines are added', async () => {
  expect((await get('')).body).toEqual({ items: [] });
  for (let n = 0; n < 60; n++) write(n);
  expect(existsSync(join(state, 'audit.log.3'))).toBe(true);
  const all = Array.from({ length: 60 }, (_, n) => `job-${59 - n}`);
  expect(await targets('limit=500')).toEqual(all);
  let added = 60;
  expect(await targets('limit=7', () => write(added++))).toEqual(all);
});

test('ends where older files are rotated away between two pages, and passes over what is torn', async () => {
  for (let n = 0; n < 30; n++) write(n);
  appendFileSync(join(state, 'audit.log'), '{"time":"2026\n{}\n');
  write(30);
  appendFileSync(join(state, 'audit.log'), '{"time":"2026-11-30T00:00:00Z","by":"x"');
  const [first, second] = (await get('limit=2')).body.items;
  expect([first.target, second.target]).toEqual(['job-30', 'job-29']);
  const { next } = (await get('limit=28')).body;
  for (let n = 0; n < 90; n++) write(31 + n);
  expect((await get(`cursor=${next}`)).body).toEqual({ items: [] });
});

test('is found by who, what, when and text', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2026-11-30T01:00:00Z') });
  try {
    write(1);
    vi.setSystemTime(Date.parse('2026-11-30T02:00:00Z'));
    write(2, { by: 'cli', via: 'socket', action: 'pause' });
    vi.setSystemTime(Date.parse('2026-11-30T03:00:00Z'));
    write(3, { result: 'refused', run: '20261130T030000Z-aaaaaaaa' });
    for (const [query, expected] of [
      ['by=cli', [2]],
      ['action=run', [3, 1]],
      ['target=job-1', [1]],
      ['result=refused', [3]],
      ['since=2026-11-30T02:00:00Z', [3, 2]],
      ['until=2026-11-30T03:00:00%2B01:00', [1]],
      ['q=SOCK', [2]],
      ['q=0000z-aaa', [3]],
      ['by=cli&action=run', []],
    ] as const)
      expect(await targets(query), query).toEqual(expected.map((n) => `job-${n}`));
  } finally {
    vi.useRealTimers();
  }
  expect((await get('kind=x')).status).toBe(400);
  // a file with another name than those that are known is none of it
  renameSync(join(state, 'audit.log'), join(state, 'audit.log.old'));
  expect((await get('')).body.items).toEqual([]);
});
