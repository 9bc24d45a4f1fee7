/**
 * Ad hoc SSH hosts: turns `[user@]host:path` and `sftp://user@host:port/path` of the command line
 * into remotes, completed from ssh_config as `ssh` would. Remotes of jobs.yml never use ssh_config
 * this way.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { FerryError } from '../../core/errors.js';
import { present } from '../../core/present.js';
import type { Auth, Remote } from '../../core/remote.js';
import { escapeText } from '../../core/text.js';
import { isOnlyForAgent } from '../ssh2/key-file.js';
import { homeFolder } from './home-folder.js';
import { readSshConfig, type SshHost } from './ssh-config.js';
import { expandTilde, type SshContext } from './ssh-config-lines.js';
import { parseHop, parseHost, parseTarget, type SshTarget } from './ssh-target.js';
import { userName } from './user-name.js';

export interface SshHostOptions {
  /** `-i`: the only key to use; it is an error if it can't be used. */
  readonly key?: string | undefined;
  /** `-P`: wins over the target and the files. */
  readonly port?: number | undefined;
  /** Home, environment and machine; default: those of this process. */
  readonly context?: SshContext;
}

export interface AdHocRemote {
  readonly remote: Remote;
  /** The place that each value came from, for `doctor`: `host`, `port`, `username`, `keys`, `agent`, `jump`, `knownHosts`, `hostKeyAlias`. */
  readonly origins: Readonly<Record<string, string>>;
  /** The known_hosts files that are the machine's, not the user's. */
  readonly machineKnownHosts: readonly string[];
  /** Sentences about what was ignored. */
  readonly notes: readonly string[];
  /** Those that matter only to whoever looks closely. */
  readonly remarks: readonly string[];
}

function processContext(): SshContext {
  return {
    home: homeFolder(),
    user: userName(process.env),
    env: process.env,
    systemFolder: '/etc/ssh',
  };
}

/**
 * The remote that a target names, and the path on it: absolute, or relative to the login folder;
 * `''` is the login folder itself. Errors are of kind `config`.
 */
export function remoteFromSsh(
  target: string,
  options: SshHostOptions = {},
): AdHocRemote & { readonly path: string } {
  const parsed = parseTarget(target);
  return { ...adHocRemote(parsed, options), path: parsed.path };
}

/** The remote that `[user@]host` or `sftp://user@host:port` names, for `trust` and `doctor`. */
export function remoteFromHost(target: string, options: SshHostOptions = {}): AdHocRemote {
  return adHocRemote(parseHost(target), options);
}

function adHocRemote(target: Omit<SshTarget, 'path'>, options: SshHostOptions): AdHocRemote {
  const context = options.context ?? processContext();
  const port = options.port ?? target.port;
  const host = readSshConfig(target.host, { username: target.username, port }, context);
  // the name has to mean the same server to `ferryline trust NAME`
  const name = port === undefined ? target.host : `sftp://${bracketed(target.host)}:${port}`;
  const identity = authOf(host, options.key, context);
  const jump = jumpOf(host, context, []);
  return {
    remote: remoteOf(name, host, identity.auth, jump.remote),
    origins: options.key === undefined ? host.origins : { ...host.origins, keys: 'command line' },
    machineKnownHosts: host.machineKnownHosts,
    // a line for all hosts concerns the jump host, too
    notes: [...new Set([...host.notes, ...identity.notes, ...jump.notes])],
    remarks: [...new Set([...host.remarks, ...jump.remarks])],
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
    ...present({ hostKeyAlias: host.hostKeyAlias }),
    root: undefined,
    maxSessions: 2,
    maxFiles: 0,
    bandwidth: undefined,
    replyTimeout: 30_000,
    stallTimeout: 60_000,
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
  // IdentitiesOnly limits the agent to the configured keys; if none of them needs it, it is not used
  const inAgent = keys.find(needsAgent);
  if (inAgent === undefined) return { auth: rules, notes: [] };
  return {
    auth: { ...rules, agent: host.agent },
    notes: [
      `IdentitiesOnly: ${escapeText(inAgent)} can only be used through the agent, so the server may be offered the agent's other keys, five at most`,
    ],
  };
}

/** Whether a configured key can only be used through an agent: the file is a public key, or is locked. */
function needsAgent(file: string): boolean {
  let data: Buffer;
  try {
    data = readFileSync(file);
  } catch {
    return existsSync(`${file}.pub`);
  }
  return isOnlyForAgent(data);
}

interface JumpHost extends Pick<AdHocRemote, 'notes' | 'remarks'> {
  readonly remote: Remote | undefined;
}

/**
 * The jump host of `host`, with those before it as its own jump hosts. As with `ssh -J a,b`, the
 * last hop is reached through the one before it, and only the first hop's own ProxyJump counts.
 */
function jumpOf(host: SshHost, context: SshContext, passed: readonly string[]): JumpHost {
  const hop = host.jump.at(-1);
  if (hop === undefined) return { remote: undefined, notes: [], remarks: [] };
  const parsed = parseHop(hop, host.origins.jump ?? 'ProxyJump');
  const before = host.jump.slice(0, -1);
  const next = readSshConfig(
    parsed.host,
    { ...parsed, ...present({ jump: before.length === 0 ? undefined : before }) },
    context,
  );
  // as with `Host *.example.com` and ProxyJump bastion.example.com, which matches the bastion, too
  if (next.host === host.host && next.port === host.port) {
    return {
      remote: undefined,
      notes: [`${escapeText(hop)} is reached directly: its ProxyJump names itself`],
      remarks: [],
    };
  }
  const path = [...passed, `${host.host}:${host.port}`];
  if (path.includes(`${next.host}:${next.port}`)) {
    throw new FerryError(
      'config',
      `${host.origins.jump}: ProxyJump forms a circle: ${[...path, `${next.host}:${next.port}`].map(escapeText).join(' > ')}`,
      { hint: 'write "ProxyJump none" for the host that is reached directly' },
    );
  }
  const identity = authOf(next, undefined, context);
  const jump = jumpOf(next, context, path);
  const name =
    parsed.port === undefined ? parsed.host : `sftp://${bracketed(parsed.host)}:${parsed.port}`;
  return {
    remote: remoteOf(name, next, identity.auth, jump.remote),
    notes: [...next.notes, ...identity.notes, ...jump.notes],
    remarks: [...next.remarks, ...jump.remarks],
  };
}
