/** What comes between the plan and the transfer: the facts that the guard asks for, and what people should know. */
import type { FerryError } from '../../core/errors.js';
import type { Emit } from '../../core/events.js';
import type { Job } from '../../core/job.js';
import { escapeText, grouped } from '../../core/text.js';
import type { Capabilities } from '../../endpoints/endpoint.js';
import type { Side } from '../../endpoints/side.js';
import { guard, guardFolders } from '../../jobs/plan/guard.js';
import { differingFiles, type Plan } from '../../jobs/plan/plan.js';
import { FirstContact } from './remembered/first-contact.js';
import type { Scan } from './scan/scan.js';

/** What a run's context (run-job.ts) says about its plan. */
interface Context {
  /** The state folder. */
  readonly state: string;
  readonly folders?: readonly string[];
  readonly deletionsApproved?: boolean;
  readonly commandWith?: (flag: string) => string;
}

/** What is known of a mirror's contact with its destination; undefined if this run neither needs nor proves it. */
export function contactOf(
  job: Job,
  { folders, state }: Context,
  destination: Side,
  { hasReserved }: Scan,
): FirstContact | undefined {
  // a mirror that leaves what the source lacks has not made its destination equal
  const isWhole = job.operation === 'mirror' && job.delete.enabled && folders === undefined;
  return isWhole
    ? new FirstContact({ job, destination: destination.endpoint, hasReserved, state })
    : undefined;
}

/** Why the plan must not be carried out; undefined if it may. */
export async function refusalOf(
  given: {
    readonly job: Job;
    readonly context: Context;
    readonly source: Side;
    readonly scanned: Scan;
    readonly contact: FirstContact | undefined;
  },
  signal: AbortSignal,
): Promise<FerryError | undefined> {
  const { job, context, source, scanned, contact } = given;
  const { plan, sourceExists } = scanned;
  const commandWith = commandFor(job, context);
  if (context.folders !== undefined) return guardFolders(plan, job, { commandWith });
  const { require } = job.delete;
  const requirePresent =
    require === undefined ||
    !sourceExists ||
    (await source.endpoint.stat(require, signal)) !== undefined;
  // looked for even where somebody said yes, so that a mark that is gone is written again
  const doubt =
    plan.deletes.length + plan.renames.length > 0 ? await contact?.doubt(signal) : undefined;
  const firstContact = context.deletionsApproved === true ? undefined : doubt;
  const host = job.from.remote?.host;
  const machine = host === undefined ? 'on this machine' : `on ${host}`;
  return guard(plan, job, {
    sourceExists,
    sourceIs: escapeText(`${source.endpoint.root} ${machine}`),
    requirePresent,
    commandWith,
    ...(firstContact === undefined ? {} : { firstContact }),
  });
}

function commandFor(job: Job, { commandWith }: Context): (flag: string) => string {
  return commandWith ?? ((flag) => `ferryline run ${job.name} ${flag}`);
}

/** Differing files from which on it is worth saying that most differ in mtime alone: in a plan, and in a run that copies them. */
const manyPlanned = 3;
const manyCopied = 100;

/** Says so if most existing files that would be overwritten have the same size and another mtime. */
export function noteTimesAlone(
  job: Job,
  context: Context & { readonly dryRun: boolean; readonly emit: Emit },
  plan: Plan,
  { setStat }: Capabilities,
): void {
  const { all, inTimeAlone } = differingFiles(plan);
  const many = context.dryRun ? manyPlanned : manyCopied;
  // on a side that keeps no mtimes, comparing contents would set none
  if (all < many || inTimeAlone * 2 <= all || setStat === 'none') return;
  context.emit({
    event: 'notice',
    level: 'warning',
    message: `${grouped(inTimeAlone)} of ${grouped(all)} differing files differ in mtime alone; \`${commandFor(job, context)('--compare checksum')}\` sends nothing for those that are equal and sets their mtimes`,
  });
}
