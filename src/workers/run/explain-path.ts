/** Explains why one path is or is not transferred: the rule that puts it out of scope, or the entries on both sides and how they compare. */
import { join, nameOf, parentOf, type Stat } from '../../core/entry.js';
import type { Job } from '../../core/job.js';
import { present } from '../../core/present.js';
import { openSide } from '../../endpoints/open.js';
import type { SessionPool } from '../../endpoints/sftp/pool.js';
import type { StoredTime } from '../../jobs/plan/compare.js';
import { Scope } from '../../jobs/plan/filter.js';
import { fileMatcher } from '../../jobs/plan/patterns.js';
import { planFolder } from '../../jobs/plan/plan-folder.js';
import { planRules, reservedFolders } from './plan-rules.js';
import { openDoubts } from './remembered/doubts.js';
import { recallSides } from './remembered/server-facts.js';
import { openStoredTimes } from './remembered/stored-times.js';
import { resolveLink } from './scan/links.js';
import { readIgnoreFile } from './scan/read-ignore-file.js';

export interface Explanation {
  readonly path: string;
  readonly verdict:
    | 'copied'
    | 'made'
    | 'attrs'
    | 'unchanged'
    | 'deleted'
    | 'out of scope'
    | 'passed over'
    | 'conflict'
    | 'compared by content'
    | 'absent';
  /** The rule that decided, if one did. */
  readonly rule?: { readonly pattern: string; readonly where: string };
  readonly source?: Stat;
  readonly destination?: Stat;
  /** One sentence. */
  readonly reason: string;
  /** What runs have learnt of the two sides, a sentence each; absent: nothing that matters here. */
  readonly learnt?: readonly string[];
}

/** Compares one path on both sides as a run would; rejects with the same errors. */
export async function explainPath(
  job: Job,
  path: string,
  context: { readonly pool: SessionPool; readonly signal: AbortSignal; readonly state: string },
): Promise<Explanation> {
  const { pool, signal, state } = context;
  const to = await openSide(job.to, 'to', pool, signal);
  const from = await openSide(job.from, 'from', pool, signal);
  try {
    const [source, destination] = await Promise.all([
      from.endpoint.stat(path, signal),
      to.endpoint.stat(path, signal),
    ]);
    const facts = recallSides(job, from, to, state);
    const learnt = facts.flatMap(({ sentences }) => sentences);
    const stats = {
      ...present({ source, destination }),
      ...(learnt.length === 0 ? {} : { learnt }),
    };
    if (source === undefined && destination === undefined)
      return { path, verdict: 'absent', reason: 'neither side has it' };
    // each folder above it may put it out of scope
    let scope = Scope.of(job.scope, Date.now(), reservedFolders(job));
    const segments = path.split('/');
    for (let i = 0; i < segments.length; i++) {
      const folder = segments.slice(0, i).join('/');
      if (scope.ignoreFile !== undefined) {
        const file = join(folder, scope.ignoreFile);
        const ignore = await from.endpoint.stat(file, signal);
        if (ignore !== undefined && ignore.kind !== 'folder') {
          const entry = { ...ignore, name: scope.ignoreFile };
          const text = await readIgnoreFile(from.endpoint, folder, entry, signal);
          scope = scope.withIgnoreFile(folder, text);
        }
      }
      const at = segments.slice(0, i + 1).join('/');
      const last = i === segments.length - 1;
      const isFolder = !last || (source ?? destination)?.kind === 'folder';
      const out = scope.excludes(at, isFolder);
      if (out !== undefined)
        return {
          path,
          verdict: 'out of scope',
          ...stats,
          rule: { pattern: out.rule, where: out.where },
          reason: last
            ? `${out.where} has "${out.rule}"`
            : `the folder ${at} is out of scope: ${out.where} has "${out.rule}"`,
        };
    }
    const kind = (source ?? destination)?.kind;
    if (!scope.includes(path, kind === 'folder') && kind !== 'folder')
      return {
        path,
        verdict: 'out of scope',
        ...stats,
        reason: 'no pattern of `include` matches it',
      };
    const limit = kind === 'file' ? scope.limits((source ?? destination) as Stat) : undefined;
    if (limit !== undefined)
      return {
        path,
        verdict: 'out of scope',
        ...stats,
        rule: { pattern: limit.rule, where: limit.where },
        reason: `it is ${limit.rule}`,
      };
    const doubts = openDoubts(job, state);
    const times = openStoredTimes(job, state);
    const rules = {
      ...planRules(job, from.endpoint.can, to.endpoint.can),
      ...present({ doubts: doubts?.byPath, storedTimes: times.known }),
    };
    const name = nameOf(path);
    const entry = source && { ...source, name };
    const ours =
      entry?.kind === 'link' && job.symlinks !== 'skip'
        ? await resolveLink(from.endpoint, parentOf(path), entry, job.symlinks, [], signal)
        : entry;
    const theirs =
      destination?.kind === 'link' && job.symlinks === 'preserve'
        ? { ...destination, name, target: await to.endpoint.readlink(path, signal) }
        : destination && { ...destination, name };
    const folder = parentOf(path);
    const plan = planFolder(
      {
        path: folder,
        from: folder,
        source: ours === undefined ? [] : [ours],
        destination: theirs === undefined ? [] : [theirs],
      },
      scope,
      rules,
    );
    const verdict = verdictOf(plan, job);
    const grows = verdict.verdict === 'copied' && fileMatcher(job.live)?.(path) === true;
    const notes = [grows ? asOfOpening : undefined, storedText(times.get(path), destination)];
    const reason = [verdict.reason, ...notes].filter((note) => note !== undefined).join('; ');
    return { path, ...stats, ...verdict, reason };
  } finally {
    await Promise.all([from.endpoint.close(), to.endpoint.close()]);
  }
}

