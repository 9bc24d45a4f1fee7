/** Commands for people to type: the one they typed, with one more flag. */
import type { Command, Option } from 'commander';
import type { Context } from './context.js';

/** Flags that are left out of a command to be typed again: they do not change which plan it makes. */
const ofOneCall: ReadonlySet<string> = new Set([
  ...['--dry-run', '--exit-code', '--out', '--approve', '--all'],
  ...['--json', '--quiet', '--verbose', '--no-color'],
]);

/** The flags typed for a command and for ferryline itself, each with its value. */
export function typedFlags(command: Command): (readonly string[])[] {
  const all: Command[] = [];
  for (let at: Command | null = command; at !== null; at = at.parent) all.push(at);
  return all.flatMap((one) => one.options.flatMap((option) => wordsOf(option, one)));
}

function wordsOf(option: Option, command: Command): string[][] {
  const { long, negate } = option;
  const name = option.attributeName();
  if (long == null || ofOneCall.has(long)) return [];
  if (command.getOptionValueSource(name) !== 'cli') return [];
  const value: unknown = command.getOptionValue(name);
  // `--trash` and `--no-trash` set the same value
  if (typeof value === 'boolean') return value === negate ? [] : [[long]];
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  return values.map((each) => [long, String(each)]);
}

/** `ferryline WORDS…` with the flags that were typed and one more, which replaces its like, as a shell takes it. */
export function typeAgain(words: readonly string[], { typed }: Context, flag?: string): string {
  const [name, ...value] = flag?.split(' ') ?? [];
  const like = name === '--delete-max' ? [name, '--max-delete'] : [name];
  const kept = typed.filter(([one]) => !like.includes(one));
  const added = name === undefined ? [] : [name, ...value];
  return ['ferryline', ...words, ...kept.flat(), ...added].map(quoted).join(' ');
}

/** What needs no quotes in a shell. */
const plain = /^(?!~)[\w@%+=:,./~-]+$/;

function quoted(word: string): string {
  return plain.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
