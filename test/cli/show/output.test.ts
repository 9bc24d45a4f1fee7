import { afterEach, describe, expect, test, vi } from 'vitest';
import { Block } from '../../../src/cli/show/block.js';
import { Output, type OutputOptions } from '../../../src/cli/show/output.js';
import { Reporter } from '../../../src/cli/show/reporter.js';
import { FerryError } from '../../../src/core/errors.js';
import type { PlanEvent, RunEnd, RunEvent } from '../../../src/core/events.js';

afterEach(() => {
  vi.useRealTimers();
});

interface Opened extends Output {
  readonly stdout: string;
  readonly stderr: string;
}

/** An output whose streams are kept as text. */
function open(
  options: Partial<OutputOptions> = {},
  { env = {}, tty = false }: { env?: Record<string, string>; tty?: boolean } = {},
): Opened {
  const text = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof text) =>
    ({
      isTTY: tty,
      columns: 60,
      write(chunk: string) {
        text[name] += chunk;
        return true;
      },
    }) as unknown as NodeJS.WriteStream;
  const output = new Output(
    { json: false, verbosity: 0, color: true, ...options },
    { stdout: stream('stdout'), stderr: stream('stderr'), env },
  );
  return Object.defineProperties(output, {
    stdout: {
      get() {
        output.flush();
        return text.stdout;
      },
    },
    stderr: { get: () => text.stderr },
  }) as Opened;
}

describe('an error', () => {
  test('says what and where, why, and what next', () => {
    const output = open();
    output.error(
      new FerryError('io', 'nightly: a\\nb is not readable', { path: 'a\nb', hint: 'chmod it' }),
    );
    expect(output.stderr).toBe('error: nightly: a\\nb is not readable\n  next: chmod it\n');
    expect(output.stdout).toBe('');
  });

  test('shows a path the message lacks, and no control character of either', () => {
    const output = open();
    output.error(new FerryError('io', 'went\x1b[2J wrong\nagain', { path: 'x\x07' }));
    expect(output.stderr).toBe('error: went\\x1b[2J wrong\n       again\n  path: x\\x07\n');
  });

  test('is shown with -q, a note is not', () => {
    const output = open({ verbosity: -1 });
    output.note('note');
    output.error(new FerryError('io', 'wrong'));
    expect(output.stderr).toBe('error: wrong\n');
  });
});

test('no stream shows a hidden value', () => {
  const output = open();
  output.hide(['hunter2-x']);
  output.data('data hunter2-x');
  output.record({ event: 'run', message: 'hunter2-x' });
  output.note('note hunter2-x');
  output.error(new FerryError('auth', 'hunter2-x refused', { hint: 'not hunter2-x' }));
  expect(output.stdout + output.stderr).not.toContain('hunter2-x');
  expect(output.stdout + output.stderr).toContain('[secret]');
});

test.each<
  [string, Partial<OutputOptions>, { env?: Record<string, string>; tty?: boolean }, boolean]
>([
  ['a terminal', {}, { tty: true }, true],
  ['no terminal', {}, {}, false],
  ['a dumb one', {}, { tty: true, env: { TERM: 'dumb' } }, false],
  ['CI', {}, { tty: true, env: { CI: 'true' } }, false],
  ['NO_COLOR', {}, { tty: true, env: { NO_COLOR: '1' } }, false],
  ['--no-color', { color: false }, { tty: true }, false],
])('colours with %s', (_, options, streams, coloured) => {
  const output = open(options, streams);
  output.error(new FerryError('io', 'wrong'));
  expect(output.stderr.includes('\x1b[31m')).toBe(coloured);
});

test.each<[string, Partial<OutputOptions>, boolean, boolean]>([
  ['a terminal', {}, true, true],
  ['no terminal', {}, false, false],
  ['-q', { verbosity: -1 }, true, false],
  ['--json', { json: true }, true, false],
  ['--no-color', { color: false }, true, true],
])('a block with %s', (_, options, tty, there) => {
  expect(open(options, { tty }).block !== undefined).toBe(there);
});

