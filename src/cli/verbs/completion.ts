/** `ferryline completion SHELL`: a completion script with the program's verbs and flags. */
import type { Command } from 'commander';
import { FerryError } from '../../core/errors.js';
import type { Context } from '../context.js';

interface Verb {
  readonly name: string;
  readonly description: string;
  readonly flags: readonly string[];
}

export function completion(shell: string, program: Command, { output }: Context): number {
  const shared = flagsOf(program);
  const verbs = program
    .createHelp()
    .visibleCommands(program)
    .map((command) => ({
      name: command.name(),
      description: command.description(),
      flags: [...flagsOf(command), ...shared],
    }));
  const write = scripts[shell];
  if (write === undefined) {
    throw new FerryError('config', `there is no completion script for "${shell}"`, {
      hint: `the shells are ${Object.keys(scripts).join(', ')}`,
    });
  }
  output.data(write(verbs).trimEnd());
  return 0;
}

function flagsOf(command: Command): string[] {
  return command.options.flatMap(({ hidden, long }) => (hidden || !long ? [] : [long]));
}

const scripts: Readonly<Record<string, (verbs: readonly Verb[]) => string>> = {
  bash: (verbs) => `# ferryline: add to ~/.bashrc: source <(ferryline completion bash)
_ferryline() {
  local current=\${COMP_WORDS[COMP_CWORD]} verb= word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word != -* ]] && verb=$word && break
  done
  case $verb in
    "") COMPREPLY=($(compgen -W "${verbs.map(({ name }) => name).join(' ')}" -- "$current")) ;;
${verbs
  .map(
    ({ name, flags }) =>
      `    ${name}) [[ $current == -* ]] && COMPREPLY=($(compgen -W "${flags.join(' ')}" -- "$current")) ;;`,
  )
  .join('\n')}
  esac
}
complete -o default -F _ferryline ferryline
`,
  zsh: (verbs) => `#compdef ferryline
# ferryline: add to ~/.zshrc: source <(ferryline completion zsh)
_ferryline() {
  local -a verbs
  verbs=(
${verbs.map(({ name, description }) => `    '${name}:${description.replaceAll("'", "'\\''")}'`).join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe verb verbs
    return
  fi
  case $words[2] in
${verbs
  .map(
    ({ name, flags }) =>
      `    ${name}) [[ $PREFIX == -* ]] && compadd -- ${flags.join(' ')} || _files ;;`,
  )
  .join('\n')}
  esac
}
compdef _ferryline ferryline
`,
  fish: (verbs) =>
    verbs
      .flatMap(({ name, description, flags }) => [
        `complete -c ferryline -n __fish_use_subcommand -a ${name} -d '${description.replaceAll("'", "\\'")}'`,
        ...flags.map(
          (flag) =>
            `complete -c ferryline -n '__fish_seen_subcommand_from ${name}' -l ${flag.slice(2)}`,
        ),
      ])
      .join('\n'),
};
