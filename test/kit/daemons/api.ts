/** The API over TCP in the test's own process, and requests as bytes. */
import { once } from 'node:events';
import { appendFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { ApiRules, ApiToken } from '../../../src/core/api-rules.js';
import { ApiListener, type ApiListenerParts } from '../../../src/server/api/api-listener.js';
import type { ApiParts } from '../../../src/server/api/app.js';
import { wrongIn } from '../api-document.js';
import type { Scene } from '../scene.js';
import { type Daemon, eventually } from './daemon.js';

export const viewToken = 'view-token-0123456789abcdef';
export const operateToken = 'operate-token-0123456789abcdef';

const tokens: readonly ApiToken[] = [
  { name: 'wall', role: 'view', token: viewToken },
  { name: 'ops', role: 'operate', token: operateToken },
];

export interface ServedApi {
  readonly listener: ApiListener;
  readonly log: readonly string[];
  /** `127.0.0.1:40123`. */
  readonly host: string;
  readonly rules: ApiRules;
}

/** Listens on a free port; jobs.yml's rules can be changed afterwards. */
export async function serveApi(
  parts: ApiParts,
  change: Partial<ApiRules> = {},
  limits: ApiListenerParts['limits'] = {},
): Promise<ServedApi> {
  const rules: ApiRules = {
    listen: { host: '127.0.0.1', port: 0 },
    isChosen: true,
    url: undefined,
    tokens,
    ...change,
  };
  const log: string[] = [];
  const listener = new ApiListener({
    ...parts,
    rules: () => rules,
    limits,
    log: { info: (line) => log.push(line), warn: (line) => log.push(`warning: ${line}`) },
  });
  await listener.begin();
  return { listener, log, rules, host: (listener.address() ?? '').replace('http://', '') };
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: what a test reads of it is checked there
  readonly body: any;
}

/** Sends bytes, and resolves with the answer once the server has closed the connection. */
export async function sendRaw(host: string, bytes: string): Promise<Answer> {
  const [address = '', port] = host.split(':');
  const socket = connect(Number(port), address);
  await once(socket, 'connect');
  socket.on('error', () => {});
  socket.write(bytes);
  const all = await text(socket);
  const [head = '', ...rest] = all.split('\r\n\r\n');
  const [first = '', ...lines] = head.split('\r\n');
  const headers = new Headers(
    lines.map((line) => line.split(/: (.*)/s).slice(0, 2) as [string, string]),
  );
  const body = rest.join('\r\n\r\n');
  const isJson = headers.get('content-type')?.includes('json') === true;
  return { status: Number(first.split(' ')[1]), headers, body: isJson ? JSON.parse(body) : body };
}

/** One request by fetch, with a token if there is one. Its answer is as docs/openapi.json has it, or this rejects. */
export async function askApi(
  host: string,
  path: string,
  { token, ...init }: RequestInit & { readonly token?: string } = {},
): Promise<Answer> {
  const headers = new Headers(init.headers);
  if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
  const response = await fetch(`http://${host}${path}`, { ...init, headers });
  const body = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  const { status } = response;
  const answer = { status, headers: response.headers, body: isJson ? JSON.parse(body) : body };
  if (!isJson || path === '/api/v1/openapi.json') return answer;
  const wrong = wrongIn(init.method ?? 'GET', path, status, answer.body);
  if (wrong.length > 0)
    throw new Error(
      `${path} answers ${status} otherwise than docs/openapi.json: ${wrong.join('; ')}`,
    );
  return answer;
}

/** Adds two tokens and a free port to jobs.yml; one is in a file of its own. */
export function addApi(scene: Scene): void {
  writeFileSync(join(scene.cwd, 'wall.token'), `${viewToken}\n`, { mode: 0o600 });
  appendFileSync(
    join(scene.cwd, 'jobs.yml'),
    `
api:
  listen: 127.0.0.1:0
  tokens:
    wall: { role: view, token: "\${file:wall.token}" }
    ops: { role: operate, token: ${operateToken} }
`,
  );
}

/** Where a daemon's API answers: `127.0.0.1:40123`. */
export async function hostOf(daemon: Daemon): Promise<string> {
  const { stderr } = daemon;
  return eventually(() => /the API answers on http:\/\/([\d.:]+)/.exec(stderr())?.[1]);
}

/** Sends a request of these lines, each as the test has it. */
export function sendLines(host: string, first: string, ...lines: string[]): Promise<Answer> {
  const head = [`${first} HTTP/1.1`, 'Connection: close', ...lines];
  return sendRaw(host, `${head.join('\r\n')}\r\n\r\n`);
}

/** The header that shows a token. */
export function bearer(token: string): string {
  return `Authorization: Bearer ${token}`;
}
