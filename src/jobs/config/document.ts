/**
 * The text of jobs.yml as plain values, with the position of every key and value. Errors of YAML
 * itself are found here; what the keys mean is not known here.
 */
import type { YAMLError } from 'yaml';
import { Lexer, LineCounter, parseDocument } from 'yaml';
import { LimitExceeded, type Offsets, readNodes } from './nodes.js';
import { plainValues } from './plain-yaml.js';
import { ConfigProblems, type Path, type Position } from './problems.js';

export interface ParsedDocument {
  /** Maps are plain objects, lists are arrays; a value with a problem is undefined. */
  readonly root: unknown;
  /** Where a path's value (or key) is; for a path that is not in the file, where the nearest key above it is. */
  positionOf(path: Path, key?: boolean): Position;
  /** Whether the path is in the file. */
  has(path: Path): boolean;
}

// A file over any of these limits is refused whole: a hostile one must not cost more than a second.
const maxFileBytes = 1024 * 1024;
/** More than a real configuration of that size has. */
const maxTokens = 100_000;
const maxIndentColumns = 100;
const maxFlowDepth = 20;
/** `-`, `?` and `:` of block collections on one line; each may open a nested one. */
const maxIndicatorsPerLine = 10;

/**
 * Parses the text; undefined when it is not valid YAML. What is wrong goes to `problems`, with its
 * position; `file` is the number of the file in positions.
 */
export function parseText(
  text: string,
  problems: ConfigProblems,
  file = 0,
): ParsedDocument | undefined {
  const root = plainValues(text);
  if (root === undefined) return parseAny(text, problems, file);
  // Positions are wanted only where something is wrong.
  let known: ParsedDocument | undefined;
  const whole = () => {
    known ??= parseAny(text, new ConfigProblems(), file);
    return known;
  };
  return {
    root,
    positionOf: (path, key) => whole()?.positionOf(path, key) ?? { file, line: 1, col: 1 },
    has: (path) => whole()?.has(path) === true,
  };
}

/** The same, by yaml. */
export function parseAny(
  text: string,
  problems: ConfigProblems,
  file: number,
): ParsedDocument | undefined {
  const lines = new LineCounter();
  const positionAt = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { file, line, col };
  };
  const report = (offset: number, message: string) =>
    problems.add({ path: [], message, at: positionAt(offset) });
  if (text.length > maxFileBytes || Buffer.byteLength(text) > maxFileBytes) {
    report(0, 'the file is larger than 1 MiB, the limit for a configuration');
    return undefined;
  }
  lines.addNewLine(0);
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) {
    lines.addNewLine(at + 1);
  }
  if (!checkTokens(text, report)) return undefined;
  const document = parseDocument(text, {
    logLevel: 'error',
    prettyErrors: false,
    // Checked below instead: yaml compares every key with every other.
    uniqueKeys: false,
  });
  if (document.errors.length > 0) {
    reportErrors(document.errors, text, lines, report);
    return undefined;
  }
  if (document.contents === null) {
    const next = file === 0 ? 'it needs at least "jobs:"' : 'remove it, or give it "jobs:"';
    report(0, `the file is empty; ${next}`);
    return undefined;
  }
  try {
    const top = readNodes(document.contents, ({ path, offset, message }) =>
      problems.add({ path, message, at: positionAt(offset) }),
    );
    return {
      root: top.value,
      positionOf: (path, key = false) => {
        const [offsets, found] = descend(top.offsets, path);
        return positionAt(key || !found ? offsets.key : offsets.value);
      },
      has: (path) => descend(top.offsets, path)[1],
    };
  } catch (thrown) {
    if (thrown instanceof LimitExceeded) return undefined;
    throw thrown;
  }
}

/**
 * Checks the tokens before the text is parsed: yaml's composer recurses, so a deeply nested file
 * would overflow the stack. Refuses tags too: YAML drops an unknown one, and with it the `!` of a
 * pattern. Returns false after reporting a problem.
 */
function checkTokens(text: string, report: (offset: number, message: string) => void): boolean {
  let offset = 0;
  let tokens = 0;
  let flow = 0;
  let indicators = 0;
  let indent = 0;
  let lineStart = true;
  let scalar = false;
  let valid = true;
  for (const token of new Lexer().lex(text)) {
    // The lexer's own marks, which are not text: document, end of flow, scalar follows.
    if (token === '\x02' || token === '\x18' || token === '\x1f') {
      scalar = token === '\x1f';
      continue;
    }
    tokens++;
    const first = scalar ? '' : token[0];
    if (token === '\n' || token === '\r\n') {
      [indicators, indent, lineStart] = [0, 0, true];
    } else {
      if (lineStart && first === ' ') indent = token.length;
      else if (first !== '#' && indent > maxIndentColumns) indicators = maxIndicatorsPerLine + 1;
      lineStart = false;
      if (first === '[' || first === '{') flow++;
      else if (first === ']' || first === '}') flow = Math.max(0, flow - 1);
      else if (flow === 0 && (first === '-' || first === '?' || first === ':')) indicators++;
      else if (first === '!') {
        report(offset, 'a bare "!" starts a tag in YAML; quote it');
        valid = false;
      } else if (first === '%') {
        report(offset, 'a bare "%" starts a directive in YAML, which is not allowed; quote it');
        valid = false;
      }
    }
    if (flow > maxFlowDepth || indicators > maxIndicatorsPerLine) {
      report(offset, 'the file nests too deeply');
      return false;
    }
    if (tokens > maxTokens) {
      report(
        offset,
        `the file has more than ${maxTokens} YAML tokens, the limit for a configuration`,
      );
      return false;
    }
    scalar = false;
    offset += token.length;
  }
  return valid;
}

/** Reports the first error of each line. The message never repeats the text, which may be a password. */
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
    // After a broken brace everything that follows is an error.
    if (error.code !== 'BAD_ALIAS' && error.code !== 'BAD_SCALAR_START') return;
  }
}

function explain(error: YAMLError, text: string): string {
  const at = error.pos[0];
  if (text.slice(at - 1, at + 1) === '${') {
    return 'a bare "${" inside braces or brackets is not text in YAML; quote it: "${…}"';
  }
  if (error.code === 'BAD_ALIAS') return 'a bare "*" starts an alias in YAML; quote it';
  if (error.code === 'BAD_SCALAR_START') {
    return `a bare "${text[at] ?? ''}" cannot start a value in YAML; quote it`;
  }
  if (error.code === 'BLOCK_AS_IMPLICIT_KEY' || error.code === 'BLOCK_IN_FLOW') {
    return 'a ":" before a space or at the end makes a map in YAML; quote text that contains one';
  }
  if (error.code === 'RESOURCE_EXHAUSTION') return 'the file nests too deeply';
  if (error.code === 'MULTIPLE_DOCS')
    return 'a second document starts here; a file contains only one';
  return `not valid YAML: ${error.message.replace(/:\s.*$/s, '')}`;
}

/** The offsets of a path, or of the nearest key above it; and whether the path itself was found. */
function descend(top: Offsets, path: Path): [Offsets, boolean] {
  let offsets = top;
  for (const step of path) {
    const next = offsets.children.get(step);
    if (next === undefined) return [offsets, false];
    offsets = next;
  }
  return [offsets, true];
}
