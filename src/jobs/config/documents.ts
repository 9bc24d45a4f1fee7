/**
 * jobs.yml and the files of jobs.d as one tree of values, with the file, line and column of every key.
 * Keys that start with `x-` are left out: they hold what `<<` and aliases take elsewhere.
 */
import { relative } from 'node:path';
import { escapeText } from '../../core/text.js';
import { type ParsedDocument, parseText } from './document.js';
import {
  type ConfigProblem,
  type ConfigProblems,
  type Path,
  type Position,
  show,
} from './problems.js';
import { isMap, type PlainMap } from './shapes.js';

/** The text of one file. */
export interface ConfigText {
  /** Absolute. */
  readonly file: string;
  readonly text: string;
  /** Permission bits, if known. */
  readonly mode?: number;
}

export interface Documents {
  /** Undefined while jobs.yml itself can't be read as YAML. */
  readonly root: unknown;
  /** The file's name for messages, relative to the folder of jobs.yml. */
  readonly names: readonly string[];
  /** Where the value or the key of a problem is. */
  positionOf(problem: Pick<ConfigProblem, 'path' | 'key' | 'at'>): Position;
  /** Whether the path is in one of the files. */
  has(path: Path): boolean;
  /** The number of the file that a path is in; 0 is jobs.yml. */
  fileOf(path: Path): number;
}

/** What a file of jobs.d may hold. */
const sharedKeys = ['remotes', 'groups', 'jobs'] as const;

/** Parses the files, jobs.yml first. What is wrong goes to `problems`. */
export function parseDocuments(
  [main, ...more]: readonly [ConfigText, ...ConfigText[]],
  folder: string,
  problems: ConfigProblems,
): Documents {
  const all = [main, ...more];
  const names = all.map(({ file }) => escapeText(relative(folder, file)));
  const parsed = all.map(({ text }, number) => parseText(text, problems, number));
  const owners = new Owners(parsed);
  const root = withoutExtensions(parsed[0]?.root);
  for (const [file, document] of parsed.entries())
    if (file > 0 && document !== undefined)
      takeOver({ tree: isMap(root) ? root : {}, document, file, owners, names, problems });
  return {
    root: parsed[0] === undefined ? undefined : root,
    names,
    positionOf: ({ path, key, at }) => at ?? owners.of(path)?.positionOf(path, key) ?? topOfMain,
    has: (path) => owners.of(path)?.has(path) === true,
    fileOf: (path) => owners.number(path),
  };
}

const topOfMain: Position = { file: 0, line: 1, col: 1 };

/** Which file has which remote, group and job. */
class Owners {
  readonly #documents: readonly (ParsedDocument | undefined)[];
  readonly #byName = new Map<string, number>();

  constructor(documents: readonly (ParsedDocument | undefined)[]) {
    this.#documents = documents;
  }

  set(path: Path, file: number): void {
    this.#byName.set(JSON.stringify(path), file);
  }

  number(path: Path): number {
    return this.#byName.get(JSON.stringify(path.slice(0, 2))) ?? 0;
  }

  of(path: Path): ParsedDocument | undefined {
    return this.#documents[this.number(path)];
  }
}

/** The top-level keys that count. */
function withoutExtensions(root: unknown): unknown {
  if (!isMap(root)) return root;
  return Object.fromEntries(Object.entries(root).filter(([key]) => !isExtension(key)));
}

/** Whether a top-level key is the writer's own, and means nothing to ferryline. */
function isExtension(key: string): boolean {
  return key.startsWith('x-');
}

interface TakeOver {
  /** The values of jobs.yml, to which those of the file are added. */
  readonly tree: Record<string, unknown>;
  readonly document: ParsedDocument;
  readonly file: number;
  readonly owners: Owners;
  readonly names: readonly string[];
  readonly problems: ConfigProblems;
}

/** Adds what a file of jobs.d has to the tree. */
function takeOver(context: TakeOver): void {
  const { tree, document, file, names } = context;
  if (!isMap(document.root)) {
    report(context, [], `must be a map, not ${show(document.root)}`);
    return;
  }
  for (const [key, entries] of Object.entries(document.root)) {
    if (isExtension(key)) continue;
    if (!(sharedKeys as readonly string[]).includes(key)) {
      report(context, [key], `is not allowed in ${names[file]}; only ${sharedKeys.join(', ')} are`);
    } else if (isMap(entries)) {
      if (tree[key] === undefined) tree[key] = {};
      // otherwise jobs.yml itself has something else there, which the schema reports
      if (isMap(tree[key])) addEach(context, key, tree[key] as Record<string, unknown>, entries);
    } else if (entries !== undefined) {
      const what = entries === null ? 'is empty; it' : `is ${show(entries)}, but`;
      report(context, [key], `${what} must be a map, or be left out`);
    }
  }
}

/** Adds the entries of one key; a name that another file has is reported with both places. */
function addEach(
  context: TakeOver,
  key: string,
  all: Record<string, unknown>,
  entries: PlainMap,
): void {
  const { file, owners, names } = context;
  for (const [name, value] of Object.entries(entries)) {
    const path = [key, name];
    if (!Object.hasOwn(all, name)) {
      all[name] = value;
      owners.set(path, file);
      continue;
    }
    const other = owners.of(path)?.positionOf(path, true) ?? topOfMain;
    const where = `${names[other.file ?? 0]}:${other.line}:${other.col}`;
    report(context, path, `is in ${where} too; keep one, or rename one`);
  }
}

function report({ document, problems }: TakeOver, path: Path, message: string): void {
  problems.add({ path, message, at: document.positionOf(path, true) });
}
