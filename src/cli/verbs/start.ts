/** `ferryline start`: the daemon in this process, until a signal ends it. */
import { existsSync } from 'node:fs';
import { aborted } from '../../core/abort.js';
import { Cancelled, FerryError } from '../../core/errors.js';
import { isWorkerName } from '../../core/job.js';
import { escapeText } from '../../core/text.js';
import { type DaemonOptions, queueBroken, startDaemon } from '../../daemon/daemon.js';
import type { ReadConfig } from '../../daemon/jobs-in-use.js';
import { allRoles, type Role } from '../../daemon/roles.js';
import { parseDuration } from '../../jobs/config/units.js';
import { createLog } from '../../observe/log.js';
import { redactor } from '../../observe/redact.js';
import { Acknowledged } from '../../queue/acknowledged.js';
import { queueFolder } from '../../state/layout.js';
import { readConfigBeside, showWarnings } from '../config-file.js';
import { looksOf, watchTexts } from '../config-texts.js';
import type { Context } from '../context.js';
import { findConfig } from '../folders.js';
import type { Hangups } from '../hangups.js';
import { neverRuns } from '../never-runs.js';
import { isLively } from '../show/style.js';
import { useState } from '../state.js';

export interface StartFlags {
  readonly roles?: string;
  readonly worker?: readonly string[];
  readonly concurrency?: number;
  /** `60s`. */
  readonly waitQueue?: string;
}

/** Times the daemon starts again by itself after its queue broke; after that it exits, so that somebody looks. */
const mostRestarts = 5;

export async function start(flags: StartFlags, context: Context, version: string): Promise<number> {
  // before anything is opened, so that whatever is open is also closed
  const signal = context.stopSignal();
  const { output, environment } = context;
  const roles = rolesOf(flags.roles);
  const names = namesOf(flags.worker);
  const waitQueue = waitOf(flags.waitQueue);
  const read = await readFiles(context);
  const { config } = read;
  if (config.queue === 'embedded') mustHaveAllRoles(roles);
  const state = await useState(context, config);
  const tty = isLively(process.stderr, environment.env) && !output.json;
  const debug = output.verbosity > 0;
  const log = createLog({
    out: process.stderr,
    tty,
    colour: tty && output.color && (environment.env.NO_COLOR ?? '') === '',
    level: debug ? 'debug' : output.verbosity < 0 ? 'warn' : 'info',
    redact: redactor(config.secrets),
  });
  if (config.queue === 'embedded' && !existsSync(queueFolder(state)))
    log.info('making the embedded queue, once: this takes some seconds');
  let options: DaemonOptions = {
    ...read,
    load: () => readFiles(context),
    state,
    roles,
    names,
    concurrency: flags.concurrency ?? 8,
    waitQueue,
    log,
    debug: output.verbosity > 1,
    acknowledged: new Acknowledged(),
    version,
    signal,
  };
  let restarts = 0;
  try {
    signal.throwIfAborted();
    while (!signal.aborted) {
      try {
        await work(options, context.hangups);
      } catch (thrown) {
        if (!(thrown instanceof FerryError) || thrown.code !== queueBroken) throw thrown;
        if (restarts++ >= mostRestarts) throw thrown;
        log.error(`${thrown.message}; starting again`);
        const again = await readFiles(context).catch(() => undefined);
        if (again !== undefined) options = { ...options, ...again };
      }
    }
    return 0;
  } catch (thrown) {
    // a signal during the start
    if (signal.aborted && signal.reason instanceof Cancelled) return signal.reason.exitCode;
    throw thrown;
  } finally {
    await log.close();
  }
}

/** The configuration, and what its files looked like before they were read: a change during the start is seen afterwards. */
async function readFiles(context: Context): Promise<ReadConfig> {
  const file = findConfig(context.environment, context.config);
  const filesSeen = file === undefined ? '' : await looksOf(file);
  const config = await readConfigBeside(context);
  showWarnings(neverRuns(config.jobs.values(), Date.now()), context.output);
  return { config, filesSeen };
}

/** Runs one daemon until the signal ends it. Rejects when it can't start or can't go on. */
async function work(options: DaemonOptions, hangups: Hangups): Promise<void> {
  const { config, filesSeen, signal } = options;
  const daemon = await startDaemon(options);
  const reload = () => void daemon.reload();
  hangups.listen(reload);
  const unwatch = watchTexts(config.file, filesSeen, reload);
  await aborted(AbortSignal.any([signal, daemon.broken]));
  unwatch();
  hangups.ignore();
  await daemon.stop();
  if (!signal.aborted) throw daemon.broken.reason;
}

function waitOf(text = '60s'): number {
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  throw new FerryError('config', `--wait-queue does not take "${text}"`, {
    hint: 'give a time such as 60s or 5m',
  });
}

/** Rejects a name that no job can ask for: its worker would wait forever. */
function namesOf(names: readonly string[] = []): readonly string[] {
  const wrong = names.find((name) => !isWorkerName(name));
  if (wrong === undefined) return [...new Set(names)];
  throw new FerryError('config', `--worker does not take "${escapeText(wrong)}"`, {
    hint: 'give a name: a letter, then up to 63 letters, digits, ".", "_" or "-"; "names" is taken',
  });
}

/** No other process can have the roles that are missing: an embedded queue belongs to one. */
function mustHaveAllRoles(roles: readonly Role[]): void {
  const missing = allRoles.filter((role) => !roles.includes(role));
  if (missing.length === 0) return;
  throw new FerryError(
    'config',
    `the queue is embedded in one process, and --roles leaves out ${missing.join(' and ')}`,
    { hint: 'leave --roles out, or name a Redis or a PostgreSQL as `queue` in jobs.yml' },
  );
}

function rolesOf(text: string | undefined): readonly Role[] {
  if (text === undefined) return allRoles;
  const roles = text.split(',').map((role) => role.trim());
  const unknown = roles.find((role) => !(allRoles as readonly string[]).includes(role));
  if (unknown !== undefined)
    throw new FerryError('config', `"${unknown}" is not a role`, {
      hint: `--roles takes some of ${allRoles.join(', ')}, separated by commas`,
    });
  return [...new Set(roles)] as Role[];
}
