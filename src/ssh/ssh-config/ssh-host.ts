/**
 * Ad hoc SSH hosts: what `[user@]host:path` and `sftp://user@host:port/path` on the command line
 * mean, filled in from ssh_config as `ssh` itself would. Remotes of jobs.yml don't come by here.
 */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { FerryError } from '../../core/errors.js';
import type { Auth, Remote } from '../../core/remote.js';
import { escapeText } from '../../core/text.js';
import { isLocked, parseKey } from '../ssh2/key-file.js';
import { readSshConfig, type SshHost } from './ssh-config.js';
import { expandTilde, type SshContext } from './ssh-config-lines.js';
import { parseHop, parseHost, parseTarget, type Target } from './ssh-target.js';
import { userName } from './user-name.js';

export interface SshHostOptions {
  /** `-i`: this key, which must be usable, instead of all others. */
  readonly key?: string | undefined;
  /** `-P`: the port, before what the target and the files say. */
  readonly port?: number | undefined;
  /** What the files and the environment are read from; default: this process's. */
  readonly context?: SshContext;
}

export interface AdHoc {
  readonly remote: Remote;
  /** Where each value came from: `host`, `port`, `username`, `keys`, `agent`, `jump`, `knownHosts`, `hostKeyAlias`; for `doctor`. */
  readonly origins: Readonly<Record<string, string>>;
  /** Sentences about what was passed over. */
  readonly notes: readonly string[];
}

/** The user's own home, environment and machine. */
function processContext(): SshContext {
  return {
    home: homedir(),
    user: userName(process.env),
    env: process.env,
    systemFolder: '/etc/ssh',
  };
}

/**
 * The remote and the path on it that a target names. The path is absolute, or relative to the
 * login folder; `''` is that folder itself. Errors are of kind `config`.
 */
export function remoteFromSsh(
  target: string,
  options: SshHostOptions = {},
): AdHoc & { readonly path: string } {
  const parsed = parseTarget(target);
  return { ...adHoc(parsed, options), path: parsed.path };
}

/** The remote that `[user@]host` or `sftp://user@host:port` names, for `trust` and `doctor`. */
export function remoteFromHost(target: string, options: SshHostOptions = {}): AdHoc {
  return adHoc(parseHost(target), options);
}

function adHoc(target: Omit<Target, 'path'>, options: SshHostOptions): AdHoc {
  const context = options.context ?? processContext();
  const port = options.port ?? target.port;
  const given = { username: target.username, port };
  const host = readSshConfig(target.host, given, context);
  // A name that `ferryline trust NAME` understands to mean the same server.
  const name = port === undefined ? target.host : `sftp://${bracketed(target.host)}:${port}`;
  const identity = authOf(host, options.key, context);
  const jump = jumpOf(host, context, []);
  return {
    remote: remoteOf(name, host, identity.auth, jump.remote),
    origins: options.key === undefined ? host.origins : { ...host.origins, keys: 'command line' },
    notes: [...host.notes, ...identity.notes, ...jump.notes],
  };
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** The defaults are those of a remote in jobs.yml. */
function remoteOf(name: string, host: SshHost, auth: Auth, jump: Remote | undefined): Remote {
  return {
    name,
    host: host.host,
    port: host.port,
    username: host.username,
    auth,
    hostKey: [],
    knownHosts: host.knownHosts,
    ...(host.hostKeyAlias === undefined ? {} : { hostKeyAlias: host.hostKeyAlias }),
    root: undefined,
    maxSessions: 2,
    maxFiles: 0,
    bandwidth: undefined,
    deadline: 30_000,
    stall: 60_000,
    algorithms: {},
    jump,
  };
}

const defaultKeys = ['id_ed25519', 'id_ecdsa', 'id_rsa'];

function authOf(
  host: SshHost,
  key: string | undefined,
  context: SshContext,
): { auth: Auth; notes: readonly string[] } {
  const keys =
    key !== undefined
      ? [resolve(expandTilde(key, context))]
      : (host.identityFiles ?? defaultKeys.map((name) => join(context.home, '.ssh', name)));
  const rules = { keys, keysOptional: key === undefined };
  if (host.agent === undefined) return { auth: rules, notes: [] };
  if (!host.identitiesOnly) return { auth: { ...rules, agent: host.agent }, notes: [] };
  // IdentitiesOnly: the agent is for keys named here alone, so it's left out where it isn't needed.
  const inAgent = keys.find(needsAgent);
  if (inAgent === undefined) return { auth: rules, notes: [] };
  return {
    auth: { ...rules, agent: host.agent },
    notes: [
      `IdentitiesOnly: ${escapeText(inAgent)} can only be used through the agent, so all of the agent's keys may be offered`,
    ],
  };
}

/** Whether the private half of a named key is only to be had from an agent: a public key, or a locked one. */
function needsAgent(file: string): boolean {
  let data: Buffer;
  try {
    data = readFileSync(file);
  } catch {
    return existsSync(`${file}.pub`);
  }
  const parsed = parseKey(data);
  return parsed instanceof Error ? isLocked(parsed) : !parsed.isPrivateKey();
}

interface Jump {
  readonly remote: Remote | undefined;
  readonly notes: readonly string[];
}

/**
 * The chain of hosts to pass on the way to `host`, nearest to it first. As with `ssh -J a,b`, the
 * hop before the last is how the last is reached, and only the first hop's own ProxyJump counts.
 */
function jumpOf(host: SshHost, context: SshContext, passed: readonly string[]): Jump {
  const hop = host.jump.at(-1);
  if (hop === undefined) return { remote: undefined, notes: [] };
  const parsed = parseHop(hop, host.origins.jump ?? 'ProxyJump');
  const before = host.jump.slice(0, -1);
  const next = readSshConfig(
    parsed.host,
    { ...parsed, ...(before.length === 0 ? {} : { jump: before }) },
    context,
  );
  // `Host *.example.com` with ProxyJump bastion.example.com: the bastion doesn't jump through itself.
  if (next.host === host.host && next.port === host.port) {
    return { remote: undefined, notes: [`${escapeText(hop)} is not jumped to from itself`] };
  }
  const way = [...passed, `${host.host}:${host.port}`];
  if (way.includes(`${next.host}:${next.port}`)) {
    throw new FerryError(
      'config',
      `${host.origins.jump}: ProxyJump goes in a circle: ${[...way, `${next.host}:${next.port}`].map(escapeText).join(' > ')}`,
      { hint: `write "ProxyJump none" for the host that is reached directly` },
    );
  }
  const identity = authOf(next, undefined, context);
  const jump = jumpOf(next, context, way);
  const name =
    parsed.port === undefined ? parsed.host : `sftp://${bracketed(parsed.host)}:${parsed.port}`;
  return {
    remote: remoteOf(name, next, identity.auth, jump.remote),
    notes: [...next.notes, ...identity.notes, ...jump.notes],
  };
}