/** Says so if the destination's file has the mtime that was stored instead of the one that was sent. */
function storedText(time: StoredTime | undefined, there: Stat | undefined): string | undefined {
  if (time === undefined || Math.floor(there?.mtime ?? Number.NaN) !== time.stored)
    return undefined;
  const text = (seconds: number) =>
    Math.abs(seconds) < 8.64e12
      ? new Date(seconds * 1000).toISOString().slice(0, 19)
      : `${seconds}`;
  return `its copy was sent with the mtime ${text(time.sent)}Z, of which the destination made ${text(time.stored)}Z`;
}

const asOfOpening = 'it matches `live`, so a run copies it as of its size when it is opened';

function verdictOf(
  plan: ReturnType<typeof planFolder>,
  { compare }: Job,
): Pick<Explanation, 'verdict' | 'reason'> {
  const [problem] = [...plan.conflicts, ...plan.failures];
  if (problem !== undefined) return { verdict: 'conflict', reason: problem.message };
  const [skip] = plan.skips;
  if (skip !== undefined)
    return { verdict: 'passed over', reason: `${skip.kind}: ${skip.message}` };
  if (plan.undecided.length > 0)
    return {
      verdict: 'compared by content',
      reason:
        compare === 'checksum'
          ? 'the sizes are equal; with `compare: checksum` the next run reads both files'
          : 'size and mtime are equal, but it was copied so soon after a change that a later one might not show; the next run reads both files',
    };
  const action = plan.actions.find((a) => a.action !== 'delete') ?? plan.actions[0];
  switch (action?.action) {
    case 'copy':
      return {
        verdict: 'copied',
        reason:
          action.reason === 'new' ? 'the destination lacks it' : `the two differ: ${action.reason}`,
      };
    case 'link':
      return { verdict: 'copied', reason: 'a link, copied as a link' };
    case 'mkdir':
      return { verdict: 'made', reason: 'a folder that the destination lacks' };
    case 'attrs':
      return {
        verdict: 'attrs',
        reason: 'the bytes are equal; the mtime or the case of the name differs',
      };
    case 'delete':
      return { verdict: 'deleted', reason: 'the source lacks it, and the job is a mirror' };
    default:
      return plan.unchanged > 0 || plan.descend.length > 0
        ? { verdict: 'unchanged', reason: 'both sides are equal' }
        : { verdict: 'unchanged', reason: 'only the destination has it, and this job keeps it' };
  }
}