test('a block is drawn in place, makes room for lines, and shows the cursor again at its end', () => {
  vi.useFakeTimers();
  const output = open({}, { tty: true, env: { NO_COLOR: '1' } });
  output.block?.set(() => ['one', 'two']);
  output.note('a line');
  vi.advanceTimersByTime(125);
  output.block?.set(() => ['three']);
  vi.advanceTimersByTime(125);
  output.flush();
  vi.advanceTimersByTime(1000);
  expect(output.stderr).toBe(
    [
      '\x1b[?25lone\ntwo\n',
      '\r\x1b[2A\x1b[Ja line\n',
      '\x1b[?25lone\ntwo\n',
      '\r\x1b[2A\x1b[Jthree\n',
      '\r\x1b[1A\x1b[J\x1b[?25h',
    ].join(''),
  );
});

test('without a terminal, progress is a line every 30 s', () => {
  vi.useFakeTimers();
  const output = open();
  const reporter = new Reporter(output, { job: 'nightly', plan: false, dryRun: false });
  const progress = (done: number) =>
    reporter.emit({
      ...{ event: 'progress', phase: 'transfer', scanned: 9 },
      files: { done, total: 9 },
      bytes: { done, total: 9 },
    });
  progress(1);
  vi.advanceTimersByTime(29_000);
  expect(output.stderr).toBe('');
  progress(2);
  vi.advanceTimersByTime(31_000);
  reporter.end();
  vi.advanceTimersByTime(60_000);
  expect(output.stderr).toMatch(
    /^nightly: copying, 2 of 9 files, 2 B of 9 B.*\nnightly: copying, 2 of 9 files.*\n$/,
  );
});

test('a block leaves the last column free, and takes a width that is not known as 80', () => {
  const widths: number[] = [];
  for (const columns of [50, undefined, 0]) {
    const screen = { write: () => true, ...(columns === undefined ? {} : { columns }) };
    const block = new Block(screen);
    block.set((width) => {
      widths.push(width);
      return [];
    });
    block.end();
  }
  expect(widths).toEqual([49, 79, 79]);
});

test('a block draws nothing while a question has the foot of the terminal', () => {
  vi.useFakeTimers();
  let shown = '';
  const block = new Block({ write: (text) => (shown += text) });
  block.set(() => ['progress']);
  block.hold();
  shown = '';
  vi.advanceTimersByTime(1000);
  expect(shown).toBe('');
  block.release();
  vi.advanceTimersByTime(1000);
  expect(shown).toContain('progress');
  block.end();
});

const runEnd: RunEnd = {
  event: 'run',
  run: 'r',
  job: 'nightly',
  operation: 'mirror',
  trigger: 'manual',
  outcome: 'refused',
  exitCode: 7,
  startedAt: '2026-11-24T02:00:00.000Z',
  endedAt: '2026-11-24T02:00:01.000Z',
  seconds: 1,
  files: { copied: 0, attrs: 0, deleted: 0, unchanged: 3, skipped: 0, failed: 0 },
  bytes: 0,
  sessions: 1,
  attempt: 1,
  verified: 'none',
  error: { kind: 'refused', message: 'it would delete 60 of 100 files', hint: '--max-delete 60%' },
  failures: [],
  failuresOmitted: 0,
};

const planned: PlanEvent = {
  ...{ event: 'plan', job: 'nightly', mkdirs: 0, renames: 0, copies: 0, attrs: 0, deletes: 1 },
  ...{ conflicts: 0, bytes: 0, mtimeOnly: 0, digest: 'd' },
};

const events: readonly RunEvent[] = [
  { event: 'progress', phase: 'scan', scanned: 1, files: zero(), bytes: zero() },
  { event: 'transcript', remote: 'archive', kind: 'command', text: 'OPEN a' },
  { event: 'action', action: 'delete', path: 'a\n\x1bb' },
  planned,
  { event: 'file', action: 'skip', path: 'l\n', kind: 'link' },
  { event: 'notice', level: 'warning', message: 'the clock is off' },
  { event: 'notice', level: 'info', message: 'for the curious' },
  runEnd,
];

