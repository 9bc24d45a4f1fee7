/** Whether a run would rename a file of the destination to a path, instead of copying to it (`renames: follow`). */
import type { Job } from '../../core/job.js';
import { escapeText } from '../../core/text.js';
import type { Side } from '../../endpoints/side.js';
import type { Action, Copy, Delete } from '../../jobs/plan/plan.js';
import { followRenames } from '../../jobs/plan/renames.js';
import { openDoubts } from './remembered/doubts.js';
import { openOrigins } from './remembered/origins.js';
import { findTwins } from './scan/find-twins.js';

/** Files copied from the same one that are looked at; a run looks at all of them. */
const mostPlaces = 20;

interface RenameQuestion {
  readonly job: Job;
  readonly state: string;
  readonly from: Side;
  readonly to: Side;
  /** What a run would do at the path. */
  readonly actions: readonly Action[];
  /** What it would do at another one. */
  readonly actionsAt: (path: string) => Promise<readonly Action[]>;
  readonly signal: AbortSignal;
}

/** Where the destination has the file that a run would rename, and by what it is known; undefined if it copies. */
export async function explainRename({
  job,
  state,
  from,
  to,
  actions,
  actionsAt,
  signal,
}: RenameQuestion): Promise<{ readonly at: string; readonly reason: string } | undefined> {
  const copy = actions.find((action): action is Copy => action.action === 'copy');
  const origins = openOrigins(job, state, false);
  if (copy === undefined || origins === undefined) return undefined;
  const now = await from.endpoint.stat(copy.from, signal);
  const origin = now && origins.originOf(now, copy.from);
  if (origin === undefined) return undefined;
  const places = [...origins.open()]
    .filter(([path, { of }]) => of === origin && path !== copy.path)
    .slice(0, mostPlaces);
  const all = [copy, ...(await Promise.all(places.map(([path]) => actionsAt(path)))).flat()];
  const { hardLinks, atomicReplace } = to.endpoint.can;
  const twins = await findTwins({
    actions: all,
    origins,
    source: from.endpoint,
    links: hardLinks && atomicReplace,
    signal,
    doubts: openDoubts(job, state)?.byPath,
  });
  const { renames } = followRenames(
    {
      copies: all.filter((action): action is Copy => action.action === 'copy'),
      deletes: all.filter((action): action is Delete => action.action === 'delete'),
    },
    { twins, actions: all, mayDelete: true },
  );
  const at = renames.find(({ path }) => path === copy.path)?.at;
  if (at === undefined) return undefined;
  const bytes = job.compare === 'checksum' ? '; the next run compares their bytes first' : '';
  return {
    at,
    reason: `the destination has it as ${escapeText(at)}, which a run copied from this very file (device, inode, birth time, size and mtime)${bytes}`,
  };
}
