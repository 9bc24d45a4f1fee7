/**
 * .gitignore patterns as git reads them (the `ignore` package), with two things added: memory that
 * does not grow with the paths asked about, and an answer for a path below a folder that these
 * patterns exclude but a deeper ignore file took back in.
 */
import { createRequire } from 'node:module';
import type { Ignore } from 'ignore';

// the package's types describe a namespace with a call signature, which `import` cannot call under NodeNext
type MakeIgnore = (options: { ignorecase: boolean; allowRelativePaths: boolean }) => Ignore;
const require = createRequire(import.meta.url);
/** Loaded when the first patterns are met. */
const ignore: MakeIgnore = (options) => (require('ignore') as MakeIgnore)(options);

/** Paths after which the compiled patterns are made anew: the package remembers each one it was asked about. */
const remembered = 4096;

export interface Answer {
  readonly verdict: 'excluded' | 'taken back' | 'none';
  /** The pattern that excludes it, and its line, counted from 1. */
  readonly pattern: string;
  readonly line: number;
}

const none: Answer = { verdict: 'none', pattern: '', line: 0 };
const takenBack: Answer = { verdict: 'taken back', pattern: '', line: 0 };

export class Patterns {
  readonly #lines: readonly string[];
  #compiled: Ignore;
  #asked = 0;
  /** Patterns that take `folder` back in, for what is below it. */
  #reopened: { readonly folder: string; readonly patterns: Patterns } | undefined;

  constructor(lines: readonly string[]) {
    this.#lines = lines;
    this.#compiled = compile(lines);
  }

  /**
   * What the last pattern that matches says of a path relative to where the patterns stand; folders
   * end in a slash. `entered` tells that the folder of the path is known to be in scope, whatever
   * these patterns say of it.
   */
  ask(path: string, entered: boolean): Answer {
    if (entered) {
      const folder = path.slice(0, path.lastIndexOf('/', path.length - 2) + 1);
      if (folder !== '' && this.ask(folder, false).verdict === 'excluded')
        return this.#reopen(folder).ask(path, false);
    }
    if (++this.#asked > remembered) {
      this.#compiled = compile(this.#lines);
      this.#asked = 0;
    }
    const { ignored, unignored, rule } = this.#compiled.test(path);
    if (!ignored) return unignored ? takenBack : none;
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

function compile(lines: readonly string[]): Ignore {
  return ignore({ ignorecase: false, allowRelativePaths: true }).add(
    lines.map((pattern, i) => ({ pattern: plainStars(pattern), mark: String(i + 1) })),
  );
}

/** Only a segment of exactly `**` crosses folders (gitignore(5): other consecutive asterisks are regular ones); the package lets `y**` do so, too. */
function plainStars(pattern: string): string {
  const negated = pattern.startsWith('!');
  const segments = (negated ? pattern.slice(1) : pattern).split('/');
  const plain = segments.map((segment) =>
    segment === '**' ? segment : segment.replace(/(?<!\\)\*{2,}/g, '*'),
  );
  return `${negated ? '!' : ''}${plain.join('/')}`;
}

/** A path as a pattern that matches only it. */
function literal(path: string): string {
  return path.replace(/[\\*?[\]! #]/g, '\\$&');
}
