/**
 * Whose a temporary file is: a writer is an installation's job with its two roots, and its hash is the
 * first half of the fingerprint in the names (copy/temporary-names.ts). At most one run at a time writes
 * under it, the one that holds the job's permit and its lock in the state folder.
 */
import type { Job } from '../../core/job.js';
import { stateInstallation } from '../../state/installation.js';
import { halfOf } from './copy/temporary-names.js';

export interface Writers {
  /** The one of new names. */
  readonly own: string;
  /** All that no other run can have at the same time: with the queue's permit, that of the state folder too. */
  readonly ours: ReadonlySet<string>;
}

export interface WriterOptions {
  /** The state folder. */
  readonly state: string;
  /** The id of the queue's installation, if the queue's permit is held for the job; absent: the state folder's counts. */
  readonly installation?: string | undefined;
  readonly dryRun: boolean;
}

export async function writersOf(
  job: Job,
  { state, installation, dryRun }: WriterOptions,
): Promise<Writers> {
  const { name, target, from, to } = job;
  const here = await stateInstallation(state, !dryRun);
  const [own = '', ...more] = [...(installation === undefined ? [] : [installation]), here].map(
    (id) => halfOf([id, name, target, from.label, from.path, to.label, to.path]),
  );
  return { own, ours: new Set([own, ...more]) };
}
