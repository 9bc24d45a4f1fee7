/** No unsafe character reaches a terminal or a log, whichever output writes it. */
import { Writable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { Output } from '../../src/cli/show/output.js';
import { Reporter, showTranscript } from '../../src/cli/show/reporter.js';
import { FerryError } from '../../src/core/errors.js';
import { escapeText, jsonLine, terminalSafe } from '../../src/core/text.js';
import { createLog } from '../../src/observe/log.js';

const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => String.fromCharCode(from + i));

const unsafe = [
  ...range(0x00, 0x1f),
  ...range(0x7f, 0x9f),
  '\u00ad',
  '\u061c',
  ...range(0x200b, 0x200f),
  ...range(0x2028, 0x202e),
  ...range(0x2060, 0x2069),
  '\ufeff',
  '\ud800',
  '\udbff',
  '\udc00',
  '\udfff',
];
const named = unsafe.map((c) => ({
  name: `U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`,
  c,
}));
const harmless = ['plain', 'ä', '日本', 'a b', '\u{1f600}', '"quoted"', 'e\u0301', '\u00a0'];

/** What each output writes when `text` is part of what it is given. */
const outputs: Readonly<Record<string, (text: string) => Promise<string> | string>> = {
  'a name': escapeText,
  'a message': terminalSafe,
  'an error': (text) =>
    shown((output) => output.error(new FerryError('io', `a${text}`, { hint: `b${text}` }))),
  'a path of an error': (text) =>
    shown((output) => output.error(new FerryError('io', 'it failed', { path: `a${text}` }))),
  'a notice': (text) =>
    shown((output) => {
      const { emit } = new Reporter(output, { job: 'j', plan: false, dryRun: false });
      emit({ event: 'notice', level: 'warning', message: text });
    }),
  'a failed file': (text) =>
    shown((output) => {
      const { emit } = new Reporter(output, { job: 'j', plan: false, dryRun: false });
      emit({ event: 'file', action: 'fail', path: text, kind: 'io', message: text });
    }),
  'the transcript': (text) =>
    shown((output) => showTranscript(output, 'archive', 'response', text)),
  '--json': (text) => shown((output) => output.record({ event: 'file', path: text, [text]: 1 })),
  'the log as JSON': (text) => logged(text, false),
  'the log on a terminal': (text) => logged(text, true),
};

function shown(act: (output: Output) => void): string {
  let text = '';
  const stream = {
    isTTY: false,
    columns: 80,
    write(chunk: string) {
      text += chunk;
      return true;
    },
  } as unknown as NodeJS.WriteStream;
  const output = new Output(
    { json: false, verbosity: 2, color: false },
    { stdout: stream, stderr: stream, env: {} },
  );
  act(output);
  output.flush();
  return text;
}

async function logged(text: string, tty: boolean): Promise<string> {
  let written = '';
  const out = new Writable({
    write(chunk, _, done) {
      written += chunk;
      done();
    },
  });
  const log = createLog({ out, tty, colour: false, level: 'info', redact: (it) => it });
  log.info(`a${text}`, { path: text });
  await log.close();
  return written;
}

describe.each(Object.entries(outputs))('%s', (_, write) => {
  test.each(named)('holds no $name', async ({ c }) => {
    // a line feed ends the lines that an output writes itself
    const own = (await write('')).split('\n').length;
    const written = await write(`x${c}y`);
    if (c === '\n') expect(written.split('\n').length - own).toBeLessThanOrEqual(1);
    else expect(written).not.toContain(c);
    expect(written.replaceAll('\n', '')).toMatch(/^\P{Cc}*$/u);
  });
});

test.each(harmless)('%j is shown as it is', (text) => {
  expect(terminalSafe(text)).toBe(text);
  expect(escapeText(text)).toBe(text);
});

test('a backslash is doubled in a name, so that a name can be told from what was escaped', () => {
  expect(escapeText('a\\nb')).toBe('a\\\\nb');
  expect(terminalSafe('a\\nb')).toBe('a\\nb');
  expect(escapeText('a\nb\u202ec')).toBe('a\\nb\\u202ec');
});

test.each(named)('JSON with $name in it is the same value when parsed', ({ c }) => {
  const value = { [c]: c };
  expect(JSON.parse(jsonLine(value))).toEqual(value);
});
