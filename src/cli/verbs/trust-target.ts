/** Finds the server that `ferryline trust REMOTE|HOST` means; trust.ts does the rest. */
import type { Remote } from '../../core/remote.js';
import { remoteFromHost } from '../../ssh/ssh-config/ssh-host.js';
import { openThroughJump } from '../../ssh/ssh2/connect-ssh2.js';
import { readConfigNaming } from '../config-file.js';
import type { Context } from '../context.js';
import { trust } from './trust.js';

export interface TrustFlags {
  readonly yes?: boolean;
  readonly fingerprint?: string;
  readonly port?: number;
}

export async function trustCommand(
  target: string,
  flags: TrustFlags,
  context: Context,
): Promise<number> {
  const { remote, machineKnownHosts } = await find(target, flags, context);
  const { jump } = remote;
  const options = {
    machineKnownHosts,
    yes: flags.yes,
    fingerprint: flags.fingerprint,
    json: context.output.json,
    signal: context.stopSignal(),
    ...(jump && { open: (signal: AbortSignal) => openThroughJump(remote, jump, signal) }),
  };
  const { stdin, stdout, stderr } = process;
  return trust(remote, options, { stdin, stdout, stderr });
}

interface Found {
  readonly remote: Remote;
  readonly machineKnownHosts?: readonly string[];
}

async function find(target: string, { port }: TrustFlags, context: Context): Promise<Found> {
  const config = /[@:/]/.test(target) ? undefined : await readConfigNaming([target], context);
  const remote = config?.remotes.get(target);
  if (remote?.openssh !== undefined) return asSshSees(remote, port);
  if (remote !== undefined) return { remote: port === undefined ? remote : { ...remote, port } };
  return remoteFromHost(target, { port });
}

/** A remote of the system's ssh: its host may be a Host of ssh_config, which says what jobs.yml leaves out. */
function asSshSees(remote: Remote, port: number | undefined): Found {
  const { openssh = [], name, host, hostKey, replyTimeout } = remote;
  const set = (option: string) =>
    openssh.find((one) => one.startsWith(`${option}=`))?.slice(option.length + 1);
  const ownPort = set('Port');
  const found = remoteFromHost(host, {
    port: port ?? (ownPort === undefined ? undefined : Number(ownPort)),
  });
  const ownFiles = set('UserKnownHostsFile') === undefined ? {} : { knownHosts: remote.knownHosts };
  return { ...found, remote: { ...found.remote, name, hostKey, replyTimeout, ...ownFiles } };
}
