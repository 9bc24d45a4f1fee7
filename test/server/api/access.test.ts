/** Who gets in over TCP: requests as bytes, against the listener that a daemon has. */
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ApiRules } from '../../../src/core/api-rules.js';
import type { ApiParts } from '../../../src/server/api/app.js';
import { isOnLoopback } from '../../../src/server/api/guard.js';
import { RefusedLogins } from '../../../src/server/api/refused-logins.js';
import { Sessions } from '../../../src/server/api/sessions.js';
import { TokenFailures } from '../../../src/server/api/token-failures.js';
import {
  type Answer,
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
import { temporaryFolder } from '../../kit/files/temporary.js';

const controls = givenControls({
  queue: () => ({ kind: 'redis', state: 'down', message: 'redis.internal:6379 refuses' }),
});
let open: ServedApi[] = [];
let host: string;

async function serve(
  change: Partial<ApiRules> = {},
  parts: Partial<ApiParts> = {},
): Promise<ServedApi> {
  const api = await serveApi({ ...apiPartsOf(controls), ...parts }, change);
  open.push(api);
  return api;
}
beforeEach(async () => {
  open = [];
  ({ host } = await serve());
});
afterEach(() => Promise.all(open.map(({ listener }) => listener.close())));

const raw = (first: string, ...lines: string[]) => sendLines(host, first, ...lines);

describe('a token', () => {
  test('opens, by its name and role; without one, only probes answer, which name nothing', async () => {
    expect(await askApi(host, '/api/v1/session', { token: viewToken })).toMatchObject({
      status: 200,
      body: { by: 'wall', role: 'view', via: 'http' },
    });
    expect(await askApi(host, '/healthz')).toMatchObject({ status: 200, body: { alive: true } });
    expect(await askApi(host, '/readyz')).toMatchObject({
      status: 503,
      body: { queue: { kind: 'redis', state: 'down' } },
    });
    expect((await askApi(host, '/readyz')).body.queue.message).toBeUndefined();
    for (const path of ['/api/v1/session', '/api/v1/openapi.json', '/api/status', '/nothing'])
      expect(await askApi(host, path)).toMatchObject({
        status: 401,
        body: { kind: 'token', type: 'urn:ferryline:problem:token', status: 401 },
      });
  });

  test.each(['', 'Bearer', 'Bearer ', `Basic ${viewToken}`, `Bearer ${viewToken}x`, viewToken])(
    'is not "%s"',
    async (authorization) => {
      const answer = await askApi(host, '/api/v1/session', { headers: { authorization } });
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toContain('Bearer');
      expect(answer.headers.get('content-type')).toBe('application/problem+json');
    },
  );

  test('that is wrong ten times in a minute: 429, but for the right one; probes go on', async () => {
    for (let i = 0; i < 10; i++)
      expect((await askApi(host, '/api/v1/session', { token: `wrong-${i}` })).status).toBe(401);
    const refused = await askApi(host, '/api/v1/session', { token: 'wrong' });
    expect(refused).toMatchObject({ status: 429, body: { kind: 'too-many' } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await askApi(host, '/api/v1/session', { token: viewToken })).status).toBe(200);
    expect((await askApi(host, '/healthz')).status).toBe(200);
  });

  test('counts again a minute after the first wrong one; other addresses are not affected', () => {
    let now = 0;
    const failures = new TokenFailures(() => now);
    for (let i = 0; i < 10; i++) {
      expect(failures.refusal('a')).toBeUndefined();
      failures.add('a');
      now += 1000;
    }
    expect(failures.refusal('a')?.message).toContain('10 wrong tokens');
    expect(failures.refusal('b')).toBeUndefined();
    now = 60_001;
    expect(failures.refusal('a')).toBeUndefined();
    for (let i = 0; i < 5000; i++) failures.add(`many ${i}`);
  });

  test('that is refused is recorded, a line a second at most', async () => {
    const recorded: object[] = [];
    const api = await serve({}, apiPartsOf(controls, [], {}, { audit: (e) => recorded.push(e) }));
    for (let i = 0; i < 12; i++) await askApi(api.host, '/api/v1/session', { token: `wrong-${i}` });
    await askApi(api.host, '/api/v1/session');
    const line = { by: 'unknown', via: 'http', address: '127.0.0.1', action: 'login' };
    expect(recorded[0]).toEqual({ ...line, result: 'token' });
    expect(JSON.stringify(recorded)).not.toContain('wrong');
    let now = 0;
    const lines: object[] = [];
    const refused = new RefusedLogins(
      () => now,
      (login) => lines.push(login),
    );
    for (; now < 2500; now += 100) refused.add('a', 'token');
    expect(lines).toEqual([0, 9, 9].map((more) => ({ address: 'a', result: 'token', more })));
  });

  test('that left jobs.yml opens nothing any more', async () => {
    const api = await serve();
    expect((await askApi(api.host, '/api/v1/session', { token: viewToken })).status).toBe(200);
    Object.assign(api.rules, { tokens: [] });
    expect((await askApi(api.host, '/api/v1/session', { token: viewToken })).status).toBe(401);
  });
});

describe('a session of the page', () => {
  const logIn = (at: string, body: object, headers: Record<string, string> = {}) =>
    askApi(at, '/api/v1/login', {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers },
    });
  const cookieOf = ({ headers }: Answer) => headers.get('set-cookie')?.split(';')[0] ?? '';
  const look = (at: string, headers: Record<string, string>) =>
    askApi(at, '/api/v1/session', { headers });
  /** Both halves of a session. */
  const halves = (begun: Answer) => ({
    cookie: cookieOf(begun),
    'x-ferryline-key': begun.body.key as string,
  });

  test('is a cookie and a key: either alone opens nothing, and logging out ends it', async () => {
    const begun = await logIn(host, { token: operateToken });
    expect(begun).toMatchObject({ status: 200, body: { by: 'ops', role: 'operate' } });
    const cookie = begun.headers.get('set-cookie') ?? '';
    expect(cookie).toMatch(
      /^ferryline-[0-9a-f]{8}=[\w-]{43}; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/,
    );
    const both = halves(begun);
    expect((await look(host, both)).body).toMatchObject({ by: 'ops', until: begun.body.until });
    for (const headers of [
      { cookie: both.cookie },
      { 'x-ferryline-key': both['x-ferryline-key'] },
      { ...both, 'x-ferryline-key': `${both['x-ferryline-key']}x` },
      { ...both, 'x-ferryline-key': both.cookie.split('=')[1] ?? '' },
      { ...both, cookie: `${both.cookie}x` },
    ])
      expect((await look(host, headers)).status).toBe(401);
    const end = await askApi(host, '/api/v1/logout', { method: 'POST', headers: both });
    expect(end.status).toBe(200);
    expect((await look(host, both)).status).toBe(401);
  });

  test('with `view` may end itself, and do nothing else', async () => {
    const both = halves(await logIn(host, { token: viewToken }));
    const post = (path: string) => askApi(host, path, { method: 'POST', headers: both });
    expect(await post('/api/v1/jobs/a/run')).toMatchObject({ status: 403, body: { kind: 'role' } });
    expect((await post('/api/v1/logout')).status).toBe(200);
  });

  test('begins by a code once, within 60 s; wrong ones count as wrong tokens do', async () => {
    let now = 1_000_000;
    const sessions = new Sessions({
      state: await temporaryFolder(),
      onWarning: () => {},
      now: () => now,
    });
    const api = await serve({}, { sessions });
    const { code, used } = sessions.makeCode(10_000);
    expect((await logIn(api.host, { code })).body).toMatchObject({ by: 'cli', role: 'operate' });
    expect(await used).toBe(true);
    expect((await logIn(api.host, { code })).status).toBe(401);
    const late = sessions.makeCode(1).code;
    now += 60_000;
    expect(await logIn(api.host, { code: late })).toMatchObject({
      status: 401,
      body: { kind: 'token' },
    });
    for (let i = 0; i < 8; i++) await logIn(api.host, { token: `wrong-${i}` });
    expect((await logIn(api.host, { token: 'wrong' })).status).toBe(429);
    expect((await logIn(api.host, { code })).status).toBe(429);
    expect((await logIn(api.host, { token: operateToken })).status).toBe(200);
  });

  test('lasts 12 h, over a restart, of which the disk has only hashes; it ends with its token', async () => {
    let now = Date.now();
    const state = await temporaryFolder();
    const parts = { state, onWarning: () => {}, now: () => now };
    const first = await serve({}, { sessions: new Sessions(parts) });
    const both = halves(await logIn(first.host, { token: viewToken }));
    const kept = join(state, 'sessions.json');
    expect(statSync(kept).mode & 0o777).toBe(0o600);
    for (const secret of [viewToken, both['x-ferryline-key'], both.cookie.split('=')[1] ?? ''])
      expect(readFileSync(kept, 'utf8')).not.toContain(secret);
    const again = await serve({}, { sessions: new Sessions(parts) });
    expect((await look(again.host, both)).status).toBe(200);
    const { tokens } = again.rules;
    for (const changed of [[], [{ name: 'wall', role: 'operate', token: `${viewToken}2` }]]) {
      Object.assign(again.rules, { tokens: changed });
      expect((await look(again.host, both)).status).toBe(401);
    }
    Object.assign(again.rules, { tokens });
    now += 12 * 3600_000 - 1;
    expect((await look(again.host, both)).status).toBe(200);
    now += 1;
    expect((await look(again.host, both)).status).toBe(401);
  });

  test('begins for no other site; its cookie is Secure behind TLS', async () => {
    const api = await serve({ url: 'https://ops.example/ferryline' });
    const from = (origin: string) => logIn(api.host, { token: viewToken }, { origin });
    expect((await from('https://evil.example')).status).toBe(403);
    expect((await from('https://ops.example')).headers.get('set-cookie')).toContain('Secure');
    const plain = await logIn(api.host, { token: viewToken }, { 'content-type': 'text/plain' });
    expect(plain.status).toBe(415);
  });
});

