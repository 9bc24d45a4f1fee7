/**
 * The verbs and their flags. The code of a verb is loaded only when it is called, for a short start-up;
 * `--help` and `--version` need no other file.
 */
import { Command, CommanderError } from 'commander';
import { asFerryError, Cancelled, exitCodes, FerryError } from '../core/errors.js';
import { present } from '../core/present.js';
import { terminalSafe } from '../core/text.js';
import { homeFolder } from '../ssh/ssh-config/home-folder.js';
import { readOwnFile } from '../state/own-files.js';
import type { Context, Wrap } from './context.js';
import { addDaemonVerbs } from './daemon-verbs.js';
import {
  addRuleFlags,
  addRunFlags,
  allFlag,
  aloneFlag,
  jobsArgument,
  type RuleFlags,
  type RunFlags,
  wholeNumber,
} from './flags.js';
import { otherVerbs } from './other-tools.js';
import { addDoctor, addInit, addServerVerbs } from './server-verbs.js';
import { Output, type OutputOptions, type Verbosity } from './show/output.js';
import { typedFlags } from './typed-command.js';
import type { ApplyFlags } from './verbs/apply.js';
import type { CheckFlags } from './verbs/check.js';
import type { PlanFlags } from './verbs/plan.js';
import type { RestoreFlags } from './verbs/restore.js';
import type { SchemaFlags } from './verbs/schema.js';
import type { TrustFlags } from './verbs/trust-target.js';
import { workingFolder } from './working-folder.js';

/** Verbs planned for a later version. */
const laterVerbs = ['rollback', 'releases'];

const exitCodesText = `
Exit codes: 0 succeeded, 1 bug in ferryline, 2 usage or configuration, 3 incomplete,
4 network, 5 authentication, 6 host key unknown or changed, 7 refused by a guard,
8 busy, 9 hostile peer, 130 and 143 cancelled.`;

interface Signals extends Pick<Context, 'stopSignal' | 'hangups'> {
  /** Takes what is called right before a SIGINT or SIGTERM ends the process. */
  readonly beforeCut: (cut: (cancelled: Cancelled) => void) => void;
}

/** Runs a command line and resolves to its exit code. Errors are printed; it never rejects. */
export async function runProgram(args: readonly string[], signals: Signals): Promise<number> {
  let code = 0;
  let context: Context | undefined;
  const program = buildProgram((action) => async (...given) => {
    const command = given.pop() as Command;
    given.pop();
    if (command.name() !== 'start') signals.hangups.release();
    context = contextOf(command, signals);
    const { output } = context;
    if (output.json)
      signals.beforeCut((cancelled) => {
        recordCancelled(cancelled, output);
        output.flush();
      });
    code = await action(context, command.optsWithGlobals(), ...(given as string[]));
  });
  try {
    await program.parseAsync(unbundled(args), { from: 'user' });
    if (context !== undefined && (code === 130 || code === 143))
      recordCancelled(new Cancelled(code), context.output);
    return code;
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return 0;
    if (thrown instanceof Cancelled) {
      if (context !== undefined) recordCancelled(thrown, context.output);
      return thrown.exitCode;
    }
    const json = args.slice(0, endOfFlags(args)).includes('--json');
    const output = context?.output ?? openOutput({ json, verbosity: 0, color: true });
    const error = thrown instanceof CommanderError ? wrongUsage(thrown) : asFerryError(thrown);
    // commander has printed its own errors
    if (!(thrown instanceof CommanderError)) await showError(error, output);
    recordError(error, output);
    return exitCodes[error.kind];
  } finally {
    context?.output.flush();
  }
}

async function showError(error: FerryError, output: Output): Promise<void> {
  if (error.kind !== 'defect') return output.error(error);
  const { sourceLines } = await import('../observe/source-lines.js');
  output.error(error, sourceLines);
}

/** With `--json`, what ended the command is its last event. */
function recordError({ kind, message, path, hint }: FerryError, output: Output): void {
  if (output.json) output.record({ ...errorEvent(), kind, message, ...present({ path, hint }) });
}

const errorEvent = () => ({ event: 'error', time: new Date().toISOString() });

/** The same for a signal, unless the last event says so already. */
function recordCancelled({ exitCode, message }: Cancelled, output: Output): void {
  if (output.json && output.lastExitCode !== exitCode)
    output.record({ ...errorEvent(), kind: 'cancelled', message });
}

function wrongUsage({ message }: CommanderError): FerryError {
  return new FerryError('config', message.replace(/^error: /, ''));
}

/** Where the flags of a command line end: at `--`, else at its end. */
function endOfFlags(args: readonly string[]): number {
  const end = args.indexOf('--');
  return end < 0 ? args.length : end;
}

