/**
 * The text of jobs.yml as plain values, with the place of every key and value. All that YAML
 * itself can get wrong is found here; what keys mean is not known here.
 */
import type { Node, YAMLError } from 'yaml';
import { isAlias, isMap, isScalar, isSeq, Lexer, LineCounter, parseDocument } from 'yaml';
import { maxText, type Path, type Place, type Problems } from './problems.js';

export interface ParsedDocument {
  /** Maps are plain objects, lists arrays; a value that had a problem is undefined. */
  readonly root: unknown;
  /** Where a path's value or key stands; the nearest key above it when the path itself is not in the file. */
  place(path: Path, key?: boolean): Place;
  /** Whether the path is in the file. */
  has(path: Path): boolean;
}

/** Largest file, bytes. */
const maxBytes = 1024 * 1024;
/** More than a file of that size can sensibly hold; keeps a hostile one under a second. */
const maxTokens = 100_000;
/** Values that aliases may add all together. */
const maxAliased = 10_000;
const maxIndent = 100;
const maxFlow = 20;
const maxIndicators = 10;

/** Thrown inside this file to end the walk through a document that is to be refused whole. */
class Refused extends Error {}

/** Where a value stands and what is in it. */
interface Spot {
  readonly key: number;
  readonly value: number;
  readonly inside: Map<string | number, Spot>;
}

/** Parses the text; undefined when it is no usable YAML. What is wrong goes to `problems`, with its place. */
export function parseText(text: string, problems: Problems): ParsedDocument | undefined {
  const lines = new LineCounter();
  const report = (offset: number, message: string) =>
    problems.add({ path: [], message, at: placeOf(lines, offset) });
  if (text.length > maxBytes || Buffer.byteLength(text) > maxBytes) {
    report(0, 'the file is larger than 1 MiB, the most a configuration may have');
    return undefined;
  }
  lines.addNewLine(0);
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) {
    lines.addNewLine(at + 1);
  }
  if (!survey(text, report)) return undefined;
  const document = parseDocument(text, {
    logLevel: 'error',
    prettyErrors: false,
    // Checked below: yaml's own check compares every key with every other.
    uniqueKeys: false,
  });
  if (document.errors.length > 0) {
    reportErrors(document.errors, text, lines, report);
    return undefined;
  }
  if (document.contents === null) {
    report(0, 'the file is empty; it needs at least "jobs:"');
    return undefined;
  }
  try {
    const top = new Walk(problems, lines).top(document.contents);
    return {
      root: top.value,
      place: (path, key = false) => {
        const [spot, whole] = descend(top.spot, path);
        return placeOf(lines, key || !whole ? spot.key : spot.value);
      },
      has: (path) => descend(top.spot, path)[1],
    };
  } catch (thrown) {
    if (thrown instanceof Refused) return undefined;
    throw thrown;
  }
}

/**
 * Looks at the words of the text before it is parsed: yaml's composer recurses, and a file made to
 * nest deeply would end the process. Tags are refused here too, since YAML drops an unknown one,
 * and with it the `!` of a pattern. Returns whether to go on.
 */
function survey(text: string, report: (offset: number, message: string) => void): boolean {
  let offset = 0;
  let tokens = 0;
  let flow = 0;
  let indicators = 0;
  let indent = 0;
  let lineStart = true;
  let scalar = false;
  let good = true;
  for (const word of new Lexer().lex(text)) {
    // Marks of the lexer's own that stand for no text: document, end of flow, scalar follows.
    if (word === '\x02' || word === '\x18' || word === '\x1f') {
      scalar = word === '\x1f';
      continue;
    }
    tokens++;
    const first = scalar ? '' : word[0];
    if (word === '\n' || word === '\r\n') {
      [indicators, indent, lineStart] = [0, 0, true];
    } else {
      if (lineStart && first === ' ') indent = word.length;
      else if (first !== '#' && indent > maxIndent) indicators = maxIndicators + 1;
      lineStart = false;
      if (first === '[' || first === '{') flow++;
      else if (first === ']' || first === '}') flow = Math.max(0, flow - 1);
      else if (flow === 0 && (first === '-' || first === '?' || first === ':')) indicators++;
      else if (first === '!') {
        report(offset, 'a bare "!" starts a tag in YAML; quote it');
        good = false;
      } else if (first === '%') {
        report(offset, 'a bare "%" starts a directive in YAML, which is not allowed; quote it');
        good = false;
      }
    }
    if (flow > maxFlow || indicators > maxIndicators) {
      report(offset, 'the file nests too deeply');
      return false;
    }
    if (tokens > maxTokens) {
      report(
        offset,
        `the file holds more than ${maxTokens} words, the most a configuration may have`,
      );
      return false;
    }
    scalar = false;
    offset += word.length;
  }
  return good;
}

/** The first error of each line, in words that never repeat the text: it may be a password. */
function reportErrors(
  errors: readonly YAMLError[],
  text: string,
  lines: LineCounter,
  report: (offset: number, message: string) => void,
): void {
  let line = 0;
  for (const error of errors.slice(0, 1000)) {
    const at = error.pos[0];
    const here = lines.linePos(at).line;
    if (here === line) continue;
    line = here;
    report(at, explain(error, text));
    // One broken brace makes errors of all that follows.
    if (error.code !== 'BAD_ALIAS' && error.code !== 'BAD_SCALAR_START') return;
  }
}

