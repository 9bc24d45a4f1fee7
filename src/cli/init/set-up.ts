/** Asks for a first remote and job, and tries each answer on the server at once. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { FerryError } from '../../core/errors.js';
import type { Operation } from '../../core/events.js';
import { namePattern } from '../../core/job.js';
import type { Auth, Remote } from '../../core/remote.js';
import { escapeText } from '../../core/text.js';
import { openSide } from '../../endpoints/open.js';
import { SessionPool } from '../../endpoints/sftp/pool.js';
import { describeKey, fingerprint, standingOf } from '../../ssh/host-keys/host-keys.js';
import { hostKeyRules } from '../../ssh/host-keys/read-known-hosts.js';
import { remoteFromHost } from '../../ssh/ssh-config/ssh-host.js';
import { fetchHostKey } from '../../ssh/ssh2/fetch-host-key.js';
import { readExpression } from '../../triggers/schedule/expression.js';
import type { FirstJob, FirstRemote } from './first-config.js';
import type { Questions } from './questions.js';

/** What was given as flags. */
export interface SetUpFlags {
  readonly host?: string;
  readonly user?: string;
  readonly port?: number;
  readonly key?: string;
  readonly passwordFile?: string;
  readonly hostKey?: string;
  readonly from?: string;
  readonly to?: string;
  readonly operation?: string;
  readonly schedule?: string;
}

export interface SetUp {
  readonly remote: FirstRemote;
  readonly job: FirstJob;
}

export interface SetUpContext {
  readonly questions: Questions;
  readonly cwd: string;
  /** Reads a secret's file, as jobs.yml does. */
  readonly readSecret: (file: string) => string;
  readonly signal: AbortSignal;
}

const operations = ['push', 'pull', 'mirror'] as const;

/** Nothing is written, here or on the server. Errors: those of the first answer that can't be asked for again. */
export async function setUp(flags: SetUpFlags, context: SetUpContext): Promise<SetUp> {
  const { questions } = context;
  const server = await questions.ask({
    ask: 'Server (name, address, or a Host of ~/.ssh/config)',
    given: flags.host,
    read: (host) => reach(host, flags, context),
  });
  const remote = await logIn(server, flags, context);
  const pool = new SessionPool();
  try {
    return await chooseFolders(remote, pool, flags, context);
  } finally {
    await pool.leave();
  }
}

/** The server's remote, with its host key pinned if that is not known yet. */
async function reach(host: string, flags: SetUpFlags, context: SetUpContext): Promise<Remote> {
  const { questions, signal } = context;
  const { remote } = remoteFromHost(host, { port: flags.port });
  const { port, replyTimeout: deadline, name, algorithms } = remote;
  const keys = await fetchHostKey({
    host: remote.host,
    port,
    deadline,
    signal,
    remote: name,
    algorithms,
  });
  const rules = await hostKeyRules(remote, []);
  const standings = keys.map((key) => ({ key, kind: standingOf(rules, key).kind }));
  const known = standings.find(({ kind }) => kind === 'known');
  if (known !== undefined && flags.hostKey === undefined) {
    questions.say(`  its host key is known: ${describeKey(known.key)}`);
    return { ...remote, hostKey: [fingerprint(known.key)] };
  }
  if (standings.some(({ kind }) => kind === 'changed' || kind === 'revoked'))
    throw new FerryError('host-key', `the host key of ${escapeText(host)} is not the known one`, {
      hint: `\`ferryline trust ${escapeText(host)}\` says which is which; ask the server's owner`,
    });
  const shown = keys.map((key) => `  ${describeKey(key)}`).join('\n');
  if (flags.hostKey !== undefined) {
    const wanted = flags.hostKey.replace(/=$/, '');
    if (keys.some((key) => fingerprint(key) === wanted)) return { ...remote, hostKey: [wanted] };
    throw new FerryError(
      'host-key',
      `no host key of ${escapeText(host)} is ${escapeText(wanted)}; it has\n${shown}`,
    );
  }
  if (!questions.areAsked)
    throw new FerryError(
      'host-key',
      `the host key of ${escapeText(host)} is not known; it has\n${shown}`,
      {
        hint: "compare it with the one from the server's owner, and give it as --host-key SHA256:…",
      },
    );
  questions.say(shown);
  const agreed = await questions.ask({
    ask: "Compare with the fingerprint from the server's owner. Trust it (yes/no)",
    read: yesOrNo,
  });
  if (!agreed)
    throw new FerryError('host-key', 'the host key was not trusted; nothing was written');
  return { ...remote, hostKey: keys.map(fingerprint) };
}

/** How to log in, tried. */
async function logIn(
  server: Remote,
  flags: SetUpFlags,
  context: SetUpContext,
): Promise<Remote & Password> {
  const { questions } = context;
  const username = await questions.ask({
    ask: 'User',
    given: flags.user,
    usual: server.username,
    read: (text) => text,
  });
  const found = server.auth.keys.find((file) => existsSync(file));
  const given = flags.passwordFile === undefined ? flags.key : 'password';
  return questions.ask({
    ask: 'Private key file, `agent`, or `password`',
    given,
    usual: found ?? (server.auth.agent === undefined ? undefined : 'agent'),
    read: async (answer) => {
      const { auth, password } = await authFor(answer, server.auth, flags, context);
      const remote = { ...server, username, auth, ...(password && { password }) };
      await tryLogin(remote, context);
      questions.say('  logged in');
      return remote;
    },
  });
}

