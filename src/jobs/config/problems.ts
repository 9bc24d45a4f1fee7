/** What is wrong with a configuration, where, and how it is told. */
import { FerryError } from '../../core/errors.js';
import { escapeText } from '../../core/text.js';

/** Keys and list positions from the top: `['jobs', 'nightly', 'exclude', 0]`. */
export type Path = readonly (string | number)[];

export interface Problem {
  readonly path: Path;
  /** What is wrong and what is allowed. */
  readonly message: string;
  /** Whether the key itself is meant rather than its value. */
  readonly key?: boolean;
  /** The place, where it isn't that of the path. */
  readonly at?: Place;
}

export interface Place {
  readonly line: number;
  readonly col: number;
}

/** Longest text a configuration may hold, in characters; also the longest path of Linux. It keeps every check quick. */
export const maxText = 4096;

/** How many problems one error tells; gathering stops a little later, so that a hopeless file costs no time. */
const told = 20;
const gathered = 200;

/** A list of problems that keeps the first for each path: what follows from it is noise. */
export class Problems {
  readonly list: Problem[] = [];
  private readonly seen = new Set<string>();

  get full(): boolean {
    return this.list.length >= gathered;
  }

  add(problem: Problem): void {
    if (this.full) return;
    const { path, at } = problem;
    const id = JSON.stringify(at === undefined ? path : [path, at]);
    if (this.seen.has(id)) return;
    this.seen.add(id);
    this.list.push(problem);
  }

  /** Whether anything at this path or below it was found wrong. */
  under(...path: (string | number)[]): boolean {
    return this.list.some((problem) => path.every((step, i) => problem.path[i] === step));
  }

  /** Throws all of them as one config error, one a line, in the order of `place`; nothing when there are none. */
  throwAny(prefix: (problem: Problem) => string, place?: (problem: Problem) => Place): void {
    if (this.list.length === 0) return;
    const where = (problem: Problem) => place?.(problem) ?? { line: 0, col: 0 };
    const sorted = this.list
      .map((problem) => ({ problem, ...where(problem) }))
      .sort((a, b) => a.line - b.line || a.col - b.col);
    const lines = sorted
      .slice(0, told)
      .map(({ problem }) => `${prefix(problem)}${problem.message}`);
    const more = this.full ? `${gathered - told} or more` : String(sorted.length - told);
    if (sorted.length > told) lines.push(`and ${more} more`);
    throw new FerryError('config', lines.join('\n'), {
      hint: '`ferryline schema` prints every key with what it takes',
    });
  }
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

/** `; did you mean "exclude"?` when one of the words is close to what was written, else nothing. */
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

/** The sentence for a remote that is not there. */
export function unknownRemote(name: string, names: Iterable<string>): string {
  return `names the remote "${escapeText(name)}", which does not exist${didYouMean(name, names)}`;
}

/** Edits (insert, drop, replace, swap of neighbours) from one word to the other: optimal string alignment. */
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
