/**
 * Which paths are in a job's scope. Filters are .gitignore patterns (patterns.ts): case-sensitive,
 * and they match dotfiles. A path out of scope is never copied, replaced or deleted.
 */
import { type Entry, isOurs, join, nameOf, reservedFolder, type Stat } from '../../core/entry.js';
import type { ScopeRules } from '../../core/job.js';
import { Patterns } from './patterns.js';

/** Why a path is out of scope. */
export interface OutOfScope {
  /** The pattern, or the limit, that decided. */
  readonly rule: string;
  /** Where the rule is: `exclude`, `include`, an ignore file's path with line, `minAge` … */
  readonly where: string;
}

interface Layer {
  readonly folder: string;
  readonly file: string;
  readonly patterns: Patterns;
}

const patternsOf = (lines: readonly string[]) =>
  lines.length > 0 ? new Patterns(lines) : undefined;

/** A source that is one file, and the name that it gets at the destination: patterns judge its own. */
interface Renamed {
  readonly from: string;
  readonly to: string;
}

export class Scope {
  readonly ignoreFile: string | undefined;
  readonly #rules: ScopeRules;
  readonly #now: number;
  readonly #include: Patterns | undefined;
  readonly #exclude: Patterns | undefined;
  readonly #reserved: readonly string[];
  readonly #renamed: Renamed | undefined;
  readonly #limits: boolean;
  /** Deepest first. */
  readonly #layers: readonly Layer[];

  private constructor(from: {
    rules: ScopeRules;
    now: number;
    include: Patterns | undefined;
    exclude: Patterns | undefined;
    reserved: readonly string[];
    renamed: Renamed | undefined;
    layers: readonly Layer[];
  }) {
    this.#rules = from.rules;
    this.#now = from.now;
    this.#include = from.include;
    this.#exclude = from.exclude;
    this.#reserved = from.reserved;
    this.#renamed = from.renamed;
    this.#layers = from.layers;
    this.ignoreFile = from.rules.ignoreFile;
    const { minSize, maxSize, minAge, maxAge, quiet } = from.rules;
    this.#limits = [minSize, maxSize, minAge, maxAge, quiet].some((limit) => limit !== undefined);
  }

  /** `now` is ms since the epoch; `reserved` are folders below the root that are never in scope (the trash). */
  static of(
    rules: ScopeRules,
    now: number,
    reserved: readonly string[] = [],
    renamed?: Renamed,
  ): Scope {
    return new Scope({
      rules,
      now,
      include: patternsOf(rules.include),
      exclude: patternsOf(rules.exclude),
      reserved: [reservedFolder, ...reserved],
      renamed,
      layers: [],
    });
  }

  /** The scope inside `folder`, whose ignore file holds `text`. */
  withIgnoreFile(folder: string, text: string): Scope {
    const patterns = new Patterns(text.replace(/^\ufeff/, '').split(/\r?\n/));
    const file = join(folder, this.ignoreFile ?? '');
    return new Scope({
      rules: this.#rules,
      now: this.#now,
      include: this.#include,
      exclude: this.#exclude,
      reserved: this.#reserved,
      renamed: this.#renamed,
      layers: [{ folder, file, patterns }, ...this.#layers],
    });
  }

  /**
   * The rule that puts a path, and everything below it, out of scope by its name; undefined if none
   * does. The caller must have asked about the folders above it first.
   */
  excludes(path: string, isFolder: boolean, name = nameOf(path)): OutOfScope | undefined {
    if (isOurs(name)) return { rule: name, where: 'names of ferryline itself' };
    if (this.#reserved.includes(path)) return { rule: path, where: 'folders of ferryline itself' };
    if (name === this.ignoreFile && !isFolder) return { rule: name, where: 'ignoreFile' };
    if (this.#exclude === undefined && this.#layers.length === 0) return undefined;
    const subject = this.#subject(path, isFolder);
    const excluded = this.#exclude?.match(subject, false);
    if (excluded?.verdict === 'excluded') return { rule: excluded.pattern, where: 'exclude' };
    for (let i = 0; i < this.#layers.length; i++) {
      const { folder, file, patterns } = this.#layers[i] as Layer;
      // only a deeper ignore file can have re-included a folder that this one excludes
      const below = folder === '' ? subject : subject.slice(folder.length + 1);
      const match = patterns.match(below, i > 0);
      if (match.verdict === 'excluded')
        return { rule: match.pattern, where: `${file}:${match.line}` };
      if (match.verdict === 'included') break;
    }
    return undefined;
  }

  /** Whether `include` matches a path that nothing excludes. A folder it does not match may hold files that it does. */
  includes(path: string, isFolder: boolean): boolean {
    if (this.#include === undefined) return true;
    return this.#include.match(this.#subject(path, isFolder), false).verdict === 'excluded';
  }

  /** What patterns judge. */
  #subject(path: string, isFolder: boolean): string {
    const known = path === this.#renamed?.to ? this.#renamed.from : path;
    return isFolder ? `${known}/` : known;
  }

  /** The rule that puts a file out of scope by its size or age. `stat` is the source's, or the destination's if the source lacks the file. */
  limits(stat: Stat | Entry): OutOfScope | undefined {
    if (!this.#limits) return undefined;
    const { minSize, maxSize, minAge, maxAge, quiet } = this.#rules;
    const { size, mtime } = stat;
    const age = mtime === undefined ? undefined : this.#now - mtime * 1000;
    if (minSize !== undefined && (size ?? 0) < minSize)
      return { rule: `smaller than ${minSize} bytes`, where: 'minSize' };
    if (maxSize !== undefined && (size ?? 0) > maxSize)
      return { rule: `larger than ${maxSize} bytes`, where: 'maxSize' };
    if (minAge !== undefined && (age ?? 0) < minAge)
      return { rule: `changed less than ${minAge} ms ago`, where: 'minAge' };
    if (maxAge !== undefined && (age ?? 0) > maxAge)
      return { rule: `changed more than ${maxAge} ms ago`, where: 'maxAge' };
    if (quiet !== undefined && age !== undefined && age >= 0 && age < quiet)
      return { rule: `changed less than ${quiet} ms ago`, where: 'settle' };
    return undefined;
  }
}