describe('the page’s own files', () => {
  test('need no session, may load nothing of others, and are not framed', async () => {
    const page = await askApi(host, '/');
    expect(page.status).toBe(200);
    const { headers, body } = page;
    expect(headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; script-src 'self'; .*frame-ancestors 'none'.*trusted-types 'none'$/,
    );
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(body).not.toMatch(/<script(?![^>]* src=)|<style|style=|\son\w+=|https?:/);
    const files = [...body.matchAll(/(?:src|href)="(assets\/[^"]+)"/g)].map(
      ([, name]) => `/${name}`,
    );
    expect(files.length).toBe(3);
    for (const file of files) {
      const { status, headers: own } = await askApi(host, file);
      expect([status, own.get('x-content-type-options')]).toEqual([200, 'nosniff']);
      expect(own.get('cache-control')).toContain('immutable');
    }
  });

  test.each([
    ...[
      '/assets',
      '/assets/',
      '/assets/../files.json',
      '/files.json',
      '/index.html',
      '/assets/x.js',
    ],
    ...['/..%2f..%2fpackage.json', '/%2e%2e/package.json', '/assets/%00', '//etc/passwd'],
  ])('are all there is to have: not %s', async (path) => {
    const answer = await raw(`GET ${path}`, `Host: ${host}`);
    expect(answer.status).toBe(401);
  });

  test('weigh at most 50 kB for a first load', () => {
    const names: string[] = JSON.parse(readFileSync('dist/page/files.json', 'utf8'));
    const first = names.filter((name) => !/\/(?!page-)[\w-]+\.js$/.test(name));
    const bytes = first.map((name) => gzipSync(readFileSync(join('dist/page', name))).length);
    expect(bytes.reduce((sum, one) => sum + one, 0)).toBeLessThan(50_000);
  });
});

