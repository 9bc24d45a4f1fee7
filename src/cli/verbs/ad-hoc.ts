/** `ferryline push|pull|mirror FROM TO`: runs a job given on the command line. */
import { FerryError } from '../../core/errors.js';
import type { Operation } from '../../core/events.js';
import type { Config, Location } from '../../core/job.js';
import { present } from '../../core/present.js';
import { escapeText } from '../../core/text.js';
import { adHocJob } from '../../jobs/config/ad-hoc-job.js';
import { readConfigNaming } from '../config-file.js';
import type { Context } from '../context.js';
import { type AdHocFlags, deletionsApproved, overridesFrom } from '../flags.js';
import { adHocStateFolder } from '../folders.js';
import { locate, remoteNamed } from '../locate.js';
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
  // Only NAME:path can name a remote; a jobs.yml without that name does no harm, however broken.
  const config = await readConfigNaming([fromText, toText].flatMap(remoteNamed), context);
  const from = locate(fromText, config, flags, context);
  const to = destinationOf(operation, toText, locate(toText, config, flags, context));
  if (from.remote === undefined && to.remote === undefined)
    throw bothLocal(operation, fromText, toText);
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

/** The error for two local paths, of which one may be a server's name without its colon. */
function bothLocal(operation: Operation, from: string, to: string): FerryError {
  const word = operation === 'pull' ? from : to;
  const place = /^[\w.@-]+$/.test(word) ? `${word}:` : 'HOST:path';
  const [first, second] = operation === 'pull' ? [place, to] : [from, place];
  return new FerryError(
    'config',
    `${escapeText(from)} and ${escapeText(to)} are both local paths; one of them must be on a server`,
    {
      hint: `a place on a server has a colon: \`ferryline ${operation} ${escapeText(first)} ${escapeText(second)}\``,
    },
  );
}

/** As with scp, TO is a file's new name if FROM is one file and no folder is there, unless it ends in a slash or a dot. */
function destinationOf(operation: Operation, text: string, to: Location): Location {
  const isFolder = operation === 'mirror' || /(?:^|[/:])\.{0,2}$/.test(text);
  return isFolder ? to : { ...to, mayBeFile: true };
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
