/**
 * The state folder of a command: which one it is, whether this user may use it, and whether it
 * belongs to the command's jobs.yml. What the folder holds is state/layout.ts.
 */
import { constants, readFileSync } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { FerryError } from '../core/errors.js';
import type { Config } from '../core/job.js';
import { count, escapeText } from '../core/text.js';
import { daemonOf } from '../state/lock.js';
import { makeFolder } from '../state/make-folder.js';
import { checkRecord, claimFolder, readRecord } from '../state/record.js';
import { holdsState, migrateShared } from '../state/shared-folder.js';
import { noConfig } from './config-file.js';
import { readText } from './config-texts.js';
import type { Context } from './context.js';
import {
  adHocStateFolder,
  defaultStateFolder,
  type Environment,
  environmentStateFolder,
  findConfig,
  sharedStateFolder,
} from './folders.js';
import { accountOf, belongsToOther, ownerOf } from './other-user.js';

/** What decides which state folder a jobs.yml has. */
type Owner = Pick<Config, 'file' | 'stateDir'>;

/** The jobs.yml of the whole machine, and the state folder that its service has (docs/systemd). */
const machineConfig = '/etc/ferryline/jobs.yml';
const machineState = '/var/lib/ferryline';

/**
 * The state folder of a jobs.yml for a command that runs jobs: made if it is missing, recorded as
 * that of this jobs.yml, and filled with what an earlier version kept elsewhere. Errors: `config` for
 * a folder of another user or one that can't be written, `busy` for that of another jobs.yml.
 */
export async function useState(context: Context, config: Config): Promise<string> {
  const { folder, isDefault } = await placeOf(context.environment, config);
  await makeOwn(folder, context.environment, config.file);
  const isOurs = (job: string) => config.jobs.has(job);
  return claim(folder, config.file, isDefault ? isOurs : undefined, context);
}

/** The state folder of ad hoc runs. Errors: as above. */
export async function useAdHocState(context: Context): Promise<string> {
  const folder = adHocStateFolder(context.environment);
  await makeOwn(folder, context.environment, undefined);
  const isDefault = environmentStateFolder(context.environment) === undefined;
  return claim(folder, undefined, isDefault ? isAdHoc : undefined, context);
}

/**
 * The state folder of a jobs.yml for a command that changes nothing: it may be missing, and a user
 * that may read it need not own it. What an earlier version kept is read where it is. Errors: `busy`.
 */
export async function lookAtState(context: Context, config: Config): Promise<string> {
  const { folder, isDefault } = await placeOf(context.environment, config);
  await mustFit(folder, config.file);
  const shared = sharedStateFolder(context.environment);
  const isNew = isDefault && !(await exists(folder));
  return isNew && (await holdsState(shared)) ? shared : folder;
}

/**
 * The state folder for a command that talks to a daemon or reads what it left. Of jobs.yml only
 * `stateDir` is read: errors elsewhere in it do not matter. Errors: `busy`; `config` without a
 * jobs.yml, unless there is a folder for ad hoc runs to fall back on.
 */
export async function findState(
  context: Context,
  { adHoc = false }: { readonly adHoc?: boolean } = {},
): Promise<string> {
  const { environment, config: named } = context;
  const file = findConfig(environment, named);
  const given = environmentStateFolder(environment);
  if (given !== undefined) {
    await mustFit(given, file);
    const own = adHocStateFolder(environment);
    const isOnlyAdHoc = async () =>
      (await exists(own)) && !(await holdsState(given)) && (await daemonOf(given)) === undefined;
    return file === undefined && adHoc && (await isOnlyAdHoc()) ? own : given;
  }
  if (file === undefined) {
    if (adHoc) return adHocStateFolder(environment);
    throw noConfig(context);
  }
  const { folder, isDefault } = await placeOf(environment, await ownerIn(file, environment));
  await mustFit(folder, file);
  const shared = sharedStateFolder(environment);
  if (isDefault && !(await exists(folder)) && (await holdsState(shared))) {
    // A daemon of an earlier version may be running there.
    if ((await daemonOf(shared)) !== undefined) return shared;
    context.output.note(
      `the next run or start moves what an earlier version kept in ${escapeText(shared)} to ${escapeText(folder)}`,
    );
  }
  return folder;
}

/** Whether a user other than root needs the daemon's own user for this folder. */
export async function mustReach(state: string, context: Context): Promise<void> {
  const { environment, config } = context;
  if (environment.uid === 0) return;
  const owner = await ownerOf(state);
  if (owner !== undefined && owner !== environment.uid)
    throw belongsToOther(state, owner, environment, findConfig(environment, config));
}

async function placeOf(
  environment: Environment,
  { file, stateDir }: Owner,
): Promise<{ readonly folder: string; readonly isDefault: boolean }> {
  const named = environmentStateFolder(environment) ?? stateDir;
  if (named !== undefined) return { folder: named, isDefault: false };
  const folder = defaultStateFolder(sharedStateFolder(environment), file);
  const other = (await exists(folder)) ? undefined : await folderElsewhere(file, environment);
  const service = await serviceFolder(file);
  const found = service ?? other;
  return found === undefined ? { folder, isDefault: true } : { folder: found, isDefault: false };
}

/**
 * The folder of the machine's service, if it is that of this jobs.yml: by its record or, where that
 * can't be read, because this is the machine's jobs.yml.
 */
