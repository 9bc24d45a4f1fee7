/**
 * Which paths a job is about. Filters speak .gitignore's language (the `ignore` package), case
 * counts, dotfiles match. Out of scope means never copied, replaced or deleted.
 */
import { createRequire } from 'node:module';
import type { Ignore } from 'ignore';
import { type Entry, isOurs, join, reservedFolder, type Stat } from '../core/entry.js';
import type { ScopeRules } from './job.js';

// the package's types describe a namespace with a call signature, which `import` cannot call under NodeNext
const ignore = createRequire(import.meta.url)('ignore') as (options: {
  ignorecase: boolean;
  allowRelativePaths: boolean;
}) => Ignore;

/** Why a path is out of scope. */
export interface OutOfScope {
  /** The pattern, or the limit, that decided. */
  readonly rule: string;
  /** Where it stands: `exclude`, `include`, an ignore file's path with line, `minAge` … */
  readonly where: string;
}

interface Layer {
  readonly folder: string;
  readonly file: string;
  readonly patterns: Ignore;
}

const compile = (patterns: readonly string[]): Ignore =>
  ignore({ ignorecase: false, allowRelativePaths: true }).add([...patterns]);

export class Scope {
  readonly ignoreFile: string | undefined;
  readonly #rules: ScopeRules;
  readonly #now: number;
  readonly #include: Ignore | undefined;
  readonly #exclude: Ignore | undefined;
  readonly #reserved: readonly string[];
  readonly #limits: boolean;
  /** Deepest first. */
  readonly #layers: readonly Layer[];

  private constructor(from: {
    rules: ScopeRules;
    now: number;
    include: Ignore | undefined;
    exclude: Ignore | undefined;
    reserved: readonly string[];
    layers: readonly Layer[];
  }) {
    this.#rules = from.rules;
    this.#now = from.now;
    this.#include = from.include;
    this.#exclude = from.exclude;
    this.#reserved = from.reserved;
    this.#layers = from.layers;
    this.ignoreFile = from.rules.ignoreFile;
    const { minSize, maxSize, minAge, maxAge } = from.rules;
    this.#limits = [minSize, maxSize, minAge, maxAge].some((limit) => limit !== undefined);
  }

  /** `now` is ms since the epoch; `reserved` are folders below the root that no job is ever about (the trash). */
  static of(rules: ScopeRules, now: number, reserved: readonly string[] = []): Scope {
    return new Scope({
      rules,
      now,
      include: rules.include.length > 0 ? compile(rules.include) : undefined,
      exclude: rules.exclude.length > 0 ? compile(rules.exclude) : undefined,
      reserved: [reservedFolder, ...reserved],
      layers: [],
    });
  }

  /** The scope inside `folder`, whose ignore file holds `text`. */
  withIgnoreFile(folder: string, text: string): Scope {
    const lines = text.split(/\r?\n/);
    const patterns = ignore({ ignorecase: false, allowRelativePaths: true }).add(
      lines.map((pattern, i) => ({ pattern, mark: String(i + 1) })),
    );
    const file = join(folder, this.ignoreFile ?? '');
    return new Scope({
      rules: this.#rules,
      now: this.#now,
      include: this.#include,
      exclude: this.#exclude,
      reserved: this.#reserved,
      layers: [{ folder, file, patterns }, ...this.#layers],
    });
  }

  /** Whether names alone can put nothing out of scope but what is reserved; lets a scan skip asking. */
  get takesAll(): boolean {
    return (
      this.#include === undefined &&
      this.#exclude === undefined &&
      this.ignoreFile === undefined &&
      !this.#limits
    );
  }

  /** What puts a path out of scope by its name, for everything below it too; undefined when nothing does. */
  excludes(path: string, isFolder: boolean): OutOfScope | undefined {
    const name = path.slice(path.lastIndexOf('/') + 1);
    if (isOurs(name)) return { rule: name, where: 'names of ferryline itself' };
    if (this.#reserved.includes(path)) return { rule: path, where: 'folders of ferryline itself' };
    if (!isFolder && name === this.ignoreFile) return { rule: name, where: 'ignoreFile' };
    const asked = isFolder ? `${path}/` : path;
    const excluded = this.#exclude?.test(asked);
    if (excluded?.ignored) return { rule: excluded.rule?.pattern ?? '', where: 'exclude' };
    for (const { folder, file, patterns } of this.#layers) {
      const result = patterns.test(folder === '' ? asked : asked.slice(folder.length + 1));
      if (result.ignored)
        return {
          rule: result.rule?.pattern ?? '',
          where: `${file}:${result.rule?.mark ?? '?'}`,
        };
      if (result.unignored) break;
    }
    return undefined;
  }

  /** Whether `include` takes a path that nothing excludes. A folder that it doesn't take may hold files that it does. */
  includes(path: string, isFolder: boolean): boolean {
    return this.#include === undefined || this.#include.ignores(isFolder ? `${path}/` : path);
  }

  /** What puts a file out of scope by its size or age; `stat` is the source's, or the destination's where the source has none. */
  limits(stat: Stat | Entry): OutOfScope | undefined {
    if (!this.#limits) return undefined;
    const { minSize, maxSize, minAge, maxAge } = this.#rules;
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
    return undefined;
  }
}
