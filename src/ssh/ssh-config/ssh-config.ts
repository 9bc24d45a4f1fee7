/**
 * Reads what ~/.ssh/config and the machine's ssh_config say about a host (ssh_config(5)): the first
 * value obtained wins, key files add up. Nothing is executed and nothing is looked up on the
 * network: Match exec, CanonicalizeHostname and KnownHostsCommand have no effect. Neither has
 * StrictHostKeyChecking: host keys are always checked.
 */
import { join, resolve } from 'node:path';
import { FerryError } from '../../core/errors.js';
import { present } from '../../core/present.js';
import { escapeText } from '../../core/text.js';
import { type Directive, expandTilde, type SshContext } from './ssh-config-lines.js';
import {
  collectDirectives,
  commandLine,
  expandHost,
  expandTokens,
  type HostOverrides,
} from './ssh-config-match.js';

/** A host as ssh would connect to it. Paths are absolute. */
export interface SshHost {
  /** The name or address to connect to, lower-cased. */
  readonly host: string;
  readonly port: number;
  readonly username: string;
  /** Undefined: none is configured, so the default ones are used. */
  readonly identityFiles: readonly string[] | undefined;
  readonly identitiesOnly: boolean;
  /** The agent's socket. */
  readonly agent: string | undefined;
  /** ProxyJump's hops from here to the host, as written. */
  readonly jump: readonly string[];
  /** The user's files, then the machine's. */
  readonly knownHosts: readonly string[];
  /** Those of them that are the machine's. */
  readonly machineKnownHosts: readonly string[];
  readonly hostKeyAlias: string | undefined;
  /** Where each value came from: `command line`, `~/.ssh/config:12`, `$SSH_AUTH_SOCK`, `default`. */
  readonly origins: Readonly<Record<string, string>>;
  /** Sentences about what was ignored. */
  readonly notes: readonly string[];
  /** Those that matter only to whoever looks closely. */
  readonly remarks: readonly string[];
}

/**
 * Reads the configuration for `host` as the user typed it. A file with a wrong format, a value out of
 * range and a ProxyCommand (which would have to be executed to reach the host) are `config` errors
 * that name their place.
 */