async function serviceFolder(file: string): Promise<string | undefined> {
  if (!(await exists(machineState))) return undefined;
  try {
    const record = await readRecord(machineState);
    const isOurs = record === undefined ? file === machineConfig : record.config === file;
    return isOurs ? machineState : undefined;
  } catch {
    return file === machineConfig ? machineState : undefined;
  }
}

/** The folder that a daemon of another user made for this jobs.yml: of the file's owner, or of who called sudo. Only root can read it. */
async function folderElsewhere(
  file: string,
  { env, uid }: Environment,
): Promise<string | undefined> {
  if (uid !== 0) return undefined;
  const fileOwner = await stat(file).then(
    (found) => found.uid,
    () => undefined,
  );
  const sudoUid = /^\d+$/.test(env.SUDO_UID ?? '') ? Number(env.SUDO_UID) : undefined;
  for (const user of [fileOwner, sudoUid]) {
    const home = user === undefined || user === uid ? undefined : accountOf(user)?.home;
    if (home === undefined) continue;
    const shared = sharedStateFolder({ env: {}, home, cwd: '/', args: [], uid: 0 });
    const folder = defaultStateFolder(shared, file);
    const record = await readRecord(folder).catch(() => undefined);
    if (record?.config === file) return folder;
  }
  return undefined;
}

async function ownerIn(file: string, environment: Environment): Promise<Owner> {
  const { env, home } = environment;
  let text: string;
  try {
    text = (await readText(file)).text;
  } catch (thrown) {
    const isMissing = thrown instanceof FerryError && thrown.code === 'ENOENT';
    const own = defaultStateFolder(sharedStateFolder(environment), file);
    // The daemon of a jobs.yml that was removed can still be talked to.
    if (isMissing && (await exists(own))) return { file, stateDir: undefined };
    throw thrown;
  }
  if (!text.includes('stateDir')) return { file, stateDir: undefined };
  const { stateDirOf } = await import('../jobs/config/state-dir.js');
  const readFile = (path: string) => readFileSync(path, 'utf8');
  return { file, stateDir: stateDirOf(text, { file, env, home, readFile }) };
}

async function makeOwn(
  folder: string,
  environment: Environment,
  config: string | undefined,
): Promise<void> {
  const owner = await ownerOf(folder);
  if (owner !== undefined && owner !== environment.uid)
    throw belongsToOther(folder, owner, environment, config);
  try {
    await makeFolder(folder);
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (thrown) {
    throw new FerryError(
      'config',
      `the state folder ${escapeText(folder)} can't be written: ${inWords(thrown as Error)}`,
      {
        cause: thrown,
        hint: 'name a folder of your own, on a local disk, in FERRYLINE_STATE_DIR or as `stateDir` in jobs.yml',
      },
    );
  }
}

/** The system's error without its code and call: `read-only file system`. */
function inWords({ message }: Error): string {
  return escapeText(/^E[A-Z0-9]+: (.*?), \w+ '/.exec(message)?.[1] ?? message);
}

/** Checks that an existing folder is not another jobs.yml's. A folder that can't be read is not checked. */
async function mustFit(folder: string, file: string | undefined): Promise<void> {
  if (file === undefined) return;
  try {
    await checkRecord(folder, file);
  } catch (thrown) {
    if (thrown instanceof FerryError) throw thrown;
  }
}

/** Makes the folder that of a jobs.yml or of ad hoc runs. What an earlier version kept of jobs that `isOurs` accepts moves to a new one. */
async function claim(
  folder: string,
  config: string | undefined,
  isOurs: ((job: string) => boolean) | undefined,
  context: Context,
): Promise<string> {
  const { how } = await checkRecord(folder, config);
  if (how === 'known') return folder;
  const wasUsed = await holdsState(folder);
  if (how === 'unrecorded' && isOurs !== undefined)
    await migrate(folder, isOurs, config !== undefined, context);
  const claimed = await claimFolder(folder, config);
  const where = escapeText(folder);
  const ours = config === undefined ? 'ad hoc runs' : escapeText(config);
  if (claimed.how === 'orphaned') {
    context.output.note(
      `the state folder ${where} belonged to ${escapeText(claimed.from)}, which no longer exists; it now belongs to ${ours}`,
    );
  } else if (claimed.how === 'unrecorded' && wasUsed) {
    context.output.note(
      `the state folder ${where} recorded no jobs.yml; it now belongs to ${ours}`,
    );
  }
  return folder;
}

/** Moves what an earlier version kept of these jobs in the folder that all jobs.yml shared. */
async function migrate(
  folder: string,
  isOurs: (job: string) => boolean,
  mayHaveDaemon: boolean,
  { environment, output }: Context,
): Promise<void> {
  const shared = sharedStateFolder(environment);
  if (!(await holdsState(shared))) return;
  const migration = { from: shared, to: folder, isOurs, isAdHoc, mayHaveDaemon };
  const { runs, queueStays } = await migrateShared(migration);
  const from = escapeText(shared);
  if (runs > 0)
    output.note(
      `an earlier version kept all state in ${from}: ${count(runs, 'run')} and what belongs to them moved to ${escapeText(folder)}`,
    );
  if (queueStays && mayHaveDaemon)
    output.note(`the queue in ${from} stays there: it belongs to a daemon with other jobs`);
}

/** The form of the names that ad hoc runs get (jobs/config/ad-hoc-job.ts). */
function isAdHoc(job: string): boolean {
  return /^(?:push|pull|mirror)-[0-9a-f]{8}$/.test(job);
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
