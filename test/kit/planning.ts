/**
 * Small trees as text, and the plan of two of them, for the tests of jobs/plan: what the scan does with
 * endpoints is done here with maps. `apply` carries a plan out on such a tree.
 */
import { type Entry, type Kind, nameOf, parentOf, type Stat } from '../../src/core/entry.js';
import type { ScopeRules } from '../../src/core/job.js';
import { Scope } from '../../src/jobs/plan/filter.js';
import type { DestinationEntry, PlanRules, SourceEntry } from '../../src/jobs/plan/folder-types.js';
import type { Action, Mkdir, Plan } from '../../src/jobs/plan/plan.js';
import { planFolder } from '../../src/jobs/plan/plan-folder.js';
import { sealPlan } from '../../src/jobs/plan/seal-plan.js';

export interface Node {
  readonly kind: Kind;
  readonly size: number;
  readonly mtime: number;
  readonly mode: number;
  readonly target?: string;
  readonly problem?: string;
  /** The lines of an ignore file. */
  readonly text?: string;
  readonly unreadable?: boolean;
}

/**
 * `5 @20`: a file of 5 bytes, changed at second 20 (mode after a further space, octal). `folder`,
 * `unreadable`, `-> target`, `-> ! why it is passed over`, `fifo`, `badly named`, `ignore: lines`.
 */
export type Sketch = Readonly<Record<string, string>>;
export type Tree = Map<string, Node>;

function nodeOf(text: string): Node {
  const plain = { size: 0, mtime: 0, mode: 0o755 };
  if (text === 'folder') return { kind: 'folder', ...plain };
  if (text === 'unreadable') return { kind: 'folder', ...plain, unreadable: true };
  if (text === 'fifo') return { kind: 'special', ...plain };
  if (text === 'badly named')
    return { kind: 'file', ...plain, problem: 'its name is not valid UTF-8' };
  if (text.startsWith('-> ')) return { kind: 'link', ...plain, target: text.slice(3) };
  if (text.startsWith('ignore: '))
    return { kind: 'file', ...plain, text: text.slice(8).replaceAll(' ', '\n') };
  const [, size, mtime, mode] = /^(\d+) @(\d+(?:\.\d+)?)(?: (\d+))?$/.exec(text) ?? [];
  if (size === undefined) throw new Error(`no sketch of an entry: ${text}`);
  return {
    kind: 'file',
    size: Number(size),
    mtime: Number(mtime),
    mode: Number.parseInt(mode ?? '644', 8),
  };
}

/** Folders above a path need no entry of their own. */
export function treeOf(sketch: Sketch): Tree {
  const tree: Tree = new Map();
  for (const [path, text] of Object.entries(sketch)) {
    for (let at = parentOf(path); at !== ''; at = parentOf(at))
      if (!tree.has(at)) tree.set(at, nodeOf('folder'));
    tree.set(path, nodeOf(text));
  }
  return tree;
}

export const everything: ScopeRules = {
  include: [],
  exclude: [],
  ignoreFile: undefined,
  minSize: undefined,
  maxSize: undefined,
  minAge: undefined,
  maxAge: undefined,
};

const plainRules: PlanRules = {
  operation: 'push',
  deletes: false,
  compare: 'auto',
  existing: 'overwrite',
  symlinks: 'skip',
  mtimePrecision: 1,
  keepsMtime: true,
  clockOffset: 0,
  listEqual: false,
};

/** The tests' present, in seconds since the epoch. */
export const now = 1000;

export interface Setting {
  readonly rules: PlanRules;
  readonly scope: Scope;
  /** Whether the destination tells apart names that are equal but for case and Unicode form; default: it does. */
  readonly caseSensitive?: boolean;
  /** Entries that a listing has twice. */
  readonly again?: {
    readonly source?: readonly string[];
    readonly destination?: readonly string[];
  };
}

