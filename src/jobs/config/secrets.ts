/** Which paths of jobs.yml contain secrets, and their values. observe/redact.ts hides the values in what is printed. Secrets that commands print are known only during a login. */

import type { ApiToken } from '../../core/api-rules.js';
import type { Channel, ChannelTarget, Heartbeat } from '../../core/notify.js';
import { parseQueueUrl } from '../../core/queue-url.js';
import type { Remote, SecretText } from '../../core/remote.js';
import { type FilledIn, isLiteral } from './interpolate.js';
import type { Path } from './problems.js';
import type { RawConfig } from './schema.js';
import { isMap } from './shapes.js';

/** Whether the value of this path must not be repeated in a message. */
export function isSecretPath(path: Path): boolean {
  const isWhole = path[0] === 'queue' || path[0] === 'secrets' || path[0] === 'heartbeat';
  return isWhole || isAuthPath(path) || isTokenPath(path) || isChannelPath(path);
}

/** Whether a text of the file, before variables are filled in, is a secret written out. */
export function isWrittenOut(path: Path, text: string): boolean {
  if (path[0] === 'queue') return isLiteral(parseQueueUrl(text)?.password ?? '');
  const isSecret = takesSecrets(path) || isTokenPath(path) || isChannelPath(path);
  return isSecret && isLiteral(text);
}

/** Whether the value of this path is a password or passphrase, which a command may print. */
export function takesSecrets(path: Path): boolean {
  return isAuthPath(path) && (path[3] === 'password' || path[3] === 'passphrase');
}

/** The auth of a remote, or of all: `remotes.NAME.auth`, `defaults.remotes.auth`. */
function isAuthPath(path: Path): boolean {
  const isRemote = path[0] === 'remotes' || (path[0] === 'defaults' && path[1] === 'remotes');
  return isRemote && path[2] === 'auth';
}

/** Where a channel's messages go, or what signs them: `notify.NAME.webhook`. */
function isChannelPath(path: Path): boolean {
  const keys: readonly unknown[] = ['webhook', 'smtp', 'healthchecks', 'secret'];
  return path[0] === 'notify' && keys.includes(path[2]);
}

/** A token of the API: `api.tokens.NAME.token`. */
function isTokenPath(path: Path): boolean {
  return path[0] === 'api' && path[1] === 'tokens' && path[3] === 'token';
}

/** Puts the secrets, which the schema takes for texts, into the checked tree. Those without a valid command are left out: they have been reported. */
export function placeSecrets(
  root: RawConfig,
  texts: FilledIn['secrets'],
  commands: RawConfig['secrets'],
  folder: string,
): void {
  for (const [id, parts] of texts) {
    const path = JSON.parse(id) as Path;
    const last = path.at(-1) as string;
    const parent = path.slice(0, -1).reduce<unknown>((at, step) => isMap(at) && at[step], root);
    if (!isMap(parent)) continue;
    const text: SecretText = {
      parts: parts.map((part) =>
        typeof part === 'string'
          ? part
          : { secret: part.secret, command: commands?.[part.secret] ?? [], folder },
      ),
    };
    (parent as Record<string, unknown>)[last] = text;
  }
}

/** Every password, passphrase and token of a configuration, as far as they are known, and its credentials. */
export function secretsOf({
  remotes,
  queue,
  tokens,
  channels,
  heartbeat,
  credentials,
}: {
  readonly remotes: Iterable<Remote>;
  readonly queue: string;
  readonly tokens: readonly ApiToken[];
  readonly channels: Iterable<Channel>;
  readonly heartbeat: Heartbeat | undefined;
  readonly credentials: Iterable<string>;
}): string[] {
  const secrets = new Set(credentials);
  for (const { auth } of remotes)
    for (const text of [auth.password, auth.passphrase])
      for (const part of typeof text === 'string' ? [text] : (text?.parts ?? []))
        if (typeof part === 'string') secrets.add(part);
  for (const secret of parseQueueUrl(queue)?.secrets ?? []) secrets.add(secret);
  for (const { token } of tokens) secrets.add(token);
  for (const { target } of channels)
    for (const secret of secretsOfTarget(target)) secrets.add(secret);
  if (heartbeat !== undefined)
    for (const secret of secretsOfUrl(heartbeat.url)) secrets.add(secret);
  return [...secrets];
}

function secretsOfTarget(target: ChannelTarget): string[] {
  if (target.kind === 'email') return secretsOfUrl(target.smtp);
  const own = target.kind === 'webhook' && target.secret !== undefined ? [target.secret] : [];
  return [...own, ...secretsOfUrl(target.url)];
}

/** Whoever knows the path of a webhook may post to it: all after the host is a secret, and the password, as written and as it is meant. */
function secretsOfUrl(text: string): string[] {
  const { password, pathname, search } = new URL(text);
  const path = `${decodeURI(pathname)}${search}`.replace(/^\//, '');
  const parts = [
    password,
    decoded(password),
    path,
    path.replaceAll('{job}', '').replace(/\/+$/, ''),
  ];
  return [...new Set(parts)].filter((part) => part.length > 7);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
