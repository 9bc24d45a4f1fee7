/** A command as a process: signals, streams and the exit code. The verbs are in program.ts. */
import { Cancelled, exitCodes } from '../core/errors.js';
import { terminalSafe } from '../core/text.js';
import type { Hangups } from './hangups.js';
import { runProgram } from './program.js';

let outputError: NodeJS.ErrnoException | undefined;
// A reader may stop reading (`| head`): the run still goes on to its end.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') outputError ??= error;
  });
}

const stop = new AbortController();
let mayStop = false;
let onCut: ((cancelled: Cancelled) => void) | undefined;

const onSignal = (name: NodeJS.Signals) => {
  const cancelled = new Cancelled(name === 'SIGINT' ? 130 : 143);
  if (mayStop && !stop.signal.aborted) return stop.abort(cancelled);
  onCut?.(cancelled);
  if (mayStop) process.exit(cancelled.exitCode);
  // as without a listener: at once, whatever file a thread waits for
  process.off(name, onSignal);
  process.kill(process.pid, name);
};

function listen(): void {
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    if (!process.listeners(name).includes(onSignal)) process.on(name, onSignal);
}

/** From now on the first SIGINT or SIGTERM aborts the signal; the second ends the process. */
function stopSignal(): AbortSignal {
  mayStop = true;
  listen();
  return stop.signal;
}

/** Calls `cut` right before a SIGINT or SIGTERM ends the process. */
function beforeCut(cut: (cancelled: Cancelled) => void): void {
  onCut = cut;
  listen();
}

/** Resolves when the system has taken all that was written: `process.exit` drops what a slow reader has not read yet. */
function handedOver(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()));
}

/** Runs the command of this process and ends it. `beforeExit` is called once everything else is done. */
export async function runCommand(hangups: Hangups, beforeExit: () => void): Promise<void> {
  let exitCode = await runProgram(process.argv.slice(2), { stopSignal, beforeCut, hangups });
  await handedOver(process.stdout);
  if (outputError !== undefined) {
    process.stderr.write(
      `error: the output can't be written: ${terminalSafe(outputError.message)}\n`,
    );
    exitCode = exitCodes.defect;
  }
  await handedOver(process.stderr);
  beforeExit();
  process.exit(exitCode);
}
