/** Finds the servers that `ferryline trust REMOTE|GROUP|HOST` means; trust.ts does the rest. */
import { asFerryError, exitCodes, FerryError, worstExitCode } from '../../core/errors.js';
import type { Config } from '../../core/job.js';
import { present } from '../../core/present.js';
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

/** Resolves to the exit code; of a group, the worst of its members. */
export async function trustCommand(
  target: string,
  flags: TrustFlags,
  context: Context,
): Promise<number> {
  const config = /[@:/]/.test(target) ? undefined : await readConfigNaming([target], context);
  const members = config?.groups.get(target);
  if (members === undefined) return trustFound(find(target, config, flags), flags, context);
  if (flags.fingerprint !== undefined || flags.port !== undefined)
    throw new FerryError(
      'config',
      `--fingerprint and -P are of one server, and ${target} is a group of ${members.length}`,
      { hint: `name one of them: ${members.join(', ')}` },
    );
  const codes: number[] = [];
  for (const member of members)
    codes.push(await trustMember(find(member, config, flags), flags, context));
  return worstExitCode(codes);
}

/** One of a group: what keeps it from being trusted is printed, and the others follow. */
async function trustMember(found: Found, flags: TrustFlags, context: Context): Promise<number> {
  const { output } = context;
  try {
    return await trustFound({ ...found, isMember: true }, flags, context);
  } catch (thrown) {
    context.stopSignal().throwIfAborted();
    const error = asFerryError(thrown);
    output.error(error);
    const { kind, message, hint } = error;
    const time = new Date().toISOString();
    if (output.json) output.record({ event: 'error', time, kind, message, ...present({ hint }) });
    return exitCodes[kind];
  }
}

function trustFound(
  { remote, machineKnownHosts, isMember = false }: Found,
  flags: TrustFlags,
  context: Context,
): Promise<number> {
  const { jump } = remote;
  const options = {
    machineKnownHosts,
    isMember,
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
  /** Whether a group was named. */
  readonly isMember?: boolean;
}

function find(target: string, config: Config | undefined, { port }: TrustFlags): Found {
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