export function setting(
  options: Partial<PlanRules & ScopeRules> & {
    readonly trash?: string;
    readonly caseSensitive?: boolean;
  } = {},
  again?: Setting['again'],
): Setting {
  const scope = Scope.of(
    { ...everything, ...options },
    now * 1000,
    options.trash === undefined ? [] : [options.trash],
  );
  const deletes = options.operation === 'mirror';
  const { caseSensitive = true, ...rest } = options;
  const rules = { ...plainRules, deletes, ...rest };
  return { rules, scope, caseSensitive, ...(again ? { again } : {}) };
}

/** What a path is to a destination that ignores case and Unicode form. */
export const foldedPath = (path: string) => path.normalize('NFC').toLowerCase();

/** Plans two trees folder by folder, as the scan does. */
export function planTrees(
  source: Tree,
  destination: Tree,
  { rules, scope, caseSensitive = true, again = {} }: Setting,
): Plan {
  const lists = (tree: Tree, folder: string, twice: readonly string[] = []) => {
    const found: (Entry & Node)[] = [];
    const key = tree === source || caseSensitive ? (path: string) => path : foldedPath;
    for (const [path, node] of tree)
      if (key(parentOf(path)) === key(folder)) {
        found.push({ name: nameOf(path), ...node });
        if (twice.includes(path)) found.push({ name: nameOf(path), ...node });
      }
    return found;
  };
  const resolved = (entry: Entry & Node): SourceEntry => {
    const { target, ...rest } = entry;
    if (target === undefined) return entry;
    if (rules.symlinks === 'skip') return rest;
    if (target.startsWith('! ')) return { ...rest, skipReason: target.slice(2) };
    const end = source.get(target);
    if (rules.symlinks === 'preserve') return entry;
    return end === undefined
      ? { ...rest, skipReason: 'it leads nowhere' }
      : { ...end, name: entry.name, from: target };
  };
  const kept = ({ target, ...rest }: Entry & Node): DestinationEntry =>
    target === undefined || rules.symlinks !== 'preserve' ? rest : { ...rest, target };

  const gathered = {
    actions: [] as Action[],
    missing: new Map<string, Mkdir>(),
    keepers: new Set<string>(),
    conflicts: [] as Plan['conflicts'][number][],
    failures: [] as Plan['failures'][number][],
    skips: [] as Plan['skips'][number][],
    equal: [] as Plan['equal'][number][],
    unchanged: 0,
    sourceFiles: 0,
    destinationFiles: 0,
  };
  const keep = (path: string) => {
    for (let at = path; at !== ''; at = parentOf(at)) gathered.keepers.add(at);
  };
  const visit = (path: string, from: string, sides: [boolean, boolean], scope: Scope): void => {
    if ([sides[0] && source.get(from), sides[1] && destination.get(path)].some(isUnreadable)) {
      gathered.failures.push({ path, kind: 'io', message: 'unreadable' });
      keep(path);
      return;
    }
    const ours = sides[0] ? lists(source, from, again.source) : undefined;
    const theirs = sides[1] ? lists(destination, path, again.destination) : undefined;
    const ignore = ours?.find(({ name }) => name === scope.ignoreFile)?.text;
    const inside = ignore === undefined ? scope : scope.withIgnoreFile(path, ignore);
    const folder = planFolder(
      {
        ...{ path, from, source: ours?.map(resolved), destination: theirs?.map(kept) },
        sameNames: () => (caseSensitive ? 'apart' : 'one'),
      },
      inside,
      rules,
    );
    for (const name of ['actions', 'conflicts', 'failures', 'skips', 'equal'] as const)
      (gathered[name] as unknown[]).push(...folder[name]);
    for (const make of folder.missing) gathered.missing.set(make.path, make);
    for (const name of ['unchanged', 'sourceFiles', 'destinationFiles'] as const)
      gathered[name] += folder[name];
    if (folder.keeps && !sides[0]) keep(path);
    for (const next of folder.descend)
      visit(next.path, next.from, [next.source, next.destination], inside);
  };
  visit('', '', [true, true], scope);
  return sealPlan({ job: 'x', operation: rules.operation, from: './a', to: 'd:b', ...gathered });
}

function isUnreadable(node: Node | false | undefined): boolean {
  return node !== false && node?.unreadable === true;
}

