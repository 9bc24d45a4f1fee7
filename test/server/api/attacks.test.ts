/** What somebody may try with an API that lets nobody in: too much, too slow, too long, and addresses that are none. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ApiListenerParts } from '../../../src/server/api/api-listener.js';
import { RequestRate } from '../../../src/server/api/request-rate.js';
import {
  askApi,
  bearer,
  operateToken,
  type ServedApi,
  sendLines,
  sendRaw,
  serveApi,
  viewToken,
} from '../../kit/daemons/api.js';
import { apiPartsOf, givenControls } from '../../kit/daemons/controls.js';
import { eventually } from '../../kit/daemons/daemon.js';

const controls = givenControls({ queue: () => ({ kind: 'redis', state: 'up' }) });
let open: ServedApi[];
let host: string;

async function serve(limits: ApiListenerParts['limits'] = {}): Promise<ServedApi> {
  const api = await serveApi(apiPartsOf(controls), {}, limits);
  open.push(api);
  return api;
}
beforeEach(async () => {
  open = [];
  ({ host } = await serve());
});
afterEach(() => Promise.all(open.map(({ listener }) => listener.close())));

const raw = (first: string, ...lines: string[]) => sendLines(host, first, ...lines);

describe('too much', () => {
  test('connections over the limit are closed, and others go on', async () => {
    const api = await serve({ connections: 3 });
    const [address = '', port] = api.host.split(':');
    const open = await Promise.all(
      [1, 2, 3].map(async () => {
        const socket = connect(Number(port), address);
        socket.on('error', () => {});
        await once(socket, 'connect');
        return socket;
      }),
    );
    await expect(askApi(api.host, '/healthz')).rejects.toThrow();
    const [first] = open;
    first?.end();
    await eventually(() =>
      askApi(api.host, '/healthz').then(
        ({ status }) => status === 200,
        () => false,
      ),
    );
    for (const socket of open) socket.destroy();
  });

  test('headers that take too long are answered 408, and the connection ends', async () => {
    const api = await serve({ headersTimeout: 50, connectionsCheckingInterval: 10 });
    expect(await sendRaw(api.host, 'GET /api/v1/session HTTP/1.1\r\nHost: x\r\nX: ')).toMatchObject(
      { status: 408, body: '' },
    );
  });

  test('requests of one caller in a minute: 429, and others go on', async () => {
    const api = await serve({ requestsPerMinute: 3 });
    const ask = (token?: string) =>
      askApi(api.host, '/api/v1/session', token === undefined ? {} : { token });
    for (let i = 0; i < 3; i++) expect((await ask(viewToken)).status).toBe(200);
    const refused = await ask(viewToken);
    expect(refused).toMatchObject({ status: 429, body: { kind: 'too-many' } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await ask(operateToken)).status).toBe(200);
    for (let i = 0; i < 3; i++) expect((await askApi(api.host, '/metrics')).status).toBe(200);
    expect((await askApi(api.host, '/metrics')).status).toBe(429);
    for (let i = 0; i < 9; i++) expect((await askApi(api.host, '/healthz')).status).toBe(200);
  });

  test('600 may come at once, and ten a second from then on', () => {
    let now = 0;
    const rate = new RequestRate(600, () => now);
    const many = (caller: string) => {
      for (let n = 0; ; n++)
        try {
          rate.take(caller);
        } catch {
          return n;
        }
    };
    expect(many('a')).toBe(600);
    now += 1000;
    expect(many('a')).toBe(10);
    expect(many('b')).toBe(600);
    now += 3600_000;
    expect(many('a')).toBe(600);
    for (let i = 0; i < 5000; i++) rate.take(`many ${i}`);
  });
});

test.each([
  ...['/../../etc/passwd', '/%2e%2e/%2e%2e/etc/passwd', '/..%2f..%2fetc%2fpasswd', '/%00'],
  ...['/assets/..%2f..%2f..%2fpackage.json', '//etc/passwd', '/./api/v1/session', '/index.html%00'],
  ...['/healthz/..%2fapi/v1/session', '/metrics/../api/v1/session', '/readyz%2f..%2fapi'],
])('%s leads nowhere', async (path) => {
  const answer = await raw(`GET ${path}`, `Host: ${host}`);
  expect([400, 401, 404]).toContain(answer.status);
  const own = await raw(`GET ${path}`, `Host: ${host}`, bearer(viewToken));
  expect(JSON.stringify(own.body)).not.toMatch(/root:|"name": "ferryline"/);
});

test('a token that only reads is refused by every POST there is', async () => {
  const document = JSON.parse(
    readFileSync(join(import.meta.dirname, '../../../docs/openapi.json'), 'utf8'),
  );
  const all = Object.entries<object>(document.paths).filter(([, route]) => 'post' in route);
  const posts = all.map(([path]) => path.replace(/\{\w+\}/g, 'a'));
  expect(posts.length).toBeGreaterThan(6);
  for (const path of posts)
    if (!/\/log(?:in|out)$/.test(path))
      expect(await askApi(host, path, { method: 'POST', token: viewToken }), path).toMatchObject({
        status: 403,
        body: { kind: 'role' },
      });
});
