#!/usr/bin/env node
/** The command line's entry: signals, streams and the exit code. The verbs are in program.ts. */
import { Cancelled } from '../core/errors.js';
import { runProgram } from './program.js';

// Whoever reads may stop reading (`| head`): what is under way goes on to its honest end, unseen.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

const stop = new AbortController();
let listening = false;

/** Listens to signals from now on: the first one asks to stop, the next one doesn't ask. */
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

process.exit(await runProgram(process.argv.slice(2), stopSignal));
