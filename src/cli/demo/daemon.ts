/** The second half of the demo: `ferryline start`, with its queue in the demo's state folder, runs the same jobs. */
import { EventEmitter, once } from 'node:events';
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatDuration } from '../../core/text.js';
import { filesBelow, put, sameFiles } from './samples.js';
import { broken, check, command, type Stage, showCommand, spawnFerryline, title } from './stage.js';

/** The schedule that replaces "every night at two" in jobs.yml. */
const schedule = '*/5 * * * * *';
/** The longest wait for something the daemon does, which takes seconds, on a busy machine more; then the demo fails. */
const expectWithinMs = 120_000;

/** A line of the daemon's log. */
interface LogLine {
  readonly message: string;
  readonly trigger?: string;
  readonly copied?: number;
}

interface DemoDaemon {
  /** Resolves once a line of its log matches; `what` is for the error if none does. */
  logged(what: string, matches: (line: LogLine) => boolean): Promise<void>;
  /** Resolves within 2 ms after a file has appeared. */
  created(file: string): Promise<void>;
  /** Sends SIGTERM and resolves to the exit code. */
  stop(): Promise<number | null>;
}

export async function playDaemon(stage: Stage): Promise<void> {
  const { folder, served, output } = stage;
  const data = join(folder, 'data');
  await rm(data, { recursive: true });
  await rename(join(folder, 'restored'), data);
  await put(data, 'reports/2027-02.csv', 'month,total\n2027-02,2\n');

  title(stage, '8. The daemon runs the jobs by itself; here "every night" is every 5 seconds');
  const daemon = startDaemon(stage);
  try {
    await daemon.logged('the daemon has started', ({ message }) => / started: /.test(message));
    await daemon.logged(
      'the schedule starts nightly',
      ({ message, copied }) => message === 'nightly: succeeded' && copied === 1,
    );
    await check(stage, 'its slot came, and a new report was copied to the archive', () =>
      sameFiles(data, join(served, 'data')),
    );

    title(stage, '9. The daemon watches ./outbox: a file is dropped there');
    const isDelivery = (why: string) => (line: LogLine) =>
      line.message === 'drop-folder: succeeded' && line.trigger === why;
    await daemon.logged('it scans all of ./outbox first', isDelivery('rescan'));
    await put(join(folder, 'outbox'), 'order-3.xml', '<order name="order-3.xml"/>\n');
    const dropped = performance.now();
    await daemon.created(join(served, 'inbox/order-3.xml'));
    const took = formatDuration(performance.now() - dropped);
    await daemon.logged('the watch starts drop-folder', isDelivery('watch'));
    await check(
      stage,
      `the file was on the server ${took} after it was written, including the 2 s it must stay unchanged`,
      () => filesBelow(join(folder, 'sent')).then((sent) => sent.includes('order-3.xml')),
    );

    title(stage, '10. It answers questions, and stops on request');
    await command(stage, ['status'], 0);
    await command(stage, ['runs', '--limit', '4'], 0);
    output.note(output.style.dim('$ kill -TERM PID'));
    const code = await daemon.stop();
    await check(stage, 'it ended with exit code 0', async () => code === 0);
  } finally {
    await daemon.stop();
  }
}

/** Starts the daemon and shows its log. */
function startDaemon(stage: Stage): DemoDaemon {
  const { output, signal } = stage;
  signal.throwIfAborted();
  showCommand(stage, ['start']);
  const child = spawnFerryline(stage, ['start'], ['ignore', 'ignore', 'pipe'], {
    ARCHIVE_SCHEDULE: schedule,
  });
  const ended = once(child, 'close') as Promise<[number | null]>;
  const ending = new AbortController();
  void ended.then(() => ending.abort());
  const overSignal = AbortSignal.any([signal, ending.signal]);
  const lines: LogLine[] = [];
  const logEvents = new EventEmitter();
  createInterface({ input: child.stderr as Readable }).on('line', (text) => {
    const line = lineOf(text);
    lines.push(line);
    const why = line.trigger === undefined ? '' : ` (${line.trigger})`;
    output.note(`${output.style.dim('daemon')}  ${line.message}${why}`);
    logEvents.emit('line');
  });

  const until = async (
    what: string,
    holds: () => boolean,
    nextChance: (options: { signal: AbortSignal }) => Promise<unknown>,
  ) => {
    const limit = AbortSignal.any([overSignal, AbortSignal.timeout(expectWithinMs)]);
    while (!holds()) {
      await nextChance({ signal: limit }).catch(() => {
        signal.throwIfAborted();
        broken(`this did not happen: ${what}`);
      });
    }
  };
  return {
    logged: (what, matches) =>
      until(
        what,
        () => lines.some(matches),
        (options) => once(logEvents, 'line', options),
      ),
    created: (file) =>
      until(
        `${file} is created`,
        () => existsSync(file),
        (options) => sleep(2, undefined, options),
      ),
    async stop() {
      child.kill('SIGTERM');
      const [code] = await ended;
      return code;
    },
  };
}

/** Without a terminal the log is lines of JSON; a message of Node itself is not. */
function lineOf(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return { message: text };
  }
}
