/** The stream of events, as a page and as hostile readers have it. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { RunProgress } from '../../../src/core/run-progress.js';
import { LiveEvents } from '../../../src/server/api/live.js';
import {
  askApi,
  operateToken,
  type ServedApi,
  serveApi,
  viewToken,
} from '../../kit/daemons/api.js';
import { apiPartsOf, givenControls } from '../../kit/daemons/controls.js';
import { eventually } from '../../kit/daemons/daemon.js';

let live: LiveEvents;
let api: ServedApi;
let report: (states: readonly RunProgress[]) => void;

beforeEach(async () => {
  live = new LiveEvents({
    onProgress: (watcher) => {
      report = watcher;
      return () => {};
    },
    look: async () => new Map(),
    flushMs: 20,
  });
  api = await serveApi({ ...apiPartsOf(givenControls({})), live });
});
afterEach(async () => {
  live.close();
  await api.listener.close();
});

/** Opens the stream; `next` resolves to its next messages, and to undefined at its end. */
async function watch(headers: Record<string, string> = {}) {
  const response = await fetch(`http://${api.host}/api/v1/events`, {
    headers: { authorization: `Bearer ${viewToken}`, ...headers },
  });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  return {
    async next(): Promise<string | undefined> {
      const { done, value } = await reader.read().catch(() => ({ done: true, value: undefined }));
      return done ? undefined : new TextDecoder().decode(value);
    },
    close: () => reader.cancel(),
  };
}

const stateOf = (run: string, done: number): RunProgress => ({
  ...{ run, job: 'nightly', phase: 'transfer', scanned: 9 },
  ...{ files: { done, total: 9 }, bytes: { done, total: 9 } },
});

test('needs a token or a session, like all else', async () => {
  expect((await askApi(api.host, '/api/v1/events')).status).toBe(401);
});

test('says what has changed, of each thing its newest state, and goes on after the last event', async () => {
  const first = await watch();
  expect(await first.next()).toMatch(/event: reset\n/);
  live.sayRun('requested', 'r1', 'nightly');
  live.sayRun('ended', 'r1');
  live.say('pauses');
  const text = (await first.next()) ?? '';
  expect(text).toMatch(
    /^id: (\w{8})\.1\nevent: runs\ndata: \{"run":"r1","state":"ended"\}\n\nid: \1\.2\nevent: pauses\ndata: \{\}\n\n$/,
  );
  await first.close();
  live.say('config');
  const [, epoch] = /id: (\w{8})/.exec(text) ?? [];
  await eventually(async () => {
    const again = await watch({ 'last-event-id': `${epoch}.1` });
    const missed = (await again.next()) ?? '';
    await again.close();
    expect(missed).not.toMatch(/reset|runs/);
    return /event: pauses.*event: config/s.test(missed);
  });
  for (const unknown of ['00000000.1', `${epoch}.99`, 'x', `${epoch}.-1`]) {
    const lost = await watch({ 'last-event-id': unknown });
    expect(await lost.next()).toMatch(/event: reset/);
    await lost.close();
  }
});

test('has the newest progress of a run, and that it has begun', async () => {
  const page = await watch();
  await page.next();
  report([stateOf('r1', 1)]);
  report([stateOf('r1', 2)]);
  const text = await page.next();
  expect(text).toContain('"state":"active"');
  expect(text?.match(/event: progress/g)).toHaveLength(1);
  expect(text).toContain('"bytes":{"done":2,"total":9}');
  await page.close();
});

test('that nobody reads is closed, and costs others nothing', async () => {
  const [address = '', port] = api.host.split(':');
  const stuck = connect(Number(port), address);
  await once(stuck, 'connect');
  stuck.pause();
  stuck.on('error', () => {});
  stuck.write(
    `GET /api/v1/events HTTP/1.1\r\nHost: ${api.host}\r\nAuthorization: Bearer ${viewToken}\r\n\r\n`,
  );
  await eventually(() => live.viewers === 1);
  const before = process.memoryUsage().external + process.memoryUsage().heapUsed;
  const page = await watch();
  const reading = (async () => {
    while ((await page.next()) !== undefined);
  })();
  await eventually(() => {
    for (let i = 0; i < 100; i++) live.say('runs', { text: 'x'.repeat(1000) }, String(i));
    return live.viewers === 1;
  });
  expect(process.memoryUsage().external + process.memoryUsage().heapUsed - before).toBeLessThan(
    60e6,
  );
  stuck.destroy();
  // more at once than anybody can be behind
  for (let i = 0; i < 1000; i++) live.say('runs', { text: 'x'.repeat(1000) }, String(i));
  const late = await watch();
  expect(await late.next()).toMatch(/reset/);
  expect(live.viewers).toBe(2);
  await page.close();
  await late.close();
  await reading;
});

test('ends with the session that it was opened with', async () => {
  const begun = await askApi(api.host, '/api/v1/login', {
    method: 'POST',
    body: JSON.stringify({ token: operateToken }),
    headers: { 'content-type': 'application/json' },
  });
  const both = {
    cookie: begun.headers.get('set-cookie')?.split(';')[0] ?? '',
    'x-ferryline-key': begun.body.key as string,
  };
  const page = await watch({ ...both, authorization: '' });
  await page.next();
  await askApi(api.host, '/api/v1/logout', { method: 'POST', headers: both });
  live.say('config');
  expect(await page.next()).toBeUndefined();
});
