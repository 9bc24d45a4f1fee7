/** Checks values against a schema and words what does not fit. */
import { parse } from 'yaml';
import type { z } from 'zod';
import { ourWord, type WordPlace } from './foreign-words.js';
import { notInThisVersion } from './planned.js';
import type { ConfigProblems, Path } from './problems.js';
import { didYouMean, show } from './problems.js';

type Issue = z.core.$ZodIssue;

export interface Origins {
  /** Paths (as JSON) whose text was filled in or typed on a command line, so that it may mean a number or boolean. */
  readonly fromText: Set<string>;
  /** Whether the value of a path must not be repeated in a message. */
  readonly isSecret: (path: Path) => boolean;
}

/** Checks `tree` against `schema` and reports to `problems`. A text of `fromText` that fits only as a number or boolean is replaced by it in the tree. */
export function check(
  schema: z.ZodType,
  tree: unknown,
  { fromText, isSecret }: Origins,
  problems: ConfigProblems,
): void {
  for (;;) {
    const result = schema.safeParse(tree, { error: describe });
    if (result.success) return;
    const issues = result.error.issues.flatMap((issue) => chosen(issue, []));
    if (issues.filter((issue) => coerce(tree, issue.path as Path, fromText)).length > 0) continue;
    for (const issue of issues) {
      if (problems.full) return;
      report(issue, tree, isSecret, problems);
    }
    return;
  }
}

/** The issues of a union as those of the branch that was meant: the one that takes this kind of value. */
function chosen(issue: Issue, above: PropertyKey[]): Issue[] {
  const path = [...above, ...issue.path];
  if (issue.code !== 'invalid_union') return [{ ...issue, path }];
  const meant = issue.errors.find((errors) => errors.every((inner) => !isKindError(inner)));
  if (meant === undefined) return [{ ...issue, path }];
  return meant.flatMap((inner) => chosen(inner, path));
}

/** Whether a branch failed because it takes another kind of value. */
function isKindError(issue: Issue): boolean {
  if (issue.path.length > 0) return false;
  return ['invalid_type', 'invalid_value', 'invalid_format', 'invalid_union'].includes(issue.code);
}

function report(
  issue: Issue,
  tree: unknown,
  isSecret: Origins['isSecret'],
  problems: ConfigProblems,
): void {
  const path = issue.path as Path;
  if (issue.code === 'unrecognized_keys') {
    const { known, place } = JSON.parse(issue.message) as { known: string[]; place?: WordPlace };
    for (const key of issue.keys.slice(0, 50)) {
      problems.add({ path: [...path, key], key: true, message: unknownKey(key, known, place) });
    }
    return;
  }
  if (issue.code === 'invalid_key') {
    problems.add({ path, key: true, message: issue.issues[0]?.message ?? issue.message });
    return;
  }
  const value = valueAt(tree, path);
  const { message } = issue;
  if (value === undefined) problems.add({ path, key: true, message: `is missing; ${message}` });
  else if (value === null) {
    problems.add({ path, message: `is empty; ${message}, or be left out` });
  } else {
    const isPlanned = message === notInThisVersion;
    const repeat = !isSecret(path) && !message.includes('not in this version');
    problems.add({ path, key: isPlanned, message: repeat ? withValue(message, value) : message });
  }
}

function withValue(message: string, value: unknown): string {
  const [what, ...rest] = message.split('; ');
  const said = what?.startsWith('must') ? `${what}, not ${show(value)}` : `${show(value)} ${what}`;
  return [said, ...rest].join('; ');
}

function unknownKey(key: string, known: readonly string[], place: WordPlace | undefined): string {
  const ours = place === undefined ? undefined : ourWord(place, key);
  if (ours !== undefined) return `is not a key of jobs.yml; use ${ours} instead`;
  const close = didYouMean(key, known);
  return `unknown key${close === '' ? `; allowed: ${known.join(', ')}` : close}`;
}

/** The message for an issue whose schema has none of its own. */
function describe(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type': {
      const kind = kinds[issue.expected] ?? issue.expected;
      const scalar = typeof issue.input === 'number' || typeof issue.input === 'boolean';
      return `must be ${kind}${issue.expected === 'string' && scalar ? '; quote it' : ''}`;
    }
    case 'invalid_value': {
      const values = issue.values.map(String);
      const close = typeof issue.input === 'string' ? didYouMean(issue.input, values) : '';
      return `must be one of ${values.join(', ')}${close}`;
    }
    case 'too_small':
      return `must be at least ${issue.minimum}`;
    case 'too_big':
      return `must be at most ${issue.maximum}`;
    default:
      return undefined;
  }
}

const kinds: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a map',
  record: 'a map',
  array: 'a list',
};

/** Replaces a text by the number or boolean it means, once for each path; returns whether it did. */
function coerce(tree: unknown, path: Path, fromText: Set<string>): boolean {
  if (!fromText.delete(JSON.stringify(path))) return false;
  const text = valueAt(tree, path);
  if (typeof text !== 'string' || !/^[-+.\w]{1,40}$/.test(text)) return false;
  const value: unknown = parse(text);
  if (typeof value !== 'number' && typeof value !== 'boolean') return false;
  const parent = valueAt(tree, path.slice(0, -1)) as Record<string | number, unknown>;
  const last = path.at(-1);
  if (last !== undefined) parent[last] = value;
  return true;
}

function valueAt(tree: unknown, path: Path): unknown {
  let value = tree;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step))
      return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}
