/** `ferryline logs RUN`: what a run told, in the words of `run -v`, here on stdout since it is what was asked for. */
import type { RunEvent } from '../../core/events.js';
import { saysNoDaemon } from '../../server/control/client.js';
import type { Context } from '../context.js';
import { daemonClient } from '../daemon-client.js';
import { stateFolder } from '../folders.js';
import { keptLog } from '../kept-runs.js';
import { createOutput, type Output } from '../show/output.js';
import { createReporter, type Reporter } from '../show/reporter.js';

export interface LogsFlags {
  readonly follow?: boolean;
}

export async function logs(run: string, flags: LogsFlags, context: Context): Promise<number> {
  const { output } = context;
  // Once nobody reads any more (`| head`), there is nothing to follow for.
  const unread = new AbortController();
  process.stdout.once('error', () => unread.abort());
  const signal = AbortSignal.any([context.stopSignal(), unread.signal]);
  const show = output.json ? output.data : createTeller(run, forLogs(context));
  try {
    for await (const line of linesOf(run, flags.follow === true, signal, context)) {
      if (parsed(line) !== undefined) show(line);
    }
  } catch (thrown) {
    if (!unread.signal.aborted) throw thrown;
  }
  return 0;
}

/** What the daemon hands out; without one, what the state folder keeps. */
async function* linesOf(run: string, follow: boolean, signal: AbortSignal, context: Context) {
  try {
    return yield* daemonClient(context).log(run, follow, signal);
  } catch (thrown) {
    if (!saysNoDaemon(thrown)) throw thrown;
  }
  yield* keptLog(stateFolder(context.around), run, follow, signal);
}

/** An output whose every line goes to stdout, told at least as `-v` tells it. */
function forLogs({ output: { verbosity, color }, around: { env } }: Context): Output {
  const { stdout } = process;
  const level = verbosity === 2 ? 2 : 1;
  return createOutput({ json: false, verbosity: level, color }, { stdout, stderr: stdout, env });
}

/** Lines of JSON become lines for people. Events don't all name their job, so the first that does tells it. */
function createTeller(run: string, output: Output): (line: string) => void {
  let job: string | undefined;
  let reporter: Reporter | undefined;
  return (line) => {
    const event = parsed(line);
    // Old totals say nothing any more.
    if (event === undefined || event.event === 'progress') return;
    if (job === undefined && 'job' in event) {
      job = event.job;
      reporter = undefined;
    }
    reporter ??= createReporter(output, { job: job ?? run, plan: false, dryRun: false });
    reporter.emit(event);
  };
}

/** A line's event; undefined for the rest of a line that a crash cut short. */
function parsed(line: string): RunEvent | undefined {
  try {
    const event: unknown = JSON.parse(line);
    return typeof event === 'object' && event !== null ? (event as RunEvent) : undefined;
  } catch {
    return undefined;
  }
}
