/** Finds the server that `ferryline trust REMOTE|HOST` means; trust.ts does the rest. */
import type { Remote } from '../../core/remote.js';
import { remoteFromHost } from '../../ssh/ssh-config/ssh-host.js';
import { openThroughJump } from '../../ssh/ssh2/connect-ssh2.js';
import { readConfigIfAny } from '../config-file.js';
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
  const remote = await find(target, flags, context);
  const { jump } = remote;
  const options = {
    yes: flags.yes,
    fingerprint: flags.fingerprint,
    json: context.output.json,
    signal: context.stopSignal(),
    ...(jump && { open: (signal: AbortSignal) => openThroughJump(remote, jump, signal) }),
  };
  const { stdin, stdout, stderr } = process;
  return trust(remote, options, { stdin, stdout, stderr });
}

async function find(target: string, { port }: TrustFlags, context: Context): Promise<Remote> {
  const config = /[@:/]/.test(target) ? undefined : await readConfigIfAny(context);
  const remote = config?.remotes.get(target);
  if (remote !== undefined) return port === undefined ? remote : { ...remote, port };
  return remoteFromHost(target, { port }).remote;
}
