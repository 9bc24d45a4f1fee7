/** What is wrong with a configuration, where, and how it is worded. */
import { FerryError } from '../../core/errors.js';
import { escapeText } from '../../core/text.js';

/** Keys and list positions from the top: `['jobs', 'nightly', 'exclude', 0]`. */
export type Path = readonly (string | number)[];

export interface ConfigProblem {
  readonly path: Path;
  /** What is wrong and what is allowed. */
  readonly message: string;
  /** Whether the position is that of the key rather than of its value. */
  readonly key?: boolean;
  /** The position, if it is not that of the path. */
  readonly at?: Position;
}

/** Line and column count from 1. */
export interface Position {
  /** The number of the file: 0 is jobs.yml, the others are those of jobs.d. */
  readonly file?: number;
  readonly line: number;
  readonly col: number;
}

/** Longest text in a configuration, in characters, so that every check is quick; a longer one is refused. Linux limits paths to the same length. */
export const maxTextLength = 4096;

/** Problems one error lists; of the others it gives the number. */
const problemsShown = 20;
/** Keys that the error's next step names; of more it names the first. */
const keysNamed = 4;
/** Problems collected; then checking stops, so that a hopeless file takes no time. */
const problemsCollected = 200;

/** A list of problems that keeps the first of each path: later ones usually follow from it. */
export class ConfigProblems {
  readonly list: ConfigProblem[] = [];
  readonly #seen = new Set<string>();

  get full(): boolean {
    return this.list.length >= problemsCollected;
  }

  add(problem: ConfigProblem): void {
    if (this.full) return;
    const { path, at } = problem;
    const id = JSON.stringify(at === undefined ? path : [path, at]);
    if (this.#seen.has(id)) return;
    this.#seen.add(id);
    if (path.length > 0) this.#seen.add(JSON.stringify(path));
    this.list.push(problem);
  }

  /** Whether there is a problem at this path or below it. */
  under(...path: (string | number)[]): boolean {
    return this.list.some((problem) => path.every((step, i) => problem.path[i] === step));
  }

  /**
   * Throws one config error with a line for each problem, sorted by position; returns if there are none.
   * `keyName` gives the name by which the reference explains the key at a path.
   */
  throwAny(
    prefix: (problem: ConfigProblem) => string,
    keyName: (path: Path) => string | undefined,
    positionOf: (problem: ConfigProblem) => Position = () => ({ line: 0, col: 0 }),
  ): void {
    if (this.list.length === 0) return;
    const sorted = this.list
      .map((problem) => ({ problem, ...positionOf(problem) }))
      .sort((a, b) => (a.file ?? 0) - (b.file ?? 0) || a.line - b.line || a.col - b.col);
    const lines = sorted
      .slice(0, problemsShown)
      .map(({ problem }) => `${prefix(problem)}${problem.message}`);
    const more = this.full
      ? `${problemsCollected - problemsShown} or more`
      : String(sorted.length - problemsShown);
    if (sorted.length > problemsShown) lines.push(`and ${more} more`);
    const keys = sorted.map(({ problem }) => keyName(problem.path));
    throw new FerryError('config', lines.join('\n'), { hint: whereToRead(keys) });
  }
}

/** Where the reference explains these keys: the first few of them. */
function whereToRead(keys: readonly (string | undefined)[]): string {
  const [first, ...others] = new Set(keys.filter((key) => key !== undefined));
  if (first === undefined)
    return '`ferryline schema --docs` prints every key with its values, default and an example, as docs/jobs-yml.md has them';
  if (others.length === 0)
    return `\`ferryline schema ${first}\` explains the key, as docs/jobs-yml.md#${first} does`;
  const few = [first, ...others.slice(0, keysNamed - 1)].join(' ');
  return `\`ferryline schema ${few}\` explains the keys, as docs/jobs-yml.md does`;
}

/** `jobs.nightly.exclude[0]`, safe to print. */
export function pathText(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else text += text === '' ? step : `.${step}`;
  }
  return escapeText(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}

/** A value for a message, short and on one line. */
export function show(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a map';
  if (typeof value !== 'string') return String(value);
  return `"${escapeText(value.length > 60 ? `${value.slice(0, 60)}…` : value)}"`;
}

/** `; did you mean "exclude"?` if one of the words is close to the one written, else an empty text. */
export function didYouMean(written: string, words: Iterable<string>): string {
  const lower = written.toLowerCase();
  let best: string | undefined;
  let least = Math.min(3, Math.max(1, Math.floor(written.length / 3))) + 1;
  for (const word of words) {
    if (Math.abs(word.length - written.length) >= least) continue;
    const far = distance(lower, word.toLowerCase());
    if (far < least) [best, least] = [word, far];
  }
  return best === undefined ? '' : `; did you mean "${best}"?`;
}

/** The message for a remote that does not exist. */
export function unknownRemote(name: string, names: Iterable<string>): string {
  return `names the remote "${escapeText(name)}", which does not exist${didYouMean(name, names)}`;
}

/** Edits (insert, drop, replace, swap neighbours) that turn one word into the other: optimal string alignment distance. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, at(before, j - 2) + 1);
      }
      row.push(least);
    }
    [before, last] = [last, row];
  }
  return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? 0;
}
