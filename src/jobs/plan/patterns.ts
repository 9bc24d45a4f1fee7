/**
 * .gitignore patterns as git reads them (the `ignore` package), with two additions: memory does not
 * grow with the number of paths matched, and a path can be matched below a folder that these
 * patterns exclude but a deeper ignore file includes again.
 */
import { createRequire } from 'node:module';
import type { Ignore } from 'ignore';

// the package's types describe a namespace with a call signature, which `import` cannot call under NodeNext
type MakeIgnore = (options: { ignorecase: boolean; allowRelativePaths: boolean }) => Ignore;
const require = createRequire(import.meta.url);
/** Loaded when the first patterns are compiled. */
const ignore: MakeIgnore = (options) => (require('ignore') as MakeIgnore)(options);

/** Paths matched before the patterns are compiled again, since the package caches every path it has tested. */
const pathsPerCompile = 4096;

export interface PatternMatch {
  readonly verdict: 'excluded' | 'included' | 'none';
  /** The pattern that excludes it, and its line, counted from 1. */
  readonly pattern: string;
  readonly line: number;
}

const none: PatternMatch = { verdict: 'none', pattern: '', line: 0 };
const included: PatternMatch = { verdict: 'included', pattern: '', line: 0 };

export class Patterns {
  readonly #lines: readonly string[];
  #compiled: Ignore;
  #matched = 0;
  /** Patterns that include `folder` again, for paths below it. */
  #reopened: { readonly folder: string; readonly patterns: Patterns } | undefined;

  constructor(lines: readonly string[]) {
    this.#lines = lines;
    this.#compiled = compile(lines);
  }

  /**
   * The last pattern that matches a path; the path is relative to the folder of the patterns, and a
   * folder's ends in a slash. With `entered` the path's folder is known to be in scope, whatever
   * these patterns say about it.
   */
  match(path: string, entered: boolean): PatternMatch {
    if (entered) {
      const folder = path.slice(0, path.lastIndexOf('/', path.length - 2) + 1);
      if (folder !== '' && this.match(folder, false).verdict === 'excluded')
        return this.#reopen(folder).match(path, false);
    }
    if (++this.#matched > pathsPerCompile) {
      this.#compiled = compile(this.#lines);
      this.#matched = 0;
    }
    const { ignored, unignored, rule } = this.#compiled.test(path);
    if (!ignored) return unignored ? included : none;
    const line = Number(rule?.mark ?? 0);
    return { verdict: 'excluded', pattern: this.#lines[line - 1] ?? '', line };
  }

  #reopen(folder: string): Patterns {
    if (this.#reopened?.folder !== folder) {
      const ends = [...folder.matchAll(/\//g)].map(({ index }) => index + 1);
      const back = ends.map((end) => `!/${literal(folder.slice(0, end))}`);
      this.#reopened = { folder, patterns: new Patterns([...this.#lines, ...back]) };
    }
    return this.#reopened.patterns;
  }
}

/** Whether a file's path matches any of the patterns; undefined without patterns. */
export function fileMatcher(lines: readonly string[]): ((path: string) => boolean) | undefined {
  if (lines.length === 0) return undefined;
  const patterns = new Patterns(lines);
  return (path) => patterns.match(path, false).verdict === 'excluded';
}

function compile(lines: readonly string[]): Ignore {
  return ignore({ ignorecase: false, allowRelativePaths: true }).add(
    lines.map((pattern, i) => ({ pattern: plainStars(pattern), mark: String(i + 1) })),
  );
}

/** Only a segment of exactly `**` matches across folders (gitignore(5): "other consecutive asterisks are considered regular asterisks"); the package lets `y**` do so, too. */
function plainStars(pattern: string): string {
  const negated = pattern.startsWith('!');
  const segments = (negated ? pattern.slice(1) : pattern).split('/');
  const plain = segments.map((segment) =>
    segment === '**' ? segment : segment.replace(/(?<!\\)\*{2,}/g, '*'),
  );
  return `${negated ? '!' : ''}${plain.join('/')}`;
}

/** A pattern that matches only this path. */
function literal(path: string): string {
  return path.replace(/[\\*?[\]! #]/g, '\\$&');
}
