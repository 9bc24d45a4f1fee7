/** Properties of every plan, for any two trees and any rules: carrying it out makes the destination right. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parentOf } from '../../../src/core/entry.js';
import { withheld } from '../../../src/jobs/plan/guard.js';
import type { Plan } from '../../../src/jobs/plan/plan.js';
import {
  apply,
  foldedPath,
  inScope,
  linesOf,
  type Node,
  planTrees,
  setting,
  type Tree,
} from '../../kit/planning.js';

const names = ['a', 'b', 'A', 'é', 'e\u0301', 'É', 'x.t', 'c.t', '.no', '.ferryline'];
const file = fc.record({
  kind: fc.constant('file' as const),
  size: fc.nat(3),
  mtime: fc.nat(3),
  mode: fc.constantFrom(0o644, 0o600),
  text: fc.constantFrom('', '*.t', 'a/', '!x.t'),
});
const other = (kind: 'folder' | 'special'): Node => ({ kind, size: 0, mtime: 0, mode: 0o755 });
const link = fc
  .constantFrom('a', 'b/x.t', '! outside')
  .map((target): Node => ({ kind: 'link', size: 0, mtime: 0, mode: 0o777, target }));
const node: fc.Arbitrary<Node> = fc.oneof(
  { weight: 8, arbitrary: file },
  { weight: 3, arbitrary: fc.constant(other('folder')) },
  { weight: 1, arbitrary: link },
  { weight: 1, arbitrary: fc.constant(other('special')) },
);
const path = fc
  .array(fc.constantFrom(...names), { minLength: 1, maxLength: 3 })
  .map((segments) => segments.join('/'));

/** A tree as a list, without entries below a file and without names that collide. */
const entries = fc.uniqueArray(fc.tuple(path, node), { maxLength: 12, selector: ([at]) => at });
function grow(list: readonly (readonly [string, Node])[], key: (path: string) => string): Tree {
  const tree: Tree = new Map();
  const taken = new Map<string, string>();
  const put = (at: string, what: Node): boolean => {
    if (taken.has(key(at))) return taken.get(key(at)) === at && tree.get(at)?.kind === what.kind;
    const parent = parentOf(at);
    if (parent !== '' && !put(parent, other('folder'))) return false;
    taken.set(key(at), at);
    tree.set(at, what);
    return true;
  };
  for (const [at, what] of list) put(at, what);
  return tree;
}

const patterns = fc.subarray(['a', 'b/', '*.t', '/a/b', 'é', 'b/a', 'A/']);
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const options = fc.record({
  operation: fc.constantFrom(
    'push' as const,
    'pull' as const,
    'mirror' as const,
    'mirror' as const,
  ),
  existing: fc.constantFrom(
    'overwrite' as const,
    'overwrite' as const,
    'skip' as const,
    'newer' as const,
  ),
  symlinks: fc.constantFrom('skip' as const, 'preserve' as const),
  caseSensitive: fc.boolean(),
  listEqual: fc.boolean(),
  exclude: fc.oneof(fc.constant([] as string[]), patterns),
  include: fc.oneof(fc.constant([] as string[]), patterns),
  ignoreFile: optional(fc.constant('.no')),
  minSize: optional(fc.constant(1)),
  maxSize: optional(fc.constant(2)),
  maxAge: optional(fc.constant(998_500)),
});
const cases = fc
  .tuple(entries, entries, fc.array(fc.nat(), { maxLength: 8 }), options)
  .map(([ours, theirs, shared, rules]) => {
    const plain = (at: string) => at;
    const key = rules.caseSensitive ? plain : foldedPath;
    const source = grow(ours, plain);
    const both = shared.flatMap((n) => [...source].slice(n % (source.size + 1)).slice(0, 1));
    return { source, destination: grow([...both, ...theirs], key), ...setting(rules) };
  });
type Case = typeof cases extends fc.Arbitrary<infer T> ? T : never;

/** The scope inside a folder of the source: ignore files apply if their folders are in scope. */
function scopeAt({ source, scope }: Case, folder: string) {
  let at = scope;
  const ways = folder === '' ? [] : folder.split('/').map((_, i, all) => all.slice(0, i).join('/'));
  for (const way of folder === '' ? [''] : [...ways, folder]) {
    const ignore = source.get(way === '' ? '.no' : `${way}/.no`);
    if (
      scope.ignoreFile !== undefined &&
      ignore?.kind === 'file' &&
      source.get(way)?.kind !== 'file'
    )
      at = at.withIgnoreFile(way, ignore.text ?? '');
  }
  return at;
}

const isIn = (it: Case, at: string, what: Node, measured?: Node) =>
  inScope(at, what, scopeAt(it, parentOf(at)), measured ?? what);
const carried = (what: Node, it: Case) =>
  what.kind === 'file' ||
  (what.kind === 'link' && it.rules.symlinks === 'preserve' && !what.target?.startsWith('! '));
/** Whether a folder is the source's with its name in another case; its contents then follow the source's spelling. */
const isRespelled = ({ source }: Case, folder: string): boolean => {
  for (let at = folder; at !== ''; at = parentOf(at))
    if (!source.has(at) && [...source.keys()].some((it) => foldedPath(it) === foldedPath(at)))
      return true;
  return false;
};
const touched = (plan: Plan) =>
  [plan.mkdirs, plan.copies, plan.attrs, plan.deletes].flat().map((action) => action.path);
