/** `ferryline logs RUN`: prints the log of a run, in the words of `run -v` but on stdout. */
import type { RunEvent } from '../../core/events.js';
import { terminalSafe } from '../../core/text.js';
import { saysNoDaemon } from '../../server/control/client.js';
import type { Context } from '../context.js';
import { daemonIn } from '../daemon-client.js';
import { keptLog } from '../kept-runs.js';
import { keptRunNamed, runNamed } from '../run-name.js';
import { Output } from '../show/output.js';
import { Reporter } from '../show/reporter.js';
import { localSecond } from '../show/table.js';
import { findState } from '../state.js';

export interface LogsFlags {
  readonly follow?: boolean;
}

export async function logs(run: string, flags: LogsFlags, context: Context): Promise<number> {
  const { output } = context;
  // When the reader has gone (`| head`), there is no point in following.
  const unread = new AbortController();
  process.stdout.once('error', () => unread.abort());
  const signal = AbortSignal.any([context.stopSignal(), unread.signal]);
  const show = output.json ? (line: string) => output.data(line) : createLinePrinter(run, context);
  try {
    for await (const line of linesOf(run, flags.follow === true, signal, context)) {
      if (parsed(line) !== undefined) show(line);
    }
  } catch (thrown) {
    if (!unread.signal.aborted) throw thrown;
  }
  return 0;
}

/** The lines that the daemon sends; without a daemon, those in the state folder. */
async function* linesOf(name: string, follow: boolean, signal: AbortSignal, context: Context) {
  const state = await findState(context, { adHoc: true });
  try {
    const controls = await daemonIn(state, context);
    return yield* controls.log(await runNamed(name, controls), follow, signal);
  } catch (thrown) {
    if (!saysNoDaemon(thrown)) throw thrown;
  }
  yield* keptLog(state, await keptRunNamed(name, state), follow, signal);
}

/** An output that writes all lines to stdout, at least as many as with `-v`, each after the time of its event. */
function forLogs(
  { output: { verbosity, color }, environment: { env } }: Context,
  time: () => string,
): Output {
  const { stdout } = process;
  const level = verbosity === 2 ? 2 : 1;
  const streams = { stdout, stderr: stdout, env };
  return new Output({ json: false, verbosity: level, color }, streams, () => `${time()}  `);
}

/** Prints lines of JSON as lines for people. Not every event has its job's name: it comes from the first that does. */
function createLinePrinter(run: string, context: Context): (line: string) => void {
  let time = '';
  const output = forLogs(context, () => time);
  let job: string | undefined;
  let reporter: Reporter | undefined;
  return (line) => {
    const event = parsed(line);
    // Totals of the past are of no use.
    if (event === undefined || event.event === 'progress') return;
    time = localSecond(event.time ?? '');
    const named = nameOf(event) ?? job;
    if (named !== job) {
      job = named;
      reporter = undefined;
    }
    reporter ??= new Reporter(output, { job: job ?? run, plan: false, dryRun: false });
    reporter.emit(event);
  };
}

/** What to call the event's job: of a run without jobs.yml, what was typed. */
function nameOf(event: RunEvent): string | undefined {
  if (event.event === 'run' && event.from !== undefined && event.to !== undefined)
    return terminalSafe(`${event.operation} ${event.from} ${event.to}`);
  return 'job' in event ? event.job : undefined;
}

/** The event of a line; undefined for a line that a crash cut short. */
function parsed(line: string): (RunEvent & { readonly time?: string }) | undefined {
  try {
    const event: unknown = JSON.parse(line);
    return typeof event === 'object' && event !== null ? (event as RunEvent) : undefined;
  } catch {
    return undefined;
  }
}
