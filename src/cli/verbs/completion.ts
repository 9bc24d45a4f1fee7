/**
 * `ferryline completion SHELL`: a completion script with the program's verbs and flags. Names of jobs, remotes
 * and runs are asked for when they are wanted, by `ferryline __names`, with the `-c FILE` that was typed.
 */
import type { Command } from 'commander';
import { FerryError } from '../../core/errors.js';
import type { Context } from '../context.js';

interface Verb {
  readonly name: string;
  readonly description: string;
  readonly flags: readonly string[];
}

/** What the arguments of a verb name (names.ts). */
const named: Readonly<Record<string, readonly string[]>> = {
  jobs: ['run', 'plan', 'check', 'explain', 'restore', 'enqueue', 'pause', 'resume', 'next'],
  runs: ['runs', 'logs', 'rerun', 'cancel'],
  remotes: ['doctor', 'trust'],
  places: ['push', 'pull', 'mirror', 'ls'],
};

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
  output.data(write(verbs, shared).trimEnd());
  return 0;
}

function flagsOf(command: Command): string[] {
  return command.options.flatMap(({ hidden, long }) => (hidden || !long ? [] : [long]));
}

/** A line for each kind of names. */
function eachKind(line: (kind: string, verbs: readonly string[]) => string): string {
  return Object.entries(named)
    .map(([kind, verbs]) => line(kind, verbs))
    .join('\n');
}

type Script = (verbs: readonly Verb[], shared: readonly string[]) => string;

const scripts: Readonly<Record<string, Script>> = {
  bash: (verbs, shared) => `# ferryline: add to ~/.bashrc: source <(ferryline completion bash)
_ferryline() {
  local current=\${COMP_WORDS[COMP_CWORD]} verb= kind= flags= at
  local -a config=()
  COMPREPLY=()
  for ((at = 1; at < COMP_CWORD; at++)); do
    case \${COMP_WORDS[at]} in
      -c | --config)
        [[ \${COMP_WORDS[at + 1]} == = ]] && ((at++))
        ((++at >= COMP_CWORD)) && return
        config=(-c "\${COMP_WORDS[at]/#\\~/$HOME}") ;;
      -*) ;;
      *) [[ -z $verb ]] && verb=\${COMP_WORDS[at]} ;;
    esac
  done
  case $verb in
${verbs.map(({ name, flags }) => `    ${name}) flags="${flags.join(' ')}" ;;`).join('\n')}
    "") flags="${shared.join(' ')}" ;;
  esac
  case $verb in
${eachKind((kind, of) => `    ${of.join(' | ')}) kind=${kind} ;;`)}
  esac
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$current"))
  elif [[ -z $verb ]]; then
    COMPREPLY=($(compgen -W "${verbs.map(({ name }) => name).join(' ')}" -- "$current"))
  elif [[ -n $kind ]]; then
    COMPREPLY=($(compgen -W "$(ferryline "\${config[@]}" __names $kind 2> /dev/null)" -- "$current"))
    [[ $kind != places ]] || compopt -o nospace 2> /dev/null
  fi
}
complete -o default -F _ferryline ferryline
`,
  zsh: (verbs, shared) => `#compdef ferryline
# ferryline: add to ~/.zshrc: source <(ferryline completion zsh)
_ferryline() {
  local -a verbs config names
  local verb at
  verbs=(
${verbs.map(({ name, description }) => `    '${name}:${description.replaceAll("'", "'\\''")}'`).join('\n')}
  )
  [[ $words[CURRENT-1] == (-c|--config) ]] && { _files; return }
  for ((at = 2; at < CURRENT; at++)); do
    case $words[at] in
      -c|--config) ((at++)); config=(-c \${words[at]/#\\~/$HOME}) ;;
      --config=*) config=(-c \${\${words[at]#--config=}/#\\~/$HOME}) ;;
      -*) ;;
      *) [[ -z $verb ]] && verb=$words[at] ;;
    esac
  done
  if [[ $PREFIX == -* ]]; then
    case $verb in
${verbs.map(({ name, flags }) => `      ${name}) compadd -- ${flags.join(' ')} ;;`).join('\n')}
      *) compadd -- ${shared.join(' ')} ;;
    esac
    return
  fi
  [[ -z $verb ]] && { _describe verb verbs; return }
  case $verb in
${eachKind(
  (kind, of) => `    ${of.join('|')})
      names=(\${(f)"$(ferryline $config __names ${kind} 2> /dev/null)"})
      compadd ${kind === 'places' ? "-S '' " : ''}-- $names${kind === 'places' ? '; _files' : ''} ;;`,
)}
    *) _files ;;
  esac
}
compdef _ferryline ferryline
`,
  fish: (
    verbs,
    shared,
  ) => `# ferryline: add to ~/.config/fish/config.fish: ferryline completion fish | source
function __ferryline_typed --argument-names wanted
    set -l config
    set -l verb
    set -l isFile
    for word in (commandline -opc)[2..]
        if test -n "$isFile"
            set config -c (string replace -r '^~' $HOME -- $word)
            set isFile
            continue
        end
        switch $word
            case -c --config
                set isFile yes
            case '--config=*'
                set config -c (string replace -r '^--config=' '' -- $word | string replace -r '^~' $HOME)
            case '-*'
            case '*'
                test -n "$verb"; or set verb $word
        end
    end
    if test $wanted = verb
        test -n "$isFile"; and echo __file; or echo $verb
    else
        ferryline $config __names $wanted 2> /dev/null
    end
end
function __ferryline_verb
    set -l verb (__ferryline_typed verb)
    contains -- "$verb" $argv
end
${verbs.map(({ name, description }) => `complete -c ferryline -f -n '__ferryline_verb ""' -a ${name} -d '${description.replaceAll("'", "\\'")}'`).join('\n')}
complete -c ferryline -s c -l config -r -F
${shared.map((flag) => `complete -c ferryline -n '__ferryline_verb ""' -l ${flag.slice(2)}`).join('\n')}
${eachKind((kind, of) => `complete -c ferryline ${kind === 'places' ? '' : '-f '}-n '__ferryline_verb ${of.join(' ')}' -a '(__ferryline_typed ${kind})'`)}
${verbs
  .flatMap(({ name, flags }) =>
    flags.map((flag) => `complete -c ferryline -n '__ferryline_verb ${name}' -l ${flag.slice(2)}`),
  )
  .join('\n')}
`,
};
