/** The commands that a page shows, and whether the program takes them: verbs, flags, and the number of arguments. */
import { buildProgram } from '../../src/cli/program.js';

/** Each `ferryline …` in a text of code, as the words after the name, without brackets of what may be left out. */
export function commandsIn(code: string): string[][] {
  const shown = /(?<!-[ugo] |[\w/'-])ferryline((?:[ \t]+(?:'[^']*'|"[^"]*"|[^\s'"#|&;>`)]+))+)/g;
  return [...code.replaceAll(/\\\n\s*/g, ' ').matchAll(shown)]
    .map(([, words = '']) => words.match(/'[^']*'|"[^"]*"|\S+/g) ?? [])
    .map((words) => words.map((word) => word.replaceAll(/^['"]|['"]$|[[\]]/g, '')))
    .filter(([verb = '']) => /^[a-z]+$/.test(verb));
}

/** What is wrong with a command; undefined if the program takes it, or only lacks an argument. */
export async function refusal(words: readonly string[]): Promise<string | undefined> {
  const program = buildProgram(() => () => Promise.resolve());
  for (const command of [program, ...program.commands])
    command.configureOutput({ writeOut: () => {}, writeErr: () => {}, outputError: () => {} });
  try {
    await program.parseAsync(words, { from: 'user' });
    return undefined;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    const isFine = code?.startsWith('commander.help') || code === 'commander.missingArgument';
    return isFine ? undefined : message;
  }
}
