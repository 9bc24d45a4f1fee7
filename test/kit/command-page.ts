/** The page of all commands with their flags, made from the program that answers them. */
import type { Argument, Command, Option } from 'commander';
import { buildProgram } from '../../src/cli/program.js';

const rulesGroup = "Rules, which override the job's own:";

/** The page, as Markdown. */
export function commandPage(): string {
  const program = buildProgram(() => () => Promise.resolve());
  const commands = program.commands.filter((command) => visibleIn(program, command));
  const groups = new Map<string, Command[]>();
  for (const command of commands) {
    const title = command.helpGroup().replace(/:$/, '');
    groups.set(title, [...(groups.get(title) ?? []), command]);
  }
  const rules = commands.flatMap((command) => optionsOf(command).filter(isRule));
  const each = [...groups].flatMap(([title, members]) => [
    `## ${title}`,
    ...members.flatMap((command) => commandText(command)),
  ]);
  return [
    '# Every command with its flags',
    '<!-- Made from the program by `npm run docs`: change src/cli, not this page. -->',
    '`ferryline help VERB` prints the same. [Commands](commands.md) says what they are for, with the exit codes and what `--json` prints.',
    '## Flags of every command',
    optionTable(optionsOf(program)),
    ...each,
    '## Rules',
    "They override the job's own keys for one run. [The reference](jobs-yml.md) explains each key.",
    optionTable([...new Map(rules.map((rule) => [rule.flags, rule])).values()]),
  ].join('\n\n');
}

function visibleIn(program: Command, command: Command): boolean {
  return program.createHelp().visibleCommands(program).includes(command);
}

function optionsOf(command: Command): Option[] {
  return command.options.filter(({ hidden }) => !hidden);
}

function isRule({ helpGroupHeading }: Option): boolean {
  return helpGroupHeading === rulesGroup;
}

function commandText(command: Command): string[] {
  const options = optionsOf(command);
  const own = options.filter((option) => !isRule(option));
  const described = command.registeredArguments.filter(({ description }) => description !== '');
  return [
    `### ${command.name()}`,
    `\`ferryline ${command.name()} ${command.usage()}\`: ${command.description()}.`,
    ...(described.length === 0 ? [] : [argumentTable(described)]),
    ...(own.length === 0 ? [] : [optionTable(own)]),
    ...(own.length === options.length ? [] : ['The flags of [rules](#rules), too.']),
  ];
}

function argumentTable(all: readonly Argument[]): string {
  return table(
    'argument',
    all.map((argument) => [argument.name(), argument.description]),
  );
}

function optionTable(all: readonly Option[]): string {
  return table(
    'flag',
    all.map(({ flags, description }) => [flags, description]),
  );
}

function table(head: string, rows: readonly (readonly [string, string])[]): string {
  const safe = (text: string) => text.replaceAll('|', '\\|');
  const lines = rows.map(([name, text]) => `| \`${safe(name)}\` | ${safe(text)} |`);
  return [`| ${head} | |`, '| --- | --- |', ...lines].join('\n');
}
