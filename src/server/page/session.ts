/** Who uses the page. The browser keeps the cookie; the key is in this origin's storage, and goes with each request. */
import { computed, signal } from '@preact/signals';

export interface Session {
  readonly by: string;
  readonly role: 'view' | 'operate';
  readonly until?: string;
}

/** What a server says of a request that it refuses (RFC 9457). */
export class Problem extends Error {
  readonly kind: string;
  readonly hint: string | undefined;
  readonly status: number;

  constructor(
    status: number,
    body: { readonly kind?: string; readonly detail?: string; readonly hint?: string },
  ) {
    super(body.detail ?? `the server answers ${status}`);
    this.status = status;
    this.kind = body.kind ?? 'defect';
    this.hint = body.hint;
  }
}

/** `'unknown'`: it is being asked for. */
export const session = signal<Session | 'none' | 'unknown'>('unknown');
/** Why there is none. */
export const loginProblem = signal<string | undefined>(undefined);

/** Why the one who uses the page can't act; undefined: they can. */
export const whyNoAction = computed(() => {
  const now = session.value;
  if (typeof now === 'string') return 'log in first';
  return now.role === 'operate'
    ? undefined
    : `the token ${now.by} has the role view, which only reads`;
});

/** Of this page's own server: the same origin may have several, below paths of a proxy. */
const keyName = `ferryline-key ${location.pathname}`;

/** Asks who is there, or begins a session with a code. */
export async function begin(code: string | undefined): Promise<void> {
  if (code !== undefined) await logIn({ code });
  else if (localStorage.getItem(keyName) === null) session.value = 'none';
  else await look();
}

async function look(): Promise<void> {
  try {
    session.value = await ask<Session>('session');
  } catch (thrown) {
    if (session.value === 'unknown') session.value = 'none';
    loginProblem.value = (thrown as Error).message;
  }
}

export async function logIn(
  shown: { readonly code: string } | { readonly token: string },
): Promise<void> {
  loginProblem.value = undefined;
  try {
    const begun = await ask<Session & { readonly key: string }>('login', shown);
    localStorage.setItem(keyName, begun.key);
    session.value = begun;
  } catch (thrown) {
    const { message, hint } = thrown as Problem;
    loginProblem.value = hint === undefined ? message : `${message}: ${hint}`;
    session.value = 'none';
  }
}

export async function logOut(): Promise<void> {
  await ask('logout', {}).catch(() => {});
  forget();
}

function forget(): void {
  localStorage.removeItem(keyName);
  session.value = 'none';
}

/** What goes with each request. */
export function keyHeader(): Record<string, string> {
  const key = localStorage.getItem(keyName);
  return key === null ? {} : { 'x-ferryline-key': key };
}

/**
 * Asks the API, by an address relative to the page's; with a body it is a POST. Throws a Problem, or
 * the browser's error where nothing answers.
 */
export async function ask<T>(
  path: string,
  body?: object,
  headers: Record<string, string> = {},
): Promise<T> {
  const response = await fetch(`api/v1/${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    cache: 'no-store',
    headers: {
      ...keyHeader(),
      ...headers,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer as T;
  if (response.status === 401 && path !== 'login') {
    if (session.value !== 'none' && session.value !== 'unknown')
      loginProblem.value = 'the session has ended';
    forget();
  }
  throw new Problem(response.status, answer);
}
