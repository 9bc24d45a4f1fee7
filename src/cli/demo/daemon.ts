/** The demo's second half: `ferryline start`, with its queue in the demo's state folder, does the same jobs by itself. */
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

/** What jobs.yml takes in place of every night at two. */
const schedule = '*/5 * * * * *';
/** Milliseconds for what the daemon is waited for: it takes seconds, on a busy machine more. */
const patience = 120_000;

/** A line of the daemon's log. */
interface Line {
  readonly message: string;
  readonly trigger?: string;
  readonly copied?: number;
}

interface Daemon {
  /** Resolves when its log has such a line. */
  said(what: string, isIt: (line: Line) => boolean): Promise<void>;
  /** Resolves when a file is there, within 2 ms. */
  made(file: string): Promise<void>;
  /** SIGTERM, and its exit code. */
  stop(): Promise<number | null>;
}

export async function playDaemon(stage: Stage): Promise<void> {
  const { folder, served, output } = stage;
  const data = join(folder, 'data');
  await rm(data, { recursive: true });
  await rename(join(folder, 'restored'), data);
  await put(data, 'reports/2027-02.csv', 'month,total\n2027-02,2\n');

  title(stage, '7. The daemon does it all by itself; here "every night" is every 5 seconds');
  const daemon = startDaemon(stage);
  try {
    await daemon.said('the daemon has started', ({ message }) => / started: /.test(message));
    await daemon.said(
      'the schedule starts nightly-archive',
      ({ message, copied }) => message === 'nightly-archive: succeeded' && copied === 1,
    );
    await check(stage, 'its slot came, and a new report went to the archive', () =>
      sameFiles(data, join(served, 'data')),
    );

    title(stage, '8. A file is dropped into ./outbox, which it watches');
    const isDelivery = (why: string) => (line: Line) =>
      line.message === 'drop-folder: succeeded' && line.trigger === why;
    await daemon.said('it looks at all of ./outbox first', isDelivery('rescan'));
    await put(join(folder, 'outbox'), 'order-3.xml', '<order name="order-3.xml"/>\n');
    const dropped = performance.now();
    await daemon.made(join(served, 'inbox/order-3.xml'));
    const took = formatDuration(performance.now() - dropped);
    await daemon.said('the watch starts drop-folder', isDelivery('watch'));
    await check(
      stage,
      `on the server ${took} after it was written, 2 s of which it had to rest`,
      () => filesBelow(join(folder, 'sent')).then((sent) => sent.includes('order-3.xml')),
    );

    title(stage, '9. It answers questions, and stops when it is told to');
    await command(stage, ['status'], 0);
    await command(stage, ['runs', '--limit', '4'], 0);
    output.note(output.style.dim('$ kill -TERM PID'));
    const code = await daemon.stop();
    await check(stage, 'it ended with exit code 0', async () => code === 0);
  } finally {
    await daemon.stop();
  }
}

/** Starts the daemon and shows its log as it comes. */
function startDaemon(stage: Stage): Daemon {
  const { output, signal } = stage;
  signal.throwIfAborted();
  showCommand(stage, ['start']);
  const child = spawnFerryline(stage, ['start'], ['ignore', 'ignore', 'pipe'], {
    ARCHIVE_SCHEDULE: schedule,
  });
  const ended = once(child, 'close') as Promise<[number | null]>;
  const ending = new AbortController();
  void ended.then(() => ending.abort());
  const over = AbortSignal.any([signal, ending.signal]);
  const lines: Line[] = [];
  const news = new EventEmitter();
  createInterface({ input: child.stderr as Readable }).on('line', (text) => {
    const line = lineOf(text);
    lines.push(line);
    const why = line.trigger === undefined ? '' : ` (${line.trigger})`;
    output.note(`${output.style.dim('daemon')}  ${line.message}${why}`);
    news.emit('line');
  });

  const until = async (
    what: string,
    holds: () => boolean,
    moment: (options: { signal: AbortSignal }) => Promise<unknown>,
  ) => {
    const limit = AbortSignal.any([over, AbortSignal.timeout(patience)]);
    while (!holds()) {
      await moment({ signal: limit }).catch(() => {
        signal.throwIfAborted();
        broken(`it does not hold that ${what}`);
      });
    }
  };
  return {
    said: (what, isIt) =>
      until(
        what,
        () => lines.some(isIt),
        (options) => once(news, 'line', options),
      ),
    made: (file) =>
      until(
        `${file} is made`,
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

/** Off a terminal the log is lines of JSON; what Node itself may say is none. */
function lineOf(text: string): Line {
  try {
    return JSON.parse(text) as Line;
  } catch {
    return { message: text };
  }
}
