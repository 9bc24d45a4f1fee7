/**
 * The two streams of the command line: data goes to stdout, everything else to stderr, secrets to
 * neither. reporter.ts and the verbs decide what is printed.
 */
import type { FerryError } from '../../core/errors.js';
import { escapeText, jsonLine, terminalSafe } from '../../core/text.js';
import { type Redact, redactEvent, redactor } from '../../observe/redact.js';
import { Block } from './block.js';
import { createStyle, isLively, mayColour, type Style } from './style.js';

/** `-q` is -1, `-v` 1, `-vv` 2. */
export type Verbosity = -1 | 0 | 1 | 2;

export interface OutputOptions {
  readonly json: boolean;
  readonly verbosity: Verbosity;
  readonly color: boolean;
}

export interface Streams {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Characters buffered before they are written: a system call for each line would slow down large runs. */
const bufferChars = 16 * 1024;

export class Output implements OutputOptions {
  readonly json: boolean;
  readonly verbosity: Verbosity;
  readonly color: boolean;
  /** Colours for stderr. */
  readonly style: Style;
  /** Lines at the foot of the terminal that change in place; undefined without a terminal. */
  readonly block: Block | undefined;
  /** Called for what begins each line on stderr. */
  readonly #begin: () => string;
  readonly #streams: Streams;
  #redact: Redact = redactor([]);
  #lastExitCode: unknown;
  #buffered = '';
  /** What is kept back; undefined: nothing has to be. */
  #held: [stream: NodeJS.WriteStream, text: string][] | undefined;
  #flushScheduled = false;

  constructor(
    { json, verbosity, color }: OutputOptions,
    streams: Streams,
    begin: () => string = () => '',
  ) {
    this.#begin = begin;
    this.json = json;
    this.verbosity = verbosity;
    this.color = color;
    this.#streams = streams;
    const { stderr, env } = streams;
    this.style = createStyle(mayColour(stderr, env, color));
    const lively = isLively(stderr, env) && verbosity >= 0 && !json;
    this.block = lively ? new Block(stderr) : undefined;
  }

  /** A line on stdout. */
  data(line: string): void {
    this.#write(this.#redact(line));
  }

  /** An object as a line of NDJSON on stdout, its free text redacted. */
  record(event: object): void {
    this.#lastExitCode = 'exitCode' in event ? event.exitCode : undefined;
    this.#write(jsonLine(this.redacted(event)));
  }

  /** The `exitCode` of the last object that was recorded. */
  get lastExitCode(): unknown {
    return this.#lastExitCode;
  }

  /** Text without the secrets that are hidden at the time. */
  readonly redact: Redact = (text) => this.#redact(text);

  /** The same redaction for an object that is written elsewhere. */
  redacted<T extends object>(event: T): T {
    return redactEvent(event, this.#redact);
  }

  /** A line on stderr, except with `-q`. */
  note(line: string): void {
    if (this.verbosity >= 0) this.alert(line);
  }

  /** A line on stderr, always. */
  alert(line: string): void {
    this.#flushData();
    this.#send(this.#streams.stderr, `${this.#begin()}${this.#redact(line)}\n`);
  }

  /** Keeps what is written back from the terminal until `release`: a person is asked something there. */
  hold(): void {
    this.#flushData();
    this.block?.hold();
    this.#held ??= [];
  }

  /** Writes what was kept back. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    this.block?.release();
    for (const [stream, text] of held) this.#send(stream, text);
  }

  /** An error for people: what and where, why, what next. `lines` has the stack of a defect name those of the sources. */
  error(error: FerryError, lines: (stack: string) => string = (stack) => stack): void {
    const [first = '', ...more] = error.message.split('\n').map(terminalSafe);
    this.alert(`${this.style.red('error:')} ${first}`);
    for (const line of more) this.alert(`       ${line}`);
    if (error.path !== undefined) {
      const path = escapeText(error.path);
      if (!error.message.includes(path)) this.alert(`  path: ${path}`);
    }
    if (error.hint !== undefined) this.alert(`  next: ${terminalSafe(error.hint)}`);
    if (error.kind === 'defect' && this.verbosity >= 1) {
      const { stack = '' } = error.cause instanceof Error ? error.cause : error;
      const [, ...places] = lines(stack).split('\n');
      for (const place of places) this.alert(terminalSafe(place));
    }
  }

  /** Values that are redacted from now on, instead of any earlier ones. */
  hide(secrets: readonly string[]): void {
    this.#redact = redactor(secrets);
  }

  /** Writes what is buffered and restores the terminal. */
  flush(): void {
    this.#flushData();
    this.release();
    this.block?.end();
  }

  #write(line: string): void {
    this.#buffered += `${line}\n`;
    if (this.#buffered.length >= bufferChars) this.#flushData();
    else if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      setImmediate(() => this.#flushData());
    }
  }

  #flushData(): void {
    this.#flushScheduled = false;
    if (this.#buffered === '') return;
    const text = this.#buffered;
    this.#buffered = '';
    this.#send(this.#streams.stdout, text);
  }

  #send(stream: NodeJS.WriteStream, text: string): void {
    if (this.#held !== undefined && stream.isTTY) {
      this.#held.push([stream, text]);
      return;
    }
    this.block?.clear();
    stream.write(text);
  }
}