const holds = (check: (it: Case, plan: Plan) => void) =>
  fc.assert(
    fc.property(cases, (it) => check(it, planTrees(it.source, it.destination, it))),
    { numRuns: 1000 },
  );
/** Like `holds`, for plans that are carried out as they are, deletions too. */
const holdsAfter = (check: (it: Case, plan: Plan, after: Tree) => void) =>
  holds((it, plan) => {
    if (withheld(plan) === undefined)
      check(it, plan, apply(plan, it.source, it.destination, it.caseSensitive));
  });

describe('any plan', () => {
  test('is the same for the same two trees, in whatever order they are listed', () => {
    holds((it, plan) => {
      const turned = (tree: Tree): Tree => new Map([...tree].reverse());
      expect(planTrees(turned(it.source), turned(it.destination), it)).toEqual(plan);
    });
  });

  test('names nothing that is out of scope, at the source or the destination', () => {
    holds((it, plan) => {
      for (const { path: at, seen } of plan.deletes) {
        const what = [...it.destination].find(([name]) =>
          it.caseSensitive ? name === at : foldedPath(name) === foldedPath(at),
        );
        if (what === undefined) throw new Error(`nothing to delete at ${at}`);
        const measured = seen.kind === 'file' ? what[1] : undefined;
        // under the source's spelling or its own
        const isIt = [at, what[0]].some((spelled) => isIn(it, spelled, what[1], measured));
        expect([at, isIt]).toEqual([at, true]);
      }
      for (const { path: at } of [...plan.copies, ...plan.attrs])
        expect([at, isIn(it, at, it.source.get(at) as Node)]).toEqual([at, true]);
    });
  });

  test('has one action for each path, except a deletion before a replacement, and none at or below a conflict', () => {
    holds((_it, plan) => {
      const deleted = plan.deletes.map((action) => action.path);
      const made = [plan.mkdirs, plan.copies, plan.attrs].flat().map((action) => action.path);
      expect(new Set(deleted).size).toBe(deleted.length);
      expect(new Set(made).size).toBe(made.length);
      for (const at of touched(plan))
        for (const conflict of plan.conflicts)
          expect(`${at}/`.startsWith(`${conflict.path}/`)).toBe(false);
    });
  });

  test('can be carried out: a folder exists before its contents, and is empty before it is removed', () => {
    holdsAfter(() => {}); // apply throws otherwise
  });

  test('deletes nothing, and makes no needless folder, in push and pull', () => {
    holds((it, plan) => {
      if (it.rules.operation === 'mirror') return;
      expect(plan.deletes).toEqual([]);
      for (const { path: folder } of plan.mkdirs)
        expect(plan.copies.some((copy) => copy.path.startsWith(`${folder}/`))).toBe(true);
    });
  });
});

describe('a plan that has been carried out', () => {
  test('leaves nothing to plan', () => {
    holdsAfter((it, _plan, after) => {
      const again = planTrees(it.source, after, it);
      expect(linesOf({ ...again, skips: [] })).toEqual([]);
    });
  });

  test('has brought the source’s files in scope to the destination', () => {
    holdsAfter((it, _plan, after) => {
      if (it.rules.existing !== 'overwrite') return;
      for (const [at, what] of it.source) {
        if (!carried(what, it) || !isIn(it, at, what)) continue;
        const there = after.get(at);
        const told = (node: Node | undefined) =>
          what.kind === 'link' ? [node?.kind, node?.target] : [node?.kind, node?.size, node?.mtime];
        // on a side that folds case, the folders above may be spelled as they were there
        if (there !== undefined || it.caseSensitive)
          expect([at, ...told(there)]).toEqual([at, ...told(what)]);
      }
    });
  });

  test('has left in scope at a mirror’s destination only what the source has', () => {
    holdsAfter((it, _plan, after) => {
      if (it.rules.operation !== 'mirror' || !it.caseSensitive) return;
      // a name that the source has stays, even if the source's entry is skipped
      const names = new Map<string, string>();
      for (const [at, { kind }] of it.source) {
        const name = at.normalize('NFC');
        if ((names.get(name) ?? 'folder') === 'folder') names.set(name, kind);
      }
      const hasName = (at: string) => {
        for (let folder = parentOf(at); folder !== ''; folder = parentOf(folder))
          if ((names.get(folder.normalize('NFC')) ?? 'folder') !== 'folder') return true;
          else if (names.has(folder.normalize('NFC')) && !it.source.has(folder)) return true;
        return names.has(at.normalize('NFC'));
      };
      for (const [at, what] of after)
        if (!hasName(at) && carried(what, it) && isIn(it, at, what))
          throw new Error(`${at} is still there`);
    });
  });

  test('has not touched what is out of scope', () => {
    holdsAfter((it, _plan, after) => {
      for (const [at, what] of it.destination) {
        if (isRespelled(it, parentOf(at))) continue;
        // the one of that very folder: one of a folder spelled otherwise may be out of scope with it
        const twins = [...it.source].filter(
          ([name]) => foldedPath(name) === foldedPath(at) && parentOf(name) === parentOf(at),
        );
        const own = it.source.get(at);
        if (what.kind === 'folder' || isIn(it, at, what, own)) continue;
        // where these are one name, it is the entry of the source that has it in another spelling
        const isTwinIn = ([name, twin]: (typeof twins)[number]) =>
          isIn(it, name, what, twin) || isIn(it, at, what, twin);
        if (!it.caseSensitive && own === undefined && twins.some(isTwinIn)) continue;
        expect([at, after.get(at)]).toEqual([at, what]);
      }
    });
  });
});