function zero() {
  return { done: 0, total: 0 };
}

function play(options: Partial<OutputOptions>, plan: boolean, dryRun: boolean): Opened {
  const output = open(options);
  const reporter = new Reporter(output, { job: 'nightly', plan, dryRun });
  for (const event of events) reporter.emit(event);
  reporter.end();
  return output;
}

describe('a run with --json', () => {
  test('prints plan, file and run, with event and time first, one a line', () => {
    const output = play({ json: true }, false, false);
    const lines = output.stdout.trimEnd().split('\n');
    const parsed = lines.map((line) => JSON.parse(line));
    expect(parsed.map(({ event }) => event)).toEqual(['plan', 'file', 'run']);
    for (const one of parsed) {
      expect(Object.keys(one).slice(0, 2)).toEqual(['event', 'time']);
      expect(new Date(one.time).toISOString()).toBe(one.time);
    }
    const { time: _, ...last } = parsed[2];
    expect(last).toEqual(runEnd);
    expect(output.stderr).toContain('warning: nightly: the clock is off');
    expect(output.stderr).toContain('error: nightly: it would delete 60 of 100 files');
  });

  test('of plan prints its actions too', () => {
    const lines = play({ json: true }, true, true).stdout.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).event)).toEqual(['action', 'plan', 'run']);
  });
});

describe('a run for people', () => {
  test('that was refused shows ten deletions, and all with -v', () => {
    const shown = (verbosity: 0 | 1) => {
      const output = open({ verbosity });
      const reporter = new Reporter(output, { job: 'nightly', plan: false, dryRun: false });
      for (let n = 1; n <= 12; n++)
        reporter.emit({ event: 'action', action: 'delete', path: `f${n}` });
      reporter.emit(runEnd);
      return output.stderr.split('\n').filter((line) => line.startsWith('  '));
    };
    const less = shown(0);
    expect(less.filter((line) => line.includes('would delete'))).toHaveLength(10);
    expect(less).toContain('  and 2 more; -v shows them');
    const all = shown(1);
    expect(all.filter((line) => line.includes('would delete'))).toHaveLength(12);
    expect(all.join()).not.toContain('more');
  });

  test('that was refused shows what it would have done, why not, and what next', () => {
    const output = play({}, false, false);
    expect(output.stdout).toBe('');
    expect(output.stderr).toBe(
      [
        'warning: nightly: the clock is off',
        '  would delete    a\\n\\x1bb',
        'error: nightly: it would delete 60 of 100 files',
        '  next: --max-delete 60%',
        'nightly: refused: 3 unchanged in 1.0 s, 1 session',
        '',
      ].join('\n'),
    );
  });

  test('of plan and a dry run puts the actions on stdout', () => {
    for (const plan of [true, false]) {
      expect(play({}, plan, true).stdout).toBe('delete    a\\n\\x1bb\n');
    }
  });

  test('of an empty plan says so only if nothing went wrong', () => {
    const { error: _, ...rest } = runEnd;
    const told = (end: RunEnd) => {
      const output = open();
      const reporter = new Reporter(output, { job: 'nightly', plan: true, dryRun: true });
      reporter.emit({ ...planned, deletes: 0 });
      reporter.emit(end);
      return output.stderr;
    };
    expect(told(runEnd)).not.toContain('nothing to do');
    expect(told({ ...rest, outcome: 'succeeded', exitCode: 0 })).toBe('nightly: nothing to do\n');
  });

  test('shows files with -v, the session only with -vv', () => {
    const verbose = play({ verbosity: 1 }, false, false).stderr;
    expect(verbose).toContain('skip      l\\n  (link)');
    expect(verbose).toContain('for the curious');
    expect(verbose).not.toContain('OPEN');
    expect(play({ verbosity: 2 }, false, false).stderr).toContain('archive  command:  OPEN a\n');
  });

  test('with -q shows errors only', () => {
    expect(play({ verbosity: -1 }, false, false).stderr).toBe(
      'error: nightly: it would delete 60 of 100 files\n  next: --max-delete 60%\n',
    );
  });
});
