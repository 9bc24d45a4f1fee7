/** Asks people on a terminal, one line each. */
import { createInterface, type Interface } from 'node:readline/promises';
import type { Readable, Writable } from 'node:stream';
import { FerryError } from '../../core/errors.js';
import { terminalSafe } from '../../core/text.js';

export interface Terminal {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  /** Where questions are written. */
  readonly stderr: Writable;
}

export interface Question<T> {
  readonly ask: string;
  /** What an empty answer means; absent: there must be one. */
  readonly usual?: string | undefined;
  /** What was given as a flag: it is not asked for. */
  readonly given?: string | undefined;
  /** Turns the answer into a value; an error is shown, and the question is asked again. */
  readonly read: (answer: string) => Promise<T> | T;
}

/** The answers of one command. Without a terminal, what is given or usual is taken; the first error ends it. */
export class Questions {
  readonly #lines: Interface | undefined;
  readonly #answers: AsyncIterator<string> | undefined;
  readonly #terminal: Terminal;
  readonly #signal: AbortSignal;

  constructor(terminal: Terminal, signal: AbortSignal) {
    this.#terminal = terminal;
    this.#signal = signal;
    if (terminal.stdin.isTTY !== true) return;
    // Terminal mode would turn Ctrl-C into a key instead of a signal.
    this.#lines = createInterface({ input: terminal.stdin, terminal: false });
    this.#answers = this.#lines[Symbol.asyncIterator]();
  }

  /** Whether somebody can be asked. */
  get areAsked(): boolean {
    return this.#lines !== undefined;
  }

  /** Errors: `config` where there is no answer; those of `read` where nobody can be asked again. */
  async ask<T>(question: Question<T>): Promise<T> {
    let { given } = question;
    for (;;) {
      const answer = given ?? (await this.#answer(question));
      try {
        return await question.read(answer);
      } catch (thrown) {
        this.#signal.throwIfAborted();
        if (!this.areAsked || !(thrown instanceof FerryError)) throw thrown;
        this.say(`  ${thrown.message}`);
        if (thrown.hint !== undefined) this.say(`  next: ${thrown.hint}`);
        given = undefined;
      }
    }
  }

  /** A line for the person who answers. */
  say(text: string): void {
    for (const line of text.split('\n')) this.#terminal.stderr.write(`${terminalSafe(line)}\n`);
  }

  close(): void {
    this.#lines?.close();
  }

  async #answer({ ask, usual }: Pick<Question<unknown>, 'ask' | 'usual'>): Promise<string> {
    if (this.#answers === undefined) {
      if (usual !== undefined) return usual;
      throw new FerryError('config', `${ask}: not given, and there is no terminal to ask on`, {
        hint: 'give it as a flag: `ferryline init --help` lists them',
      });
    }
    const hint = usual === undefined || usual === '' ? '' : ` [${terminalSafe(usual)}]`;
    this.#terminal.stderr.write(`${ask}${hint}: `);
    const next = await this.#nextLine(this.#answers);
    if (next.done === true)
      throw new FerryError('config', 'the answers ended early; nothing was written', {
        hint: 'run `ferryline init` again',
      });
    const text = next.value.trim();
    if (text !== '') return text;
    if (usual !== undefined) return usual;
    return this.#answer({ ask, usual });
  }

  #nextLine(answers: AsyncIterator<string>): Promise<IteratorResult<string>> {
    const aborted = new Promise<never>((_, reject) => {
      const abort = () => reject(this.#signal.reason);
      if (this.#signal.aborted) abort();
      else this.#signal.addEventListener('abort', abort, { once: true });
    });
    return Promise.race([answers.next(), aborted]);
  }
}