/** `-nv` as `-n -v`: commander takes a bundle apart only if all its flags are of one command. */
function unbundled(args: readonly string[]): string[] {
  const end = endOfFlags(args);
  return args.flatMap((arg, at) =>
    /^-[nqvlRfhV]{2,}$/.test(arg) && at < end
      ? [...arg.slice(1)].map((letter) => `-${letter}`)
      : [arg],
  );
}

/** The program with all its commands; `wrap` makes the action of each. */
export function buildProgram(wrap: Wrap): Command {
  const program = new Command('ferryline')
    .description('Automated sync and transfer jobs over SFTP: push, pull and mirror.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help for ferryline or a command')
    .helpCommand('help [command]', 'print help for a command')
    .option('-c, --config <file>', 'jobs.yml to use')
    .option('--no-config', 'use no jobs.yml')
    .option('--json', 'print events as JSON lines on stdout, and nothing else')
    .option('-q, --quiet', 'print errors only')
    .option(
      '-v, --verbose',
      'print each file; -vv: the session transcript, too',
      (_, n: number) => n + 1,
      0,
    )
    .option('--no-color', 'do not use colours')
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', exitCodesText)
    .configureOutput({ outputError: (text, write) => write(safeLines(text)) })
    .showSuggestionAfterError()
    .exitOverride();
  addRunVerbs(program, wrap);
  addDaemonVerbs(program, wrap);
  addOtherVerbs(program, wrap);
  addServerVerbs(program, wrap);
  for (const name of laterVerbs)
    refuse(program, wrap, name, `\`ferryline ${name}\` is not in this version`);
  for (const [name, ours] of Object.entries(otherVerbs))
    refuse(program, wrap, name, `there is no \`ferryline ${name}\`; use \`ferryline ${ours}\``);
  for (const command of program.commands) showUsageAfterError(command);
  return program;
}

/** After an error in a command's arguments, its usage is shown, too. */
function showUsageAfterError(command: Command): void {
  const usage = `usage: ferryline ${command.name()} ${command.usage()}\n`;
  command.configureOutput({
    outputError: (text, write) => write(safeLines(text) + usage),
  });
}

/** What commander says of a command line, which repeats its words, as lines that are safe on a terminal. */
function safeLines(text: string): string {
  return text.split('\n').map(terminalSafe).join('\n');
}

/** A hidden verb that only fails with a message. */
function refuse(program: Command, wrap: Wrap, name: string, message: string): void {
  program
    .command(name, { hidden: true })
    .argument('[args...]')
    .allowUnknownOption()
    .helpOption(false)
    .action(
      wrap(() => {
        throw new FerryError('config', message, {
          hint: '`ferryline --help` lists the commands of this version',
        });
      }),
    );
}

function addRunVerbs(program: Command, wrap: Wrap): void {
  program.commandsGroup('Run jobs:');
  addRuleFlags(
    addRunFlags(
      program
        .command('run')
        .argument('[job...]', jobsArgument)
        .option(...allFlag)
        .description('run jobs now, in this process'),
    ),
  ).action(
    wrap(async (context, flags: RunFlags, names: string[]) => {
      const { run } = await import('./verbs/run.js');
      return run(names, flags, context);
    }),
  );
  addRuleFlags(
    program
      .command('plan')
      .argument('[job...]', jobsArgument)
      .option(...allFlag)
      .description('print what a run would do')
      .option('--exit-code', 'exit with 10 if there is something to do')
      .option('--out <file>', 'write the sealed plan to a file, for `apply`'),
  ).action(
    wrap(async (context, flags: PlanFlags, names: string[]) => {
      const { plan } = await import('./verbs/plan.js');
      return plan(names, flags, context);
    }),
  );
  program
    .command('apply')
    .argument('<file>', 'the file that `plan --out` wrote')
    .description('carry out a sealed plan, exactly as it is')
    .option('--approve', 'even if the guard refused it')
    .option(...aloneFlag)
    .action(
      wrap(async (context, flags: ApplyFlags, file: string) => {
        const { apply } = await import('./verbs/apply.js');
        return apply(file, flags, context);
      }),
    );
  addRuleFlags(
    program
      .command('check')
      .argument('[job...]', jobsArgument)
      .option(...allFlag)
      .description('compare the bytes of both sides, and change nothing')
      .option('--sample <share>', 'read only this share of the files, such as 5%')
      .option('--seed <text>', 'choose the same sample again')
      .option(...aloneFlag),
  ).action(
    wrap(async (context, flags: CheckFlags, names: string[]) => {
      const { check } = await import('./verbs/check.js');
      return check(names, flags, context);
    }),
  );
  addRuleFlags(
    program
      .command('explain')
      .argument('<job>')
      .argument('<path>', "path below the job's folders")
      .description('explain why a path is transferred or not'),
  ).action(
    wrap(async (context, flags: RuleFlags, name: string, path: string) => {
      const { explain } = await import('./verbs/explain.js');
      return explain(name, path, flags, context);
    }),
  );
  addRestore(program, wrap);
}