describe('/metrics', () => {
  test('needs no token on loopback; it does from elsewhere, and where a proxy is named', async () => {
    const { status, headers } = await askApi(host, '/metrics');
    expect([status, headers.get('content-type')]).toEqual([200, 'text/plain']);
    expect((await askApi(host, '/metrics', { method: 'POST' })).status).toBe(401);
    // a name that a page of another site may have for this address
    expect((await raw('GET /metrics', 'Host: evil.example')).status).toBe(403);
    const proxied = await serve({ url: 'https://ops.example' });
    for (const name of ['ops.example', '127.0.0.1:7022'])
      expect(
        await sendRaw(
          proxied.host,
          `GET /metrics HTTP/1.1\r\nConnection: close\r\nHost: ${name}\r\n\r\n`,
        ),
      ).toMatchObject({ status: 401 });
    expect((await askApi(proxied.host, '/metrics', { token: viewToken })).status).toBe(200);
    expect(isOnLoopback('192.168.1.5', '127.0.0.1:7022', undefined)).toBe(false);
    expect(isOnLoopback('::ffff:127.0.0.1', 'localhost', undefined)).toBe(true);
  });
});

describe('the Host', () => {
  const session = (name: string) => raw('GET /api/v1/session', `Host: ${name}`, bearer(viewToken));

  test.each(['localhost', 'localhost:8080', '127.0.0.1:1', '127.1.2.3', '[::1]:7022', 'LOCALHOST'])(
    'may be a name of loopback with any port: %s',
    async (name) => expect((await session(name)).status).toBe(200),
  );

  test.each([
    ...['evil.example', 'evil.example:7022', '127.0.0.1.evil.example', 'localhost.evil.example'],
    ...['192.168.1.5:7022', '[::2]:7022'],
  ])('"%s" is refused, before a token is looked at', async (name) =>
    expect(await session(name)).toMatchObject({
      status: 403,
      body: { kind: 'host', hint: expect.stringContaining('api.url') },
    }),
  );

  test.each(['', '127.0.0.1@evil.example', 'localhost:x', 'a/b'])(
    '"%s" is none: 400',
    async (name) => expect((await session(name)).status).toBe(400),
  );

  test('may be that of api.url; any other is refused, and api.url named', async () => {
    const api = await serve({ url: 'https://ops.example/ferryline' });
    const ask = (name: string) =>
      sendRaw(
        api.host,
        `GET /api/v1/session HTTP/1.1\r\nConnection: close\r\nHost: ${name}\r\n${bearer(viewToken)}\r\n\r\n`,
      );
    expect((await ask('ops.example')).status).toBe(200);
    expect((await ask('OPS.example')).status).toBe(200);
    expect(await ask('ops.example.evil')).toMatchObject({
      status: 403,
      body: { hint: expect.stringContaining('https://ops.example/ferryline') },
    });
  });
});

