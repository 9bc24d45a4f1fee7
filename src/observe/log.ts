/**
 * The daemon's own log, written by winston: lines for people on a terminal, lines of JSON elsewhere.
 * Runs and files have logs of their own (run-log.ts, transfer-log.ts).
 */
import { Writable } from 'node:stream';
import { createLogger, format, transports } from 'winston';
import { jsonLine, terminalSafe } from '../core/text.js';
import type { Redact } from './redact.js';
import { sourceLines } from './source-lines.js';

type Level = 'error' | 'warn' | 'info' | 'debug';

/** Details of a message: text, numbers, lists and objects of them, errors. The log's own field names are reserved. */
export type Fields = Readonly<Record<string, unknown>> & {
  readonly time?: never;
  readonly level?: never;
  readonly message?: never;
};

/** None of these throws or waits. */
export interface Log {
  error(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  debug(message: string, fields?: Fields): void;
  /** The same log with fields added to every line. */
  child(fields: Fields): Log;
}

export interface RootLog extends Log {
  /** From now on `redact` removes the secrets. */
  setRedact(redact: Redact): void;
  /** Resolves when all lines are handed to the system, or after a second. */
  close(): Promise<void>;
}

export interface LogOptions {
  /** Receives the lines: stderr. */
  readonly out: NodeJS.WritableStream;
  /** Whether people read it. */
  readonly tty: boolean;
  readonly colour: boolean;
  /** The lowest level that is shown; with `debug`, errors are shown with their stack. */
  readonly level: Level;
  readonly redact: Redact;
}

/** `close` gives up on a reader that takes nothing after this time. */
const closeWithinMs = 1000;
/** Characters held for a slow reader; further lines are lost, and counted. */
const mostHeldChars = 1024 * 1024;

/** Opens the log. An `out` that fails (its reader is gone, the disk is full) loses lines and ends nothing. */
export function createLog(options: LogOptions): RootLog {
  let { redact } = options;
  const debug = options.level === 'debug';
  const show = options.tty ? personLine(options.colour) : recordLine;
  const sink = createSink(options.out);
  let lost = 0;
  const logger = createLogger({
    level: options.level,
    exitOnError: false,
    format: format.printf((info) =>
      show({
        time: new Date(),
        level: info.level as Level,
        message: redact(String(info.message)),
        fields: plain(info.fields ?? {}, redact, debug) as LogRecord['fields'],
      }),
    ),
    transports: [new transports.Stream({ stream: sink, eol: '\n' })],
  });
  // a line after the end is lost, and must not end the process
  logger.on('error', () => {});
  const logOf = (common: Fields): Log => {
    const at = (level: Level) => (message: string, fields?: Fields) => {
      if (!logger.isLevelEnabled(level)) return;
      if (sink.writableLength > mostHeldChars) {
        lost++;
        return;
      }
      if (lost > 0) logger.warn(`${lost} lines of this log were lost: they were read too slowly`);
      lost = 0;
      // fields as one value: winston would confuse some of their names with its own
      logger.log({ level, message, fields: { ...common, ...fields } });
    };
    return {
      error: at('error'),
      warn: at('warn'),
      info: at('info'),
      debug: at('debug'),
      child: (fields) => logOf({ ...common, ...fields }),
    };
  };
  return {
    ...logOf({}),
    setRedact(next) {
      redact = next;
    },
    async close() {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, closeWithinMs);
      });
      const finished = new Promise<void>((resolve) => {
        logger.once('finish', () => sink.end(resolve));
      });
      logger.end();
      await Promise.race([finished, late]);
      clearTimeout(timer);
    },
  };
}

/** Passes text on to `out`, whose errors end nothing. */
function createSink(out: NodeJS.WritableStream): Writable {
  out.on('error', () => {});
  return new Writable({
    decodeStrings: false,
    write(text: string, _, done) {
      try {
        out.write(text, () => done());
      } catch {
        done();
      }
    },
  });
}

interface LogRecord {
  readonly time: Date;
  readonly level: Level;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

function recordLine({ time, level, message, fields }: LogRecord): string {
  const own = { time: time.toISOString(), level, message };
  return jsonLine({ ...own, ...fields, ...own });
}

const colours: Readonly<Record<Level, number>> = { error: 31, warn: 33, info: 32, debug: 2 };

/** `2026-11-24 02:00:00 info  message  key=value`, in local time. */
function personLine(coloured: boolean): (line: LogRecord) => string {
  const paint = (code: number, text: string) => (coloured ? `\x1b[${code}m${text}\x1b[0m` : text);
  return ({ time, level, message, fields }) => {
    const pairs = Object.entries(fields).map(
      ([key, value]) => `${paint(2, `${terminalSafe(key)}=`)}${shown(value)}`,
    );
    const when = paint(2, `${localTime(time)}`);
    return [
      `${when} ${paint(colours[level], level.padEnd(5))} ${terminalSafe(message)}`,
      ...pairs,
    ].join('  ');
  };
}

function localTime(time: Date): string {
  const local = new Date(time.getTime() - time.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19).replace('T', ' ');
}

/** A value after its key: bare if nothing in it looks like another key or value. */
function shown(value: unknown): string {
  if (typeof value === 'string' && /^[^\s"'=\\\p{C}]+$/u.test(value)) return value;
  return jsonLine(value);
}

/** A field's value as JSON can hold it, with secrets removed at every depth. */
function plain(value: unknown, redact: Redact, debug: boolean, depth = 0): unknown {
  if (typeof value === 'string') return redact(value);
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  if (value === null || value === undefined) return value;
  if (value instanceof Error)
    return redact(debug ? sourceLines(value.stack ?? value.message) : value.message);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (typeof value !== 'object' || depth > 4) return redact(String(value));
  if (Array.isArray(value)) return value.map((item) => plain(item, redact, debug, depth + 1));
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([name, item]) => [name, plain(item, redact, debug, depth + 1)]),
  );
}
