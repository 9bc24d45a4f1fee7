/** `ferryline start`: the daemon in this process, until a signal ends it. */
import { unwatchFile, watchFile } from 'node:fs';
import { Cancelled, FerryError } from '../../core/errors.js';
import { namePattern } from '../../core/job.js';
import { escapeText } from '../../core/text.js';
import { type Daemon, type DaemonOptions, queueBroken, startDaemon } from '../../daemon/daemon.js';
import { allRoles, type Role } from '../../daemon/roles.js';
import { parseDuration } from '../../jobs/config/units.js';
import { createLog } from '../../observe/log.js';
import { redactor } from '../../observe/redact.js';
import { readConfig } from '../config-file.js';
import type { Context } from '../context.js';
import { makeStateFolder } from '../folders.js';
import { isLively } from '../show/style.js';

export interface StartFlags {
  readonly roles?: string;
  readonly worker?: readonly string[];
  readonly concurrency?: number;
  /** `60s`. */
  readonly waitQueue?: string;
}

/** Milliseconds between looks at jobs.yml: by stat, so that links and mounts are no obstacle. */
const configEvery = 2000;
/** Times the daemon is started again by itself because its queue broke; past that somebody has to look. */
const mostRestarts = 5;

export async function start(flags: StartFlags, context: Context, version: string): Promise<number> {
  const { output, around } = context;
  const roles = rolesOf(flags.roles);
  const names = namesOf(flags.worker);
  const waitQueue = waitOf(flags.waitQueue);
  const config = await readConfig(context);
  const state = await makeStateFolder(around);
  const tty = isLively(process.stderr, around.env) && !output.json;
  const debug = output.verbosity > 0;
  const log = createLog({
    out: process.stderr,
    tty,
    colour: tty && output.color && (around.env.NO_COLOR ?? '') === '',
    level: debug ? 'debug' : output.verbosity < 0 ? 'warn' : 'info',
    redact: redactor(config.secrets),
  });
  const signal = context.stopSignal();
  let options: DaemonOptions = {
    config,
    load: () => readConfig(context),
    state,
    roles,
    names,
    concurrency: flags.concurrency ?? 8,
    waitQueue,
    log,
    debug: output.verbosity > 1,
    version,
    signal,
  };
  let restarts = 0;
  try {
    while (!signal.aborted) {
      try {
        await work(options);
      } catch (thrown) {
        if (!(thrown instanceof FerryError) || thrown.code !== queueBroken) throw thrown;
        if (restarts++ >= mostRestarts) throw thrown;
        log.error(`${thrown.message}; starting again`);
        options = { ...options, config: await readConfig(context).catch(() => config) };
      }
    }
    return 0;
  } catch (thrown) {
    // A signal while it was starting.
    if (signal.aborted && signal.reason instanceof Cancelled) return signal.reason.exitCode;
    throw thrown;
  } finally {
    await log.close();
  }
}

/** One daemon, until the signal ends it; rejects when it can't start, or go on. */
async function work(options: DaemonOptions): Promise<void> {
  let daemon: Daemon | undefined;
  const reload = () => void daemon?.reload();
  // From the first moment: unheard, it would end the process.
  process.on('SIGHUP', reload);
  daemon = await startDaemon(options);
  const end = AbortSignal.any([options.signal, daemon.broken]);
  watchFile(options.config.file, { interval: configEvery }, reload);
  if (!end.aborted) {
    await new Promise((resolve) => end.addEventListener('abort', resolve, { once: true }));
  }
  unwatchFile(options.config.file, reload);
  process.off('SIGHUP', reload);
  await daemon.stop();
  if (!options.signal.aborted) throw daemon.broken.reason;
}

function waitOf(text = '60s'): number {
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  throw new FerryError('config', `--wait-queue does not take "${text}"`, {
    hint: 'give a time such as 60s or 5m',
  });
}

/** A name that no job can ask for is a slip of the pen, and its worker would wait for ever. */
function namesOf(names: readonly string[] = []): readonly string[] {
  const wrong = names.find((name) => !namePattern.test(name));
  if (wrong === undefined) return [...new Set(names)];
  throw new FerryError('config', `--worker does not take "${escapeText(wrong)}"`, {
    hint: 'give a name: a letter, then up to 63 letters, digits, ".", "_" or "-"',
  });
}

function rolesOf(text: string | undefined): readonly Role[] {
  if (text === undefined) return allRoles;
  const roles = text.split(',').map((role) => role.trim());
  const unknown = roles.find((role) => !(allRoles as readonly string[]).includes(role));
  if (unknown !== undefined)
    throw new FerryError('config', `"${unknown}" is no role`, {
      hint: `--roles takes some of ${allRoles.join(', ')}, with commas between them`,
    });
  return [...new Set(roles)] as Role[];
}