describe('the Origin', () => {
  test.each(['https://evil.example', 'http://127.0.0.1:1', 'null', 'http://localhost', 'x'])(
    '"%s" is refused, with a right token too',
    async (origin) => {
      for (const method of ['GET', 'POST'])
        expect(
          await raw(
            `${method} /api/v1/session`,
            `Host: ${host}`,
            `Origin: ${origin}`,
            'Content-Length: 0',
            bearer(operateToken),
          ),
        ).toMatchObject({ status: 403, body: { kind: 'origin' } });
    },
  );

  test('may be the daemon’s own', async () =>
    expect(
      (
        await raw(
          'GET /api/v1/session',
          `Host: ${host}`,
          `Origin: http://${host}`,
          bearer(viewToken),
        )
      ).status,
    ).toBe(200));
});

describe('requests', () => {
  test('of the command line alone are not there', async () => {
    for (const path of ['/api/status', '/api/runs', '/api/runs/x/outcome'])
      expect((await askApi(host, path, { token: operateToken })).status).toBe(404);
    for (const path of ['/api/permits/job-a?count=1', '/api/jobs/a/enqueue', '/api/pause'])
      expect((await askApi(host, path, { method: 'POST', token: operateToken })).status).toBe(404);
  });

  test('with `view` change nothing', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH'])
      for (const path of ['/api/v1/session', '/healthz', '/api/v1/jobs/a/run'])
        expect(await askApi(host, path, { method, token: viewToken })).toMatchObject({
          status: 403,
          body: { kind: 'role' },
        });
  });

  test('in another way than the address takes: 405, with those it takes', async () => {
    const answer = await askApi(host, '/api/v1/session', { method: 'POST', token: operateToken });
    expect(answer).toMatchObject({ status: 405, body: { kind: 'method' } });
    expect(answer.headers.get('allow')).toBe('GET');
  });

  test('with a body of over 64 KiB: 413, without its length: 411; with one that is no JSON: 415', async () => {
    const post = (...lines: string[]) =>
      raw('POST /api/v1/session', `Host: ${host}`, bearer(operateToken), ...lines);
    const json = 'Content-Type: application/json';
    const large = 'x'.repeat(64 * 1024 + 1);
    const chunk = `${large.length.toString(16)}\r\n${large}\r\n0`;
    expect(await post(json, `Content-Length: ${large.length}`, '', large)).toMatchObject({
      status: 413,
      body: { kind: 'too-large' },
    });
    // none at all is no body
    const bare = await raw('POST /api/v1/jobs/none/pause', `Host: ${host}`, bearer(operateToken));
    expect(bare.status).not.toBe(500);
    expect(await post(json, 'Transfer-Encoding: chunked', '', chunk)).toMatchObject({
      status: 411,
      body: { kind: 'length' },
    });
    expect(await post('Content-Type: text/plain', 'Content-Length: 2', '', '{}')).toMatchObject({
      status: 415,
      body: { kind: 'media-type' },
    });
  });

  test('that are none: 400, 431; nothing of them is repeated', async () => {
    expect(await raw('GET /healthz', `Host: ${host}`, `X: ${'y'.repeat(17_000)}`)).toMatchObject({
      status: 431,
      body: '',
    });
    expect(await sendRaw(host, 'canary\r\n\r\n')).toMatchObject({ status: 400, body: '' });
    const split = await raw('GET /api/v1/session', `Host: ${host}`, bearer('a\rSet-Cookie: b'));
    expect(split.status).toBe(400);
    const path = await raw('GET /api/v1/%0d%0aSet-Cookie:%20b', `Host: ${host}`, bearer(viewToken));
    expect(path.status).toBe(404);
    expect(path.headers.get('set-cookie')).toBeNull();
  });

  test('that are sent by half end with the daemon', async () => {
    const api = await serve();
    const [address = '', port] = api.host.split(':');
    const halves = [
      '',
      'GET /hea',
      `POST /x HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 9\r\n\r\n1`,
    ];
    const sockets = await Promise.all(
      halves.map(async (half) => {
        const socket = connect(Number(port), address);
        await once(socket, 'connect');
        socket.on('error', () => {});
        if (half !== '') socket.write(half);
        return socket;
      }),
    );
    const ends = sockets.map((socket) => text(socket));
    expect((await askApi(api.host, '/healthz')).status).toBe(200);
    await api.listener.close();
    await Promise.all(ends);
  });
});

