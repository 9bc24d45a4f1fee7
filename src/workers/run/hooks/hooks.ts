/** The commands of a job around one run of it: what they are given, and what becomes of the run when one fails. */
import { FerryError } from '../../../core/errors.js';
import type { Emit, HookEnd, HookName, Report } from '../../../core/events.js';
import type { Hooks } from '../../../core/job.js';
import { present } from '../../../core/present.js';
import { escapeText, formatDuration } from '../../../core/text.js';
import { runCommand } from './command.js';

/** What hooks learn of the run. */
export interface HookFacts {
  readonly job: string;
  readonly run: string;
  readonly slot?: string;
  /** The state folder. */
  readonly state: string;
  readonly attempt: number;
}

/** Variables of ferryline's own environment that every hook gets. */
const inherited = ['PATH', 'HOME', 'LANG', 'TZ'];
/** Characters of a line of output that the run's log shows. */
const lineChars = 500;

export class RunHooks {
  readonly #hooks: Hooks;
  readonly #facts: HookFacts;
  readonly #emit: Emit;
  readonly #ends: HookEnd[] = [];

  constructor(hooks: Hooks, facts: HookFacts, emit: Emit) {
    this.#hooks = hooks;
    this.#facts = facts;
    this.#emit = emit;
  }

  /** Rejects with `refused` when the command fails, or with the signal's reason: the run must not begin. */
  async before(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const failed = await this.#run('before', {}, '', signal);
    signal.throwIfAborted();
    if (failed !== undefined)
      throw new FerryError('refused', failed, {
        hint: 'nothing was changed; `ferryline logs` of this run has what the command printed',
      });
  }

  /** Runs what follows a run that ended like this, with the report as its input. Resolves to the report, which a failed command makes incomplete. */
  async after(report: Report, files: string | undefined, signal: AbortSignal): Promise<Report> {
    const { outcome } = report;
    const variables = { OUTCOME: outcome, ...present({ LOG: files }) };
    const failed: string[] = [];
    for (const hook of hooksAfter(outcome)) {
      const input = `${JSON.stringify({ ...report, hooks: this.#ends })}\n`;
      const why = await this.#run(hook, variables, input, signal);
      if (why !== undefined) failed.push(why);
    }
    const ended = this.#ends.length === 0 ? report : { ...report, hooks: [...this.#ends] };
    if (failed.length === 0 || outcome !== 'succeeded') return ended;
    const message = failed.join('; ');
    const hint =
      'the files are as the counts say; `ferryline logs` of this run has what it printed';
    return { ...ended, outcome: 'incomplete', exitCode: 3, error: { kind: 'io', message, hint } };
  }

  /** Runs one command, if the job has it. Resolves to why it failed. */
  async #run(
    hook: HookName,
    variables: Readonly<Record<string, string>>,
    input: string,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { folder, timeout } = this.#hooks;
    const argv = this.#hooks[hook];
    if (argv === undefined) return undefined;
    const env = this.#environment(variables);
    const { failed, seconds, output } = await runCommand(
      { argv, folder, env, input, timeout },
      signal,
    );
    const lines = output.split(/\r?\n|\r/).filter((line) => line.trim() !== '');
    for (const line of lines) this.#note('info', `${hook}: ${line.slice(0, lineChars)}`);
    if (failed === undefined) {
      this.#note('info', `hook ${hook} succeeded in ${formatDuration(seconds * 1000)}`);
      this.#ends.push({ hook, seconds });
      return undefined;
    }
    const last = lines.at(-1)?.trim().slice(0, lineChars);
    const said = last === undefined ? '' : `: ${escapeText(last)}`;
    const message = `hook ${hook} failed: ${escapeText(argv[0] ?? '')} ${failed}${said}`;
    this.#note('warning', message);
    this.#ends.push({ hook, seconds, error: message });
    return message;
  }

  /** The whole environment of a hook. Nothing of it is made of file names. */
  #environment(variables: Readonly<Record<string, string>>): Record<string, string> {
    const { env, config } = this.#hooks;
    const { job, run, slot, state, attempt } = this.#facts;
    const names = [...inherited, ...env];
    const own = names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value] as const];
    });
    const ours = {
      JOB: job,
      RUN: run,
      ...present({ SLOT: slot }),
      ATTEMPT: String(attempt),
      CONFIG: config,
      STATE_DIR: state,
      ...variables,
    };
    const given = Object.entries(ours).map(([name, value]) => [`FERRYLINE_${name}`, value]);
    return Object.fromEntries([...own, ...given]);
  }

  #note(level: 'info' | 'warning', message: string): void {
    this.#emit({ event: 'notice', level, message });
  }
}

/** A cancelled run has neither succeeded nor failed. */
function hooksAfter(outcome: Report['outcome']): readonly HookName[] {
  if (outcome === 'succeeded') return ['success', 'always'];
  return outcome === 'cancelled' ? ['always'] : ['failure', 'always'];
}