/** A plan as lines, in the order of its lists. */
export function linesOf(plan: Plan): string[] {
  return [
    ...plan.mkdirs.map(({ path }) => `mkdir ${path}`),
    ...plan.copies.map((copy) =>
      copy.action === 'link'
        ? `link ${copy.path} -> ${copy.target}`
        : `copy ${copy.path} (${copy.reason})${copy.from === copy.path ? '' : ` from ${copy.from}`}${renamed(copy)}`,
    ),
    ...plan.attrs.map((change) => `attrs ${change.path}${renamed(change)}`),
    ...plan.deletes.map(({ path, seen }) => `delete ${path}${seen.kind === 'folder' ? '/' : ''}`),
    ...plan.conflicts.map(({ path, message }) => `conflict ${path}: ${message}`),
    ...plan.failures.map(({ path, message }) => `fail ${path}: ${message}`),
    ...plan.skips.map(({ path, kind, message }) => `skip ${kind} ${path}: ${message}`),
  ];
}

const renamed = ({ rename }: { readonly rename?: string }) =>
  rename === undefined ? '' : `, was ${rename}`;

/** Carries a plan out on a tree; throws where a real side would refuse. */
export function apply(plan: Plan, source: Tree, destination: Tree, caseSensitive = true): Tree {
  const key = (path: string) => (caseSensitive ? path : foldedPath(path));
  const nodes = new Map(
    [...destination].map(([path, node]) => [key(path), { path, node }] as const),
  );
  const need = (path: string) => {
    const found = nodes.get(key(path));
    if (found === undefined) throw new Error(`nothing at ${path}`);
    return found;
  };
  const put = (path: string, node: Node) => {
    const parent = parentOf(path);
    if (parent !== '' && need(parent).node.kind !== 'folder')
      throw new Error(`no folder ${parent}`);
    nodes.set(key(path), { path: nodes.get(key(path))?.path ?? path, node });
  };
  for (const { path, seen } of plan.deletes) {
    if (need(path).node.kind !== seen.kind) throw new Error(`${path} is no ${seen.kind}`);
    if (seen.kind === 'folder')
      for (const other of nodes.keys())
        if (parentOf(other) === key(path)) throw new Error(`${path} still holds ${other}`);
    nodes.delete(key(path));
  }
  for (const { path, mode } of plan.mkdirs) {
    if (nodes.has(key(path))) throw new Error(`${path} exists already`);
    put(path, { kind: 'folder', size: 0, mtime: 0, mode: mode ?? 0o755 });
  }
  const rename = (path: string, from: string | undefined) => {
    if (from === undefined) return;
    const { node } = need(from);
    nodes.delete(key(from));
    put(path, node);
  };
  for (const copy of plan.copies) {
    const there = nodes.get(key(copy.path))?.node;
    if (there?.kind !== copy.destination?.kind)
      throw new Error(`at ${copy.path} is ${there?.kind}, not ${copy.destination?.kind}`);
    if (copy.action === 'link')
      put(copy.path, { kind: 'link', size: 0, mtime: 0, mode: 0o777, target: copy.target });
    else {
      rename(copy.path, copy.rename);
      const read = source.get(copy.from);
      if (read === undefined) throw new Error(`the source has no ${copy.from}`);
      put(copy.path, read);
    }
  }
  for (const change of plan.attrs) {
    rename(change.path, change.rename);
    const { node } = need(change.path);
    if (change.source.mtime !== undefined)
      put(change.path, { ...node, mtime: change.source.mtime });
  }
  return new Map([...nodes.values()].map(({ path, node }) => [path, node]));
}

/** Whether a run is about an entry: by its name, by each folder above it, and by `measured`'s size and age. */
export function inScope(path: string, node: Node, scope: Scope, measured?: Stat): boolean {
  for (let at = parentOf(path); at !== ''; at = parentOf(at))
    if (scope.excludes(at, true)) return false;
  const isFolder = node.kind === 'folder';
  if (scope.excludes(path, isFolder) || !scope.includes(path, isFolder)) return false;
  return measured?.kind !== 'file' || scope.limits(measured) === undefined;
}