function addRestore(program: Command, wrap: Wrap): void {
  program
    .command('restore')
    .argument('<job>')
    .argument('[path...]', 'a file, a folder, or a pattern; without one, the trash is listed')
    .description('bring back what runs have deleted or replaced')
    .option(
      '--run <run>',
      'only what this run has deleted or replaced (an id, its beginning, latest)',
    )
    .option('--target <name>', 'the trash of this one, where the job has several targets')
    .option('--to <folder>', 'restore into this local folder instead')
    .option('--force', 'overwrite what exists; it goes to the trash')
    .option('-n, --dry-run', 'print what would be restored, and change nothing')
    .option(...aloneFlag)
    .action(
      wrap(async (context, flags: RestoreFlags, name: string, paths: string[]) => {
        const { restore } = await import('./verbs/restore.js');
        return restore(name, paths, flags, context);
      }),
    );
}

function addOtherVerbs(program: Command, wrap: Wrap): void {
  program.commandsGroup('Set up:');
  addDoctor(program, wrap, version());
  addInit(program, wrap);
  program
    .command('validate')
    .description('check jobs.yml')
    .action(wrap(async (context) => (await import('./verbs/validate.js')).validate(context)));
  program
    .command('next')
    .argument('[job...]', jobsArgument)
    .option(...allFlag)
    .description('print the next times at which schedules run jobs')
    .action(
      wrap(async (context, flags: { all?: boolean }, names: string[]) => {
        const { next } = await import('./verbs/next.js');
        return next(names, flags, context);
      }),
    );
  program
    .command('trust')
    .argument('<remote|host>', 'a remote or group of jobs.yml, or a host')
    .description("show a server's host key and trust it")
    .option('--fingerprint <SHA256:...>', 'trust only the key with this fingerprint')
    .option('--yes', 'do not ask; needs --fingerprint')
    .option('-P, --port <port>', 'port of the server', wholeNumber('-P', 1, 65_535))
    .action(
      wrap(async (context, flags: TrustFlags, target: string) => {
        const { trustCommand } = await import('./verbs/trust-target.js');
        return trustCommand(target, flags, context);
      }),
    );
  program
    .command('schema')
    .argument('[key...]', 'explain these keys, such as jobs.delete')
    .description('print the JSON schema of jobs.yml, or explain its keys')
    .option('--docs', 'explain all keys, as Markdown')
    .action(
      wrap(async (context, flags: SchemaFlags, keys: string[]) => {
        const { schema } = await import('./verbs/schema.js');
        return schema(keys, flags, context);
      }),
    );
  program
    .command('completion')
    .argument('<shell>', 'bash, zsh or fish')
    .description('print a completion script for a shell')
    .action(
      wrap(async (context, _flags, shell: string) => {
        const { completion } = await import('./verbs/completion.js');
        return completion(shell, program, context);
      }),
    );
  program
    .command('__names', { hidden: true })
    .argument('<kind>', 'jobs, remotes, places or runs')
    .action(
      wrap(async (context, _flags, kind: string) => {
        const { names } = await import('./verbs/names.js');
        return names(kind, context);
      }),
    );
  program
    .command('demo')
    .description('show jobs at work, against a temporary server')
    .action(wrap(async (context) => (await import('./demo/demo.js')).demo(context)));
}

function contextOf(command: Command, signals: Pick<Context, 'stopSignal' | 'hangups'>): Context {
  const flags = command.optsWithGlobals<{
    config?: string | false;
    json?: boolean;
    quiet?: boolean;
    verbose: number;
    color: boolean;
  }>();
  const verbosity = flags.quiet === true ? -1 : (Math.min(2, flags.verbose) as Verbosity);
  return {
    environment: {
      env: process.env,
      home: homeFolder(),
      cwd: workingFolder(process.env.PWD, process.cwd()),
      args: process.argv.slice(2),
      uid: process.geteuid?.() ?? 0,
    },
    output: openOutput({ json: flags.json === true, verbosity, color: flags.color }),
    config: flags.config,
    typed: typedFlags(command),
    ...signals,
  };
}

/** Output that is flushed, with the terminal restored, however the process ends. */
function openOutput(options: OutputOptions): Output {
  const output = new Output(options, process);
  process.once('exit', () => output.flush());
  return output;
}

function version(): string {
  const text = readOwnFile('package.json').toString();
  return (JSON.parse(text) as { version: string }).version;
}