function explain(error: YAMLError, text: string): string {
  const at = error.pos[0];
  if (text.slice(at - 1, at + 1) === '${') {
    return 'a bare "${" inside braces or brackets is no text in YAML; quote it: "${…}"';
  }
  if (error.code === 'BAD_ALIAS') return 'a bare "*" starts an alias in YAML; quote it';
  if (error.code === 'BAD_SCALAR_START') {
    return `a bare "${text[at] ?? ''}" cannot start a value in YAML; quote it`;
  }
  if (error.code === 'BLOCK_AS_IMPLICIT_KEY' || error.code === 'BLOCK_IN_FLOW') {
    return 'a ":" before a space or at the end makes a map in YAML; quote text that holds one';
  }
  if (error.code === 'RESOURCE_EXHAUSTION') return 'the file nests too deeply';
  if (error.code === 'MULTIPLE_DOCS')
    return 'a second document starts here; one file is one document';
  return `not valid YAML: ${error.message.replace(/:\s.*$/s, '')}`;
}

/** One walk over the parsed nodes in the order of the text, so that an alias means the anchor last seen. */
class Walk {
  private readonly anchors = new Map<string, Node>();
  private readonly open = new Set<Node>();
  private readonly problems: Problems;
  private readonly lines: LineCounter;
  private aliasDepth = 0;
  private aliased = 0;

  constructor(problems: Problems, lines: LineCounter) {
    this.problems = problems;
    this.lines = lines;
  }

  top(node: Node): { value: unknown; spot: Spot } {
    const spot: Spot = { key: startOf(node), value: startOf(node), inside: new Map() };
    return { value: this.value(node, [], spot), spot };
  }

  private value(node: unknown, path: Path, spot: Spot): unknown {
    if (this.aliasDepth > 0 && ++this.aliased > maxAliased) {
      this.problems.add({
        path: [],
        message: `aliases expand to more than ${maxAliased} values`,
        at: placeOf(this.lines, spot.value),
      });
      throw new Refused();
    }
    if (isAlias(node)) return this.alias(node.source, path, spot);
    if (isScalar(node)) {
      if (node.anchor !== undefined) this.anchors.set(node.anchor, node);
      if (typeof node.value !== 'string' || node.value.length <= maxText) return node.value;
      this.problems.add({ path, message: `is longer than ${maxText} characters` });
      return undefined;
    }
    if (!isMap(node) && !isSeq(node)) return null;
    if (node.anchor !== undefined) this.anchors.set(node.anchor, node);
    this.open.add(node);
    const value = isMap(node)
      ? this.map(node.items, path, spot)
      : this.list(node.items, path, spot);
    this.open.delete(node);
    return value;
  }

  private alias(name: string, path: Path, spot: Spot): unknown {
    const target = this.anchors.get(name);
    if (target === undefined || this.open.has(target)) {
      this.problems.add({
        path,
        message:
          target === undefined
            ? 'a bare "*" starts an alias in YAML, and nothing above has that anchor; quote it'
            : 'an alias stands inside its own anchor',
      });
      return undefined;
    }
    this.aliasDepth++;
    const value = this.value(target, path, spot);
    this.aliasDepth--;
    return value;
  }

  private list(items: readonly unknown[], path: Path, spot: Spot): unknown[] {
    return items.map((item, i) => {
      const start = startOf(item, spot.value);
      const inside: Spot = { key: start, value: start, inside: new Map() };
      spot.inside.set(i, inside);
      return this.value(item, [...path, i], inside);
    });
  }

  private map(
    items: readonly { key: unknown; value: unknown }[],
    path: Path,
    spot: Spot,
  ): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    for (const pair of items) {
      const key = startOf(pair.key, spot.value);
      const name = this.keyName(pair.key);
      const problem = (message: string) =>
        this.problems.add({ path: [...path, name ?? '?'], message, at: placeOf(this.lines, key) });
      if (name === undefined) problem('a key must be plain text');
      else if (name === '__proto__' || name.length > maxText) problem('this key is not allowed');
      else if (spot.inside.has(name)) problem('this key stands here twice; keep one');
      else {
        const inside: Spot = { key, value: startOf(pair.value, key), inside: new Map() };
        spot.inside.set(name, inside);
        map[name] = this.value(pair.value, [...path, name], inside);
      }
    }
    return map;
  }

  private keyName(key: unknown): string | undefined {
    if (!isScalar(key)) return undefined;
    if (key.anchor !== undefined) this.anchors.set(key.anchor, key);
    return key.value === null ? undefined : (key.source ?? String(key.value));
  }
}

function startOf(node: unknown, otherwise = 0): number {
  return (node as { range?: readonly number[] | null } | null)?.range?.[0] ?? otherwise;
}

/** The spot a path leads to, or the last one on the way; and whether it is the whole way. */
function descend(top: Spot, path: Path): [Spot, boolean] {
  let spot = top;
  for (const step of path) {
    const next = spot.inside.get(step);
    if (next === undefined) return [spot, false];
    spot = next;
  }
  return [spot, true];
}

function placeOf(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line, col };
}
