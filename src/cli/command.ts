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
let listening = false;

/** Listens to SIGINT and SIGTERM from now on: the first aborts the signal, the second ends the process. */
function stopSignal(): AbortSignal {
  if (listening) return stop.signal;
  listening = true;
  const signals = { SIGINT: 130, SIGTERM: 143 } as const;
  for (const [name, exitCode] of Object.entries(signals)) {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(exitCode);
      stop.abort(new Cancelled(exitCode));
    });
  }
  return stop.signal;
}

/** Resolves when the system has taken all that was written: `process.exit` drops what a slow reader has not read yet. */
function handedOver(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()));
}

/** Runs the command of this process and ends it. `beforeExit` is called once everything else is done. */
export async function runCommand(hangups: Hangups, beforeExit: () => void): Promise<void> {
  let exitCode = await runProgram(process.argv.slice(2), { stopSignal, hangups });
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
