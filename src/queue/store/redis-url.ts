/**
 * What the URL of a Redis says, as ioredis takes it:
 *
 *     redis://[USER:PASSWORD@]HOST[:PORT][/DB]
 *     redis+sentinel://[USER:PASSWORD@]HOST[:PORT],…/MASTER[/DB]
 *     redis+cluster://[USER:PASSWORD@]HOST[:PORT],…
 *
 * `rediss://` and the like use TLS, with redis-cli's names of the files: `?cacert=`,
 * `cert=`, `key=`, `sni=`. The Sentinels' own login is `?sentinelUsername=` and `sentinelPassword=`.
 */
import { readFile } from 'node:fs/promises';
import type { RedisOptions } from 'ioredis';
import { FerryError } from '../../core/errors.js';
import { present } from '../../core/present.js';

const form = /^redis(s?)(\+sentinel|\+cluster)?:\/\/(?:([^@/]*)@)?([^/?]*)\/?([^?]*)(?:\?(.*))?$/s;
const known = [
  ...['username', 'password', 'db', 'family', 'cacert', 'cert', 'key', 'sni'],
  ...['sentinelUsername', 'sentinelPassword'],
];

/** Without the choice of a form of replies, on which ioredis's types depend. */
export type RedisSettings = Omit<RedisOptions, 'replyMapping'>;

/** Where a server is. */
interface Server {
  readonly host: string;
  readonly port: number;
}

export interface RedisAddress {
  /** Without secrets: the servers, what Sentinels watch, and the database. */
  readonly name: string;
  readonly settings: RedisSettings;
  /** Some nodes of a Cluster, which the settings are for; undefined for a single server, and for Sentinels. */
  readonly cluster: readonly Server[] | undefined;
}

/** Reads the files that the URL names, too. Errors: `config`; those of the system for a file. */
export async function redisAddress(url: string): Promise<RedisAddress> {
  const [, secure, kind, login, hosts = '', path = '', query] = form.exec(url) ?? [];
  const keys = new URLSearchParams(query);
  for (const key of keys.keys())
    if (!known.includes(key))
      throw new FerryError('config', `the queue's URL has an unknown key, ${key}`, {
        hint: `a Redis URL may have ${known.join(', ')}`,
      });
  const value = (key: string) => keys.get(key) ?? undefined;
  const [user, password] = credentials(login);
  const parts = path.split('/');
  const master = kind === '+sentinel' ? decodeURIComponent(parts.shift() ?? '') : undefined;
  const tls = secure === 's' ? await tlsOptions(value) : undefined;
  const [first] = serversIn(hosts, 6379);
  const family = value('family');
  const common = present({
    username: user ?? value('username'),
    password: password ?? value('password'),
    family: family === undefined ? undefined : Number(family),
    tls,
  });
  const db = databaseNumber(parts[0] || value('db'));
  if (kind === '+cluster') {
    const cluster = serversIn(hosts, 6379);
    if (db === 0) return { name: nameOf(cluster), settings: common, cluster };
    throw new FerryError('config', `a Redis Cluster has database 0 only, not ${db}`, {
      hint: 'leave the number out; another installation needs a Redis of its own',
    });
  }
  const sentinels = serversIn(hosts, 26_379);
  const settings: RedisSettings = {
    ...common,
    db,
    ...(master === undefined
      ? first
      : {
          name: master,
          role: 'master',
          sentinels,
          ...present({
            sentinelUsername: value('sentinelUsername'),
            sentinelPassword: value('sentinelPassword'),
          }),
          ...(tls === undefined ? {} : { enableTLSForSentinelMode: true, sentinelTLS: tls }),
        }),
  };
  const watched = master === undefined ? nameOf([first]) : `${nameOf(sentinels)}/${master}`;
  return { name: `${watched}/${db}`, settings, cluster: undefined };
}

/** `a:6379,b:6379`, in whatever order they were written. */
function nameOf(servers: readonly (Server | undefined)[]): string {
  const names = servers.flatMap((server) => (server ? [`${server.host}:${server.port}`] : []));
  return `redis:${names.sort().join(',')}`;
}

function credentials(login: string | undefined): readonly (string | undefined)[] {
  if (login === undefined) return [];
  const [user = '', ...password] = login.split(':');
  return [
    user === '' ? undefined : decodeURIComponent(user),
    decodeURIComponent(password.join(':')),
  ];
}

function serversIn(hosts: string, port: number): Server[] {
  return hosts.split(',').map((one) => {
    const [, host = '', given] = /^(.*?)(?::(\d+))?$/.exec(one.trim()) ?? [];
    const inBrackets = /^\[(.+)\](?::(\d+))?$/.exec(one.trim());
    return {
      host: decodeURIComponent(inBrackets?.[1] ?? host) || 'localhost',
      port: Number(inBrackets?.[2] ?? given ?? port),
    };
  });
}

function databaseNumber(text: string | undefined): number {
  if (text === undefined || /^\d+$/.test(text)) return Number(text ?? 0);
  throw new FerryError('config', `the database in the queue's URL is no number: ${text}`, {
    hint: 'write redis://HOST:PORT/0, or another number',
  });
}

async function tlsOptions(
  value: (key: string) => string | undefined,
): Promise<NonNullable<RedisOptions['tls']>> {
  const file = async (key: string) => {
    const path = value(key);
    return path === undefined ? undefined : await readFile(path);
  };
  return present({
    ca: await file('cacert'),
    cert: await file('cert'),
    key: await file('key'),
    servername: value('sni'),
  });
}
