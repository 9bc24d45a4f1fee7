/** `ferryline push|pull|mirror FROM TO`: runs a job given on the command line. */
import { FerryError } from '../../core/errors.js';
import type { Operation } from '../../core/events.js';
import type { Config, Location } from '../../core/job.js';
import { present } from '../../core/present.js';
import { escapeText } from '../../core/text.js';
import { adHocJob } from '../../jobs/config/ad-hoc-job.js';
import { cleanPath, parseLocation } from '../../jobs/config/location.js';
import { remoteFromSsh } from '../../ssh/ssh-config/ssh-host.js';
import { isSshTarget } from '../../ssh/ssh-config/ssh-target.js';
import { readConfigIfAny } from '../config-file.js';
import type { Context } from '../context.js';
import { type AdHocFlags, deletionsApproved, overridesFrom } from '../flags.js';
import { adHocStateFolder } from '../folders.js';
import { type RunChoices, runJobs } from '../run-jobs.js';
import { lookAtState, useAdHocState } from '../state.js';
import { typeAgain } from '../typed-command.js';

export async function adHoc(
  operation: Operation,
  fromText: string,
  toText: string,
  flags: AdHocFlags,
  context: Context,
): Promise<number> {
  const { home, cwd } = context.environment;
  // Only NAME:path can name a remote; without one, a broken jobs.yml does no harm.
  const config = [fromText, toText].some(mayNameRemote)
    ? await readConfigIfAny(context)
    : undefined;
  const from = locate(fromText, config, flags, context);
  const to = locate(toText, config, flags, context);
  const overrides = overridesFrom(flags);
  const job = adHocJob({ operation, ...overrides }, { from, to }, { home, folder: cwd });
  const choices = {
    dryRun: flags.dryRun === true,
    attempts: flags.attempts ?? 1,
    bandwidth: config?.bandwidth,
    label: operation,
    deletionsApproved: deletionsApproved(overrides),
    commandWith: (_job: string, flag: string) =>
      typeAgain([operation, fromText, toText], context, flag),
  };
  const state = choices.dryRun
    ? adHocStateFolder(context.environment)
    : await useAdHocState(context);
  const permits =
    flags.alone === true || choices.dryRun
      ? undefined
      : await permitsFor([from, to], config, context);
  return runJobs([job], state, { ...choices, ...present({ permits }) }, context);
}

/** Logins on a remote of jobs.yml count among those of its jobs; an ssh host that it does not name has no permits. */
async function permitsFor(
  sides: readonly Location[],
  config: Config | undefined,
  context: Context,
): Promise<RunChoices['permits']> {
  const isOfConfig = ({ remote }: Location) =>
    remote !== undefined && config?.remotes.get(remote.name) === remote;
  if (config === undefined || !sides.some(isOfConfig)) return undefined;
  return { config, state: await lookAtState(context, config), ofConfig: false };
}

function mayNameRemote(text: string): boolean {
  return /^[A-Za-z][A-Za-z0-9._-]*:(?!\/\/)/.test(text);
}

/** A remote of jobs.yml takes precedence over an ssh host of that name; anything else is a local path. */
function locate(
  text: string,
  config: Config | undefined,
  flags: AdHocFlags,
  { environment, output }: Context,
): Location {
  const name = text.slice(0, Math.max(0, text.indexOf(':')));
  const members = mayNameRemote(text) ? config?.groups.get(name) : undefined;
  if (members !== undefined) throw isGroup(text, name, members);
  const ofConfig = mayNameRemote(text) && config?.remotes.has(name) === true;
  if (ofConfig || !isSshTarget(text)) {
    if (ofConfig && (flags.identity !== undefined || flags.port !== undefined)) {
      throw new FerryError(
        'config',
        `-i and -P work with ssh hosts, but ${name} is a remote of ${escapeText(config?.file ?? '')}`,
        { hint: `set key or port there, or write user@${name}:path to mean the ssh host` },
      );
    }
    const found = parseLocation(text, {
      folder: environment.cwd,
      home: environment.home,
      remotes: config?.remotes ?? new Map(),
    });
    if (typeof found === 'object') return found;
    throw new FerryError(
      'config',
      `${escapeText(text)} ${found ?? 'names a remote that has errors'}`,
    );
  }
  const { remote, path, notes } = remoteFromSsh(text, { key: flags.identity, port: flags.port });
  for (const note of notes) output.note(`${output.style.yellow('warning:')} ${note}`);
  return { remote, path: cleanPath(path), label: text };
}

function isGroup(text: string, name: string, members: readonly string[]): FerryError {
  const path = text.slice(name.length + 1);
  const one = members.map((member) => escapeText(`${member}:${path}`)).join(' or ');
  return new FerryError(
    'config',
    `${escapeText(text)}: ${name} is a group of remotes; this command takes one remote`,
    { hint: `name ${one}, or write a job for all of them` },
  );
}
