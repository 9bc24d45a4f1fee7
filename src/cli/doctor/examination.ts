/** An examination: stages one after another, each with what was found, how long that took, and what to do about it. */
import { performance } from 'node:perf_hooks';
import { asFerryError, type ErrorKind, exitCodes, worstExitCode } from '../../core/errors.js';
import { present } from '../../core/present.js';
import { escapeText, terminalSafe } from '../../core/text.js';
import type { Output } from '../show/output.js';

/** What a stage has found; with `fix`, it is a warning, and that is what to do. */
export interface Finding {
  readonly found: string;
  readonly fix?: string;
}

export interface Stage {
  /** What is examined: a remote, a host, or `here`. */
  readonly about: string;
  readonly stage: string;
  readonly state: 'ok' | 'warning' | 'failed';
  /** Milliseconds it took. */
  readonly ms: number;
  readonly found: string;
  /** What to do next. */
  readonly fix?: string;
  /** Of a stage that failed. */
  readonly kind?: ErrorKind;
}

/** Columns of the state and of the stage's name. */
const widths = { state: 8, stage: 12, ms: 6 };

export class Examination {
  readonly stages: Stage[] = [];
  readonly #output: Output;
  #about = '';

  constructor(output: Output) {
    this.#output = output;
  }

  /** What the next stages are about; `where` says which server or machine that is. */
  begin(about: string, where: string): void {
    this.#about = about;
    if (!this.#output.json) this.#output.data(`${escapeText(about)}: ${escapeText(where)}`);
  }

  /**
   * Looks at one thing, and prints it. Resolves to whether it is in order or only a warning. What `look`
   * throws is a stage that failed; only the signal's reason is thrown on.
   */
  async look(
    stage: string,
    signal: AbortSignal,
    look: () => Promise<Finding> | Finding,
  ): Promise<boolean> {
    const since = performance.now();
    let found: Pick<Stage, 'state' | 'found' | 'fix' | 'kind'>;
    try {
      const finding = await look();
      found = { state: finding.fix === undefined ? 'ok' : 'warning', ...finding };
    } catch (thrown) {
      signal.throwIfAborted();
      const { message, hint, kind } = asFerryError(thrown);
      found = { state: 'failed', found: message, kind, ...present({ fix: hint }) };
    }
    const ms = Math.round(performance.now() - since);
    this.#show({ about: this.#about, stage, ms, ...found });
    return found.state !== 'failed';
  }

  /** 0 if no stage failed, else as a run that fails in that way. */
  get exitCode(): number {
    return worstExitCode(this.stages.map(({ kind }) => (kind === undefined ? 0 : exitCodes[kind])));
  }

  #show(stage: Stage): void {
    this.stages.push(stage);
    if (this.#output.json) {
      this.#output.record({ event: 'stage', time: new Date().toISOString(), ...stage });
      return;
    }
    const columns = [
      stage.state.padEnd(widths.state),
      stage.stage.padEnd(widths.stage),
      `${String(stage.ms).padStart(widths.ms)} ms`,
    ];
    const indent = ' '.repeat(widths.state + widths.stage + widths.ms + 11);
    const lines = stage.found.split('\n').map(terminalSafe);
    this.#output.data(`  ${columns.join('  ')}  ${lines.join(`\n${indent}`)}`);
    if (stage.fix !== undefined)
      this.#output.data(`${indent.slice(6)}next: ${terminalSafe(stage.fix)}`);
  }
}
