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

export interface Output extends OutputOptions {
  /** Colours for stderr. */
  readonly style: Style;
  /** Lines at the foot of the terminal that change in place; undefined without a terminal. */
  readonly block: Block | undefined;
  /** A line on stdout. */
  data(line: string): void;
  /** An object as a line of NDJSON on stdout, its free text redacted. */
  record(event: object): void;
  /** The same redaction for an object that is written elsewhere. */
  redacted<T extends object>(event: T): T;
  /** A line on stderr, except with `-q`. */
  note(line: string): void;
  /** A line on stderr, always. */
  alert(line: string): void;
  /** An error for people: what and where, why, what next. */
  error(error: FerryError): void;
  /** Values that are redacted from now on, instead of any earlier ones. */
  hide(secrets: readonly string[]): void;
  /** Writes what is buffered and restores the terminal. */
  flush(): void;
}

export interface Streams {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Characters buffered before they are written: a system call for each line would slow down large runs. */
const bufferChars = 16 * 1024;

export function createOutput(options: OutputOptions, streams: Streams): Output {
  const { stdout, stderr, env } = streams;
  const { json, verbosity } = options;
  const style = createStyle(mayColour(stderr, env, options.color));
  const lively = isLively(stderr, env) && verbosity >= 0 && !json;
  const block = lively ? new Block(stderr) : undefined;
  let redact: Redact = (text) => text;
  let buffered = '';
  let scheduled = false;

  const flushData = () => {
    scheduled = false;
    if (buffered === '') return;
    const text = buffered;
    buffered = '';
    block?.clear();
    stdout.write(text);
  };
  const data = (line: string) => {
    buffered += `${line}\n`;
    if (buffered.length >= bufferChars) flushData();
    else if (!scheduled) {
      scheduled = true;
      setImmediate(flushData);
    }
  };
  const alert = (line: string) => {
    flushData();
    block?.clear();
    stderr.write(`${redact(line)}\n`);
  };

  return {
    ...options,
    style,
    block,
    data: (line) => data(redact(line)),
    record: (event) => data(jsonLine(redactEvent(event, redact))),
    redacted: (event) => redactEvent(event, redact),
    note(line) {
      if (verbosity >= 0) alert(line);
    },
    alert,
    error(error) {
      const [first = '', ...more] = error.message.split('\n').map(terminalSafe);
      alert(`${style.red('error:')} ${first}`);
      for (const line of more) alert(`       ${line}`);
      if (error.path !== undefined) {
        const path = escapeText(error.path);
        if (!error.message.includes(path)) alert(`  path: ${path}`);
      }
      if (error.hint !== undefined) alert(`  next: ${terminalSafe(error.hint)}`);
      if (error.kind === 'defect' && verbosity >= 1) {
        const { stack } = error.cause instanceof Error ? error.cause : error;
        for (const line of (stack ?? '').split('\n').slice(1)) alert(terminalSafe(line));
      }
    },
    hide(secrets) {
      redact = redactor(secrets);
    },
    flush() {
      flushData();
      block?.end();
    },
  };
}
