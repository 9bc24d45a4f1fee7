#!/usr/bin/env node
/** Entry point of the command line: signals, streams and the exit code. The verbs are in program.ts. */
import { existsSync, mkdirSync } from 'node:fs';
import module from 'node:module';
import { join } from 'node:path';
import { Cancelled, exitCodes } from '../core/errors.js';
import { terminalSafe } from '../core/text.js';
import { homeFolder } from '../ssh/ssh-config/home-folder.js';
import { Hangups } from './hangups.js';

// first of all: by default a SIGHUP ends the process, also a daemon that is only starting
const hangups = new Hangups();
keepCompiledCode();
void main();

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

/** Caches compiled code (Node 22.8 and later) in a folder of the user's own, if one can be made. */
function keepCompiledCode(): void {
  const { enableCompileCache } = module as { enableCompileCache?: (folder: string) => unknown };
  if (enableCompileCache === undefined) return;
  const given = process.env.XDG_CACHE_HOME;
  const caches = given?.startsWith('/') ? given : join(homeFolder(), '.cache');
  const folder = join(caches, 'ferryline');
  try {
    // One level at a time: on a file system that refuses with ENOENT, a recursive mkdir of Node 24 never ends.
    for (const level of [caches, folder]) if (!existsSync(level)) mkdirSync(level, { mode: 0o700 });
  } catch {
    return;
  }
  enableCompileCache(folder);
}

/** Resolves when the system has taken all that was written: `process.exit` drops what a slow reader has not read yet. */
function handedOver(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()));
}

async function main(): Promise<void> {
  const { runProgram } = await import('./program.js');
  let exitCode = await runProgram(process.argv.slice(2), { stopSignal, hangups });
  await handedOver(process.stdout);
  if (outputError !== undefined) {
    process.stderr.write(
      `error: the output can't be written: ${terminalSafe(outputError.message)}\n`,
    );
    exitCode = exitCodes.defect;
  }
  await handedOver(process.stderr);
  process.exit(exitCode);
}
