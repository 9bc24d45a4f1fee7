/**
 * The URL of a Redis or Postgres that keeps the queue. A password in it may hold any characters, as
 * people write them: `@`, `/`, `#` and `?` too. Libraries would take such a password for the host, and
 * name it in an error.
 */

export interface QueueUrl {
  /** The same URL as libraries read it, with user and password percent-encoded. */
  readonly url: string;
  /** Every secret in it, as written and as meant. */
  readonly secrets: readonly string[];
  /** Its password, as written; `''` if there is none. */
  readonly password: string;
}

const scheme = /^(rediss?(?:\+sentinel|\+cluster)?|postgres|postgresql):\/\/(.*)$/s;
/** Host, port, and what follows: what can come after the credentials. */
const server = /^(?:\[[0-9a-f:.]+(?:%25\w+)?\]|[^\s@:/?#[\]]*)(?::(\d{1,5}))?(?:[/?][^\r\n]*)?$/i;
const querySecret = /[?&](?:password|pass|pwd|sslpassword|sentinelpassword|auth)=([^&#]*)/gi;
const plain = /^(?:[\w.~!$&'()*+,;=-]|%[0-9a-f]{2})*$/i;

/** Undefined for a text that is no such URL. */
export function parseQueueUrl(text: string): QueueUrl | undefined {
  const [, kind = '', body = ''] = scheme.exec(text) ?? [];
  if (kind === '') return undefined;
  const isRest = isRestOf(kind);
  const at = endOfCredentials(body, isRest);
  const rest = body.slice(at + 1);
  if (!isRest(rest)) return undefined;
  const secrets = [...rest.matchAll(querySecret)].flatMap(([, value = '']) => forms(value));
  if (at < 0) return { url: text, secrets, password: '' };
  const credentials = body.slice(0, at);
  const colon = credentials.indexOf(':');
  const user = colon < 0 ? credentials : credentials.slice(0, colon);
  const password = colon < 0 ? '' : credentials.slice(colon + 1);
  // some write Redis's password where the user belongs
  if (colon < 0 && kind.startsWith('redis')) secrets.push(...forms(user));
  secrets.push(...forms(password));
  const encodedPassword = colon < 0 ? '' : `:${encode(password)}`;
  return { url: `${kind}://${encode(user)}${encodedPassword}@${rest}`, secrets, password };
}

/** Where the `@` before the host is: the last one, except in a query; -1 if there is none. */
function endOfCredentials(body: string, isRest: (text: string) => boolean): number {
  const [beforeQuery = '', query] = body.split(/\?(.*)/s);
  if (
    query !== undefined &&
    /^[\w-]+=/.test(query) &&
    isRest(beforeQuery) &&
    !/@/.test(beforeQuery)
  )
    return -1;
  for (let at = body.lastIndexOf('@'); at >= 0; at = at === 0 ? -1 : body.lastIndexOf('@', at - 1))
    if (isRest(body.slice(at + 1))) return at;
  return -1;
}

/** What can come after the credentials of such a URL. */
function isRestOf(kind: string): (text: string) => boolean {
  if (kind.endsWith('sentinel')) return isSentinels;
  return kind.endsWith('cluster') ? isSeveral : isServer;
}

function isServer(text: string): boolean {
  const found = server.exec(text);
  return found !== null && Number(found[1] ?? 1) <= 65_535;
}

/** Several servers, separated by commas. */
function isSeveral(text: string): boolean {
  const [, servers = '', rest = ''] = /^([^/?]*)(.*)$/s.exec(text) ?? [];
  return servers.split(',').every((one) => one !== '' && isServer(`${one}${rest}`));
}

/** The same, and after them the name of what they watch. */
function isSentinels(text: string): boolean {
  return isSeveral(text) && /^[^/?]*\/[^/?\s]/.test(text);
}

/** What is encoded already stays; a `%` that begins nothing is itself a character of the password. */
function encode(part: string): string {
  if (plain.test(part) && decoded(part) !== undefined) return part;
  if (decoded(part) === undefined) return encodeURIComponent(part);
  return part.replace(/%[0-9a-f]{2}|./giu, (one) =>
    plain.test(one) ? one : encodeURIComponent(one),
  );
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

function forms(secret: string): string[] {
  return [...new Set([secret, decoded(secret) ?? secret, encode(secret)])].filter(
    (one) => one !== '',
  );
}