export function readSshConfig(
  host: string,
  overrides: HostOverrides,
  context: SshContext,
): SshHost {
  const found = collectDirectives(host, overrides, context);
  const { values, notes } = found;
  const first = (keyword: string) => values.get(keyword)?.args[0];
  const placeOf = (keyword: string) => values.get(keyword)?.place ?? 'default';

  const hostName = expandHost(values.get('hostname'), host).toLowerCase();
  const port = portOf(values.get('port'));
  const username = first('user') ?? context.user;
  const alias = first('hostkeyalias');
  const tokens: Readonly<Record<string, string>> = {
    '%': '%',
    d: context.home,
    h: hostName,
    k: alias ?? host,
    n: host,
    p: String(port),
    r: username,
    u: context.user,
  };
  const expand = (text: string, place: string) => expandTokens(text, place, tokens);
  const path = (text: string, place: string) =>
    resolve(expandTilde(expand(expandEnvironment(text, place, context), place), context));
  const paths = (directive: Directive | undefined, otherwise: readonly string[]) => {
    if (directive === undefined) return otherwise;
    if (directive.args[0]?.toLowerCase() === 'none') return [];
    return directive.args.map((arg) => path(arg, directive.place));
  };

  const proxyCommand = values.get('proxycommand');
  if (proxyCommand !== undefined && proxyCommand.args[0]?.toLowerCase() !== 'none') {
    throw new FerryError(
      'config',
      `${proxyCommand.place} ${escapeText(host)} is reached through a ProxyCommand, and ferryline runs no commands of ssh_config`,
      { hint: 'if the command only goes through another SSH host, use ProxyJump HOST instead' },
    );
  }
  const proxyJump = values.get('proxyjump');
  const hops =
    proxyJump === undefined || proxyJump.args[0]?.toLowerCase() === 'none'
      ? []
      : (proxyJump.args[0] ?? '').split(',');
  const agent = agentOf(values.get('identityagent'), path, context);
  const identities = found.identities.filter(({ args }) => args[0]?.toLowerCase() !== 'none');
  const [firstIdentity] = found.identities;
  const strict = values.get('stricthostkeychecking');
  const loose = /^(?:no|off|accept-new)$/i.exec(strict?.args[0] ?? '')?.[0];
  const userFiles = values.get('userknownhostsfile');
  const systemFiles = values.get('globalknownhostsfile');

  const machineKnownHosts = paths(
    systemFiles,
    ['ssh_known_hosts', 'ssh_known_hosts2'].map(inFolder(context.systemFolder)),
  );
  return {
    host: hostName,
    port,
    username,
    identityFiles:
      firstIdentity === undefined
        ? undefined
        : [...new Set(identities.map(({ args, place }) => path(args[0] ?? '', place)))],
    identitiesOnly: first('identitiesonly')?.toLowerCase() === 'yes',
    agent: agent.socket,
    jump: (overrides.jump ?? hops.map((hop) => expand(hop.trim(), placeOf('proxyjump')))).filter(
      (hop) => hop !== '',
    ),
    knownHosts: [
      ...paths(userFiles, ['known_hosts', 'known_hosts2'].map(inFolder(context.home, '.ssh'))),
      ...machineKnownHosts,
    ],
    machineKnownHosts,
    hostKeyAlias: alias,
    origins: {
      host: values.has('hostname') ? placeOf('hostname') : commandLine,
      port: placeOf('port'),
      username: placeOf('user'),
      keys: firstIdentity?.place ?? 'default',
      agent: agent.origin,
      jump: overrides.jump === undefined ? placeOf('proxyjump') : commandLine,
      knownHosts: userFiles?.place ?? systemFiles?.place ?? 'default',
      ...present({ hostKeyAlias: values.get('hostkeyalias')?.place }),
    },
    notes,
    remarks:
      loose === undefined
        ? []
        : [
            `${placeOf('stricthostkeychecking')} StrictHostKeyChecking ${loose} is not followed: host keys are always checked, and \`ferryline trust\` adds one`,
          ],
  };
}

function inFolder(...folder: string[]): (name: string) => string {
  return (name) => join(...folder, name);
}

function portOf(directive: Directive | undefined): number {
  if (directive === undefined) return 22;
  const text = directive.args[0] ?? '';
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65535) return port;
  throw new FerryError(
    'config',
    `${directive.place} Port ${escapeText(text)} is not a port: it must be a number from 1 to 65535`,
  );
}

function agentOf(
  directive: Directive | undefined,
  path: (text: string, place: string) => string,
  context: SshContext,
): { socket: string | undefined; origin: string } {
  const named = (variable: string) => context.env[variable] || undefined;
  if (directive === undefined) {
    const socket = named('SSH_AUTH_SOCK');
    return { socket, origin: socket === undefined ? 'default' : '$SSH_AUTH_SOCK' };
  }
  const { place } = directive;
  const value = directive.args[0] ?? '';
  if (value.toLowerCase() === 'none') return { socket: undefined, origin: place };
  if (value === 'SSH_AUTH_SOCK') return { socket: named('SSH_AUTH_SOCK'), origin: place };
  if (/^\$[A-Za-z_]/.test(value)) return { socket: named(value.slice(1)), origin: place };
  return { socket: path(value, place), origin: place };
}

/** Expands `${NAME}` (ssh_config(5) ENVIRONMENT VARIABLES); a variable that is not set is a `config` error. */
function expandEnvironment(text: string, place: string, context: SshContext): string {
  return text.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, name: string) => {
    const value = context.env[name];
    if (value !== undefined) return value;
    throw new FerryError('config', `${place} the environment variable ${name} is not set`);
  });
}