interface Password {
  /** `${file:…}`, if it logs in with a password. */
  readonly password?: string;
}

async function authFor(
  answer: string,
  { agent }: Auth,
  { passwordFile }: SetUpFlags,
  { questions, cwd, readSecret }: SetUpContext,
): Promise<{ auth: Auth } & Password> {
  if (answer === 'agent') {
    if (agent === undefined)
      throw new FerryError('config', 'no agent is running here', {
        hint: 'name a key file, or start an agent (SSH_AUTH_SOCK)',
      });
    return { auth: { keys: [], keysOptional: true, agent } };
  }
  if (answer !== 'password')
    return { auth: { keys: [resolve(cwd, expandHome(answer))], keysOptional: false } };
  const file = await questions.ask({
    ask: 'File that holds the password, and nothing else (chmod 600)',
    given: passwordFile,
    read: (path) => resolve(cwd, expandHome(path)),
  });
  return {
    auth: { keys: [], keysOptional: true, password: readSecret(file) },
    password: `\${file:${file}}`,
  };
}

function expandHome(path: string): string {
  return path.startsWith('~/') ? `${process.env.HOME ?? '~'}${path.slice(1)}` : path;
}

async function tryLogin(remote: Remote, { signal }: SetUpContext): Promise<void> {
  const pool = new SessionPool();
  try {
    await pool.session(remote, signal);
  } finally {
    await pool.leave();
  }
}

async function chooseFolders(
  remote: Remote & Password,
  pool: SessionPool,
  flags: SetUpFlags,
  { questions, cwd, signal }: SetUpContext,
): Promise<SetUp> {
  const operation: Operation = await questions.ask({
    ask: 'push (copy to the server), pull (copy from it), or mirror (to it, deleting what is gone here)',
    given: flags.operation,
    usual: 'push',
    read: (text) => {
      const found = operations.find((one) => one === text);
      if (found !== undefined) return found;
      throw new FerryError('config', `${escapeText(text)} is none of ${operations.join(', ')}`);
    },
  });
  const local = await questions.ask({
    ask: 'Folder here',
    given: operation === 'pull' ? flags.to : flags.from,
    usual: './data',
    read: (path) => {
      if (!existsSync(resolve(cwd, path))) questions.say(`  ${path} does not exist yet`);
      return path;
    },
  });
  const there = await questions.ask({
    ask: 'Folder on the server (relative to the login folder, or absolute)',
    given: operation === 'pull' ? flags.from : flags.to,
    usual: 'data',
    read: async (path) => {
      const side = await openSide(
        { remote, path, label: `${remote.name}:${path}` },
        'from',
        pool,
        signal,
      );
      const stat = await side.endpoint.stat('', signal);
      const entries = stat === undefined ? [] : await side.endpoint.list('', signal);
      questions.say(
        stat === undefined
          ? `  ${path} does not exist yet; ${operation === 'pull' ? 'it must by the first run' : 'the first run makes it'}`
          : `  ${path} exists; it holds ${entries.length} entries`,
      );
      return path;
    },
  });
  const schedule = await questions.ask({
    ask: 'When to run it by itself, as for cron (`0 2 * * *`), or `never`',
    given: flags.schedule,
    usual: 'never',
    read: readSchedule,
  });
  const first = remoteOf(remote);
  const place = `${first.name}:${there}`;
  const sides = operation === 'pull' ? { from: place, to: local } : { from: local, to: place };
  return {
    remote: first,
    job: { name: schedule === undefined ? 'sync' : 'nightly', operation, ...sides, schedule },
  };
}

function readSchedule(text: string): string | undefined {
  if (text === 'never' || text === 'no') return undefined;
  try {
    readExpression(text);
    return text;
  } catch (error) {
    throw new FerryError(
      'config',
      `${escapeText(text)} is no cron expression: ${(error as Error).message}`,
      {
        hint: 'write minute, hour, day, month and weekday, such as `0 2 * * *` for two every night',
      },
    );
  }
}

/** Errors: `config` for any other answer. */
export function yesOrNo(text: string): boolean {
  const answer = text.toLowerCase();
  if (answer === 'yes' || answer === 'y') return true;
  if (answer === 'no' || answer === 'n') return false;
  throw new FerryError('config', 'answer yes or no');
}

function remoteOf({
  name,
  host,
  port,
  username,
  auth,
  hostKey,
  password,
}: Remote & Password): FirstRemote {
  return {
    name: nameOf(name),
    ...{ host, port, username, hostKey },
    keys: auth.keysOptional ? [] : auth.keys,
    usesAgent: auth.agent !== undefined,
    ...(password && { password }),
  };
}

/** The first part of the host as it was typed, as a remote's name; `server` for an address. */
function nameOf(typed: string): string {
  const [first = ''] = typed.replace(/^sftp:\/\//, '').split(/[.:]/);
  return namePattern.test(first) ? first : 'server';
}