describe('the address', () => {
  test('that another process has ends the start if jobs.yml names it, and is done without if not', async () => {
    const [, port] = host.split(':');
    const listen = { host: '127.0.0.1', port: Number(port) };
    await expect(serve({ listen })).rejects.toMatchObject({
      kind: 'config',
      message: expect.stringContaining('another process has that port'),
      hint: expect.stringContaining('api.listen'),
    });
    const { log, listener } = await serve({ listen, isChosen: false });
    expect(log).toEqual([
      expect.stringMatching(/^the API can't listen .*answers on its socket only/),
    ]);
    expect(listener.address()).toBeUndefined();
  });

  test('changes with jobs.yml; one that can’t be had leaves it where it is', async () => {
    const api = await serve();
    const other = await serve();
    const [, taken] = other.host.split(':');
    await api.listener.use({ ...api.rules, listen: { host: '127.0.0.1', port: Number(taken) } });
    expect(api.log.at(-1)).toMatch(/^warning: .*it goes on at/);
    expect((await askApi(api.host, '/healthz')).status).toBe(200);
    await other.listener.close();
    await api.listener.use({ ...api.rules, listen: { host: '127.0.0.1', port: Number(taken) } });
    expect((await askApi(other.host, '/healthz')).status).toBe(200);
    await expect(askApi(api.host, '/healthz')).rejects.toThrow();
    await api.listener.use({ ...api.rules, listen: undefined });
    await expect(askApi(other.host, '/healthz')).rejects.toThrow();
  });
});
