/**
 * The nodes of a parsed document as plain values, with the offset of every key and value: aliases are
 * expanded, and `<<` merges maps into another.
 */
import type { Node } from 'yaml';
import { isAlias, isMap, isScalar, isSeq } from 'yaml';
import { maxTextLength, type Path } from './problems.js';

/** Values that all aliases of a file may add together; a file with more is refused whole. */
const maxAliasedValues = 10_000;

/** Offsets of a key and its value in the text, and the same for the keys inside the value. */
export interface Offsets {
  readonly key: number;
  readonly value: number;
  readonly children: Map<string | number, Offsets>;
}

type ReportNode = (problem: {
  readonly path: Path;
  readonly offset: number;
  readonly message: string;
}) => void;

/** Thrown when a limit is exceeded; the problem has been reported. */
export class LimitExceeded extends Error {}

/** Reads all nodes below the top one. Throws LimitExceeded. */
export function readNodes(node: Node, report: ReportNode): { value: unknown; offsets: Offsets } {
  return new NodeReader(report).top(node);
}

type Pairs = readonly { readonly key: unknown; readonly value: unknown }[];

/** A map that `<<` lays under another one. */
interface Merged {
  readonly value: Readonly<Record<string, unknown>>;
  readonly offsets: Offsets;
}

/** The key of a merge (https://yaml.org/type/merge.html). In quotes it is an ordinary key. */
const mergeKey = '<<';

/** Turns the parsed nodes into values, in the order of the text, so that an alias means the latest anchor of its name. */
class NodeReader {
  readonly #anchors = new Map<string, Node>();
  readonly #open = new Set<Node>();
  readonly #report: ReportNode;
  #aliasDepth = 0;
  #aliased = 0;

  constructor(report: ReportNode) {
    this.#report = report;
  }

  top(node: Node): { value: unknown; offsets: Offsets } {
    const offsets = offsetsOf(startOf(node));
    return { value: this.#value(node, [], offsets), offsets };
  }

  #value(node: unknown, path: Path, offsets: Offsets): unknown {
    if (this.#aliasDepth > 0 && ++this.#aliased > maxAliasedValues) {
      const message = `aliases expand to more than ${maxAliasedValues} values`;
      this.#report({ path: [], offset: offsets.value, message });
      throw new LimitExceeded();
    }
    if (isAlias(node)) return this.#alias(node.source, path, offsets);
    if (isScalar(node)) {
      if (node.anchor !== undefined) this.#anchors.set(node.anchor, node);
      if (typeof node.value !== 'string' || node.value.length <= maxTextLength) return node.value;
      const message = `is longer than ${maxTextLength} characters`;
      this.#report({ path, offset: offsets.value, message });
      return undefined;
    }
    if (!isMap(node) && !isSeq(node)) return null;
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    this.#open.add(node);
    const value = isMap(node)
      ? this.#map(node.items, path, offsets)
      : this.#list(node.items, path, offsets);
    this.#open.delete(node);
    return value;
  }

  #alias(name: string, path: Path, offsets: Offsets): unknown {
    const target = this.#anchors.get(name);
    if (target === undefined || this.#open.has(target)) {
      const message =
        target === undefined
          ? 'a bare "*" starts an alias in YAML, and nothing above has that anchor; quote it'
          : 'an alias is inside its own anchor';
      this.#report({ path, offset: offsets.value, message });
      return undefined;
    }
    this.#aliasDepth++;
    const value = this.#value(target, path, offsets);
    this.#aliasDepth--;
    return value;
  }

  #list(items: readonly unknown[], path: Path, offsets: Offsets): unknown[] {
    return items.map((item, i) => {
      const child = offsetsOf(startOf(item, offsets.value));
      offsets.children.set(i, child);
      return this.#value(item, [...path, i], child);
    });
  }

  #map(items: Pairs, path: Path, offsets: Offsets): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    let merged: Merged[] | undefined;
    for (const pair of items) {
      const key = startOf(pair.key, offsets.value);
      const name = this.#keyName(pair.key);
      const problem = (message: string) =>
        this.#report({ path: [...path, name ?? '?'], offset: key, message });
      if (name === undefined) problem('a key must be plain text');
      else if (name === '__proto__' || name.length > maxTextLength)
        problem('this key is not allowed');
      else if (isMerge(pair.key)) {
        if (merged === undefined) merged = this.#merges(pair.value, [...path, name], key);
        else problem('this key appears twice; keep one, with a list: <<: [*a, *b]');
      } else if (offsets.children.has(name)) problem('this key appears twice; keep one');
      else {
        const child: Offsets = { ...offsetsOf(key), value: startOf(pair.value, key) };
        offsets.children.set(name, child);
        map[name] = this.#value(pair.value, [...path, name], child);
      }
    }
    for (const under of merged ?? []) layUnder(map, offsets, under);
    return map;
  }

  /** The maps that the value of `<<` names, the strongest first. */
  #merges(node: unknown, path: Path, key: number): Merged[] {
    const all = isSeq(node) ? (node.items as readonly unknown[]) : [node];
    return all.flatMap((item) => {
      const offsets = offsetsOf(startOf(item, key));
      const known = isAlias(item) ? this.#anchors.get(item.source) : item;
      if (known === undefined || isMap(known)) {
        const value = this.#value(item, path, offsets);
        // an alias that means nothing has been reported
        return value === undefined ? [] : [{ value: value as Merged['value'], offsets }];
      }
      const message = 'takes a map, an alias of one such as *base, or a list of them';
      this.#report({ path, offset: offsets.value, message });
      return [];
    });
  }

  #keyName(key: unknown): string | undefined {
    if (!isScalar(key)) return undefined;
    if (key.anchor !== undefined) this.#anchors.set(key.anchor, key);
    return key.value === null ? undefined : (key.source ?? String(key.value));
  }
}

function isMerge(key: unknown): boolean {
  return isScalar(key) && key.type === 'PLAIN' && key.source === mergeKey;
}

/** Adds the keys that a map lacks. They keep the positions of where they are written. */
function layUnder(map: Record<string, unknown>, offsets: Offsets, under: Merged): void {
  for (const [key, value] of Object.entries(under.value)) {
    if (offsets.children.has(key)) continue;
    map[key] = value;
    const child = under.offsets.children.get(key);
    if (child !== undefined) offsets.children.set(key, child);
  }
}

function offsetsOf(start: number): Offsets {
  return { key: start, value: start, children: new Map() };
}

function startOf(node: unknown, otherwise = 0): number {
  return (node as { range?: readonly number[] | null } | null)?.range?.[0] ?? otherwise;
}
