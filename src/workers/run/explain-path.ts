/** Explains why one path is or is not transferred: the rule that puts it out of scope, or the entries on both sides and how they compare. */
import { join, nameOf, parentOf, type Stat } from '../../core/entry.js';
import type { Job } from '../../core/job.js';
import { present } from '../../core/present.js';
import { openSide } from '../../endpoints/open.js';
import type { SessionPool } from '../../endpoints/sftp/pool.js';
import type { Side } from '../../endpoints/side.js';
import type { StoredTime } from '../../jobs/plan/compare.js';
import { Scope } from '../../jobs/plan/filter.js';
import { fileMatcher } from '../../jobs/plan/patterns.js';
import type { Action } from '../../jobs/plan/plan.js';
import { planFolder } from '../../jobs/plan/plan-folder.js';
import { explainRename } from './explain-rename.js';
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
    | 'renamed'
    | 'made'
    | 'attrs'
    | 'unchanged'
    | 'deleted'
    | 'out of scope'
    | 'passed over'
    | 'conflict'
    | 'compared by content'
    | 'absent';
  /** Of `renamed`: the path where the destination has the file now. */
  readonly at?: string;
  /** The rule that decided, if one did. */
  readonly rule?: { readonly pattern: string; readonly where: string };
  readonly source?: Stat;
  readonly destination?: Stat;
  /** One sentence. */
  readonly reason: string;
  /** What runs have learnt of the two sides, a sentence each; absent: nothing that matters here. */
  readonly learnt?: readonly string[];
}

interface Context {
  readonly pool: SessionPool;
  readonly signal: AbortSignal;
  readonly state: string;
}

/** Compares one path on both sides as a run would; rejects with the same errors. */
export async function explainPath(job: Job, path: string, context: Context): Promise<Explanation> {
  const { pool, signal, state } = context;
  const to = await openSide(job.to, 'to', pool, signal);
  const from = await openSide(job.from, 'from', pool, signal);
  try {
    const inspector = { job, from, to, ...context };
    const { explanation, actions } = await inspect(inspector, path);
    if (explanation.verdict !== 'copied') return explanation;
    const actionsAt = async (at: string) => (await inspect(inspector, at)).actions;
    const renamed = await explainRename({ job, state, from, to, actions, actionsAt, signal });
    return renamed === undefined ? explanation : { ...explanation, ...renamed, verdict: 'renamed' };
  } finally {
    await Promise.all([from.endpoint.close(), to.endpoint.close()]);
  }
}

interface Inspector extends Context {
  readonly job: Job;
  readonly from: Side;
  readonly to: Side;
}

interface Inspected {
  readonly explanation: Explanation;
  /** What a run would do at the path. */
  readonly actions: readonly Action[];
}

/** What holds for one path. */
async function inspect(inspector: Inspector, path: string): Promise<Inspected> {
  const { job, from, to, signal, state } = inspector;
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
    return {
      explanation: { path, verdict: 'absent', reason: 'neither side has it' },
      actions: [],
    };
  const found = await scopeOf(inspector, path, (source ?? destination) as Stat);
  if (!(found instanceof Scope)) return { explanation: { path, ...stats, ...found }, actions: [] };
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
    found,
    rules,
  );
  const verdict = verdictOf(plan, job);
  const grows = verdict.verdict === 'copied' && fileMatcher(job.live)?.(path) === true;
  const notes = [grows ? asOfOpening : undefined, storedText(times.get(path), destination)];
  const reason = [verdict.reason, ...notes].filter((note) => note !== undefined).join('; ');
  return { explanation: { path, ...stats, ...verdict, reason }, actions: plan.actions };
}

/** The scope that holds where the entry is, or why it is out of scope. */
async function scopeOf(
  { job, from, signal }: Inspector,
  path: string,
  entry: Stat,
): Promise<Scope | Pick<Explanation, 'verdict' | 'rule' | 'reason'>> {
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
    const isFolder = !last || entry.kind === 'folder';
    const out = scope.excludes(at, isFolder);
    if (out !== undefined)
      return {
        verdict: 'out of scope',
        rule: { pattern: out.rule, where: out.where },
        reason: last
          ? `${out.where} has "${out.rule}"`
          : `the folder ${at} is out of scope: ${out.where} has "${out.rule}"`,
      };
  }
  const kind = entry.kind;
  if (!scope.includes(path, kind === 'folder') && kind !== 'folder')
    return {
      verdict: 'out of scope',
      reason: 'no pattern of `include` matches it',
    };
  const limit = kind === 'file' ? scope.limits(entry) : undefined;
  if (limit !== undefined)
    return {
      verdict: 'out of scope',
      rule: { pattern: limit.rule, where: limit.where },
      reason: `it is ${limit.rule}`,
    };
  return scope;
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
  { compare, renames }: Job,
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
      return {
        verdict: 'deleted',
        reason: `the source lacks it, and the job is a mirror${renames ? '; it is renamed instead if the source has it under a new name: `ferryline plan` says so' : ''}`,
      };
    default:
      return plan.unchanged > 0 || plan.descend.length > 0
        ? { verdict: 'unchanged', reason: 'both sides are equal' }
        : { verdict: 'unchanged', reason: 'only the destination has it, and this job keeps it' };
  }
}
