/** `ferryline logs RUN`: prints the log of a run, in the words of `run -v` but on stdout. */
import type { RunEvent } from '../../core/events.js';
import { saysNoDaemon } from '../../server/control/client.js';
import type { Context } from '../context.js';
import { daemonIn } from '../daemon-client.js';
import { keptLog } from '../kept-runs.js';
import { keptRunNamed, runNamed } from '../run-name.js';
import { Output } from '../show/output.js';
import { Reporter } from '../show/reporter.js';
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
  const show = output.json
    ? (line: string) => output.data(line)
    : createLinePrinter(run, forLogs(context));
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

/** An output that writes all lines to stdout, at least as many as with `-v`. */
function forLogs({ output: { verbosity, color }, environment: { env } }: Context): Output {
  const { stdout } = process;
  const level = verbosity === 2 ? 2 : 1;
  return new Output({ json: false, verbosity: level, color }, { stdout, stderr: stdout, env });
}

/** Prints lines of JSON as lines for people. Not every event has its job's name: it comes from the first that does. */
function createLinePrinter(run: string, output: Output): (line: string) => void {
  let job: string | undefined;
  let reporter: Reporter | undefined;
  return (line) => {
    const event = parsed(line);
    // Totals of the past are of no use.
    if (event === undefined || event.event === 'progress') return;
    if (job === undefined && 'job' in event) {
      job = event.job;
      reporter = undefined;
    }
    reporter ??= new Reporter(output, { job: job ?? run, plan: false, dryRun: false });
    reporter.emit(event);
  };
}

/** The event of a line; undefined for a line that a crash cut short. */
function parsed(line: string): RunEvent | undefined {
  try {
    const event: unknown = JSON.parse(line);
    return typeof event === 'object' && event !== null ? (event as RunEvent) : undefined;
  } catch {
    return undefined;
  }
}
