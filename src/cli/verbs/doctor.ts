/** `ferryline doctor [REMOTE|HOST]`: examines servers and this machine, stage by stage. doctor/ has the stages. */
import { writeFile } from 'node:fs/promises';
import { FerryError } from '../../core/errors.js';
import { type Config, type Job, type Location, partsOf } from '../../core/job.js';
import type { Remote } from '../../core/remote.js';
import { escapeText } from '../../core/text.js';
import { SessionPool } from '../../endpoints/sftp/pool.js';
import type { Side } from '../../endpoints/side.js';
import { remoteFromHost } from '../../ssh/ssh-config/ssh-host.js';
import { recallFacts } from '../../workers/run/remembered/server-facts.js';
import { readConfigIfAny } from '../config-file.js';
import { readText } from '../config-texts.js';
import type { Context } from '../context.js';
import { Examination } from '../doctor/examination.js';
import { examineHere, type Here } from '../doctor/examine-here.js';
import { examineServer } from '../doctor/examine-server.js';
import { examineWriting } from '../doctor/examine-writing.js';
import type { HostFlags } from '../flags.js';
import { adHocStateFolder } from '../folders.js';
import { locate, mayNameRemote, sayIgnored } from '../locate.js';
import { showTranscript } from '../show/reporter.js';
import { lookAtState, useAdHocState, useState } from '../state.js';

export interface DoctorFlags extends HostFlags {
  readonly write?: boolean;
  readonly report?: string;
}

/** A server to examine, and the folders on it. */
interface Target {
  readonly remote: Remote;
  readonly places: readonly Location[];
}

/** Folders of a remote that are looked at where none is named. */
const mostPlaces = 5;

/** Resolves to the exit code: 0 if every stage is in order, else as a run that fails in that way. */
export async function doctor(
  place: string | undefined,
  flags: DoctorFlags,
  context: Context,
  version: string,
): Promise<number> {
  const { output } = context;
  const { config, broken } = await configOrError(place, context);
  const targets = targetsOf(place, config, flags, context);
  const state = await stateOf(config, flags, context);
  const signal = context.stopSignal();
  const examination = new Examination(output);
  const transcript: string[] = [];
  for (const target of targets)
    await examine(target, { ...flags, state, signal, transcript }, examination, context);
  const remotes = targets.map(({ remote }) => remote);
  await examineHere(examination, { config, broken, remotes, state, version, signal });
  if (flags.report !== undefined)
    await writeReport(flags.report, { version, config, examination, transcript }, context);
  return examination.exitCode;
}

/** The configuration, if it is there and can be used; one with errors is a finding, beside which all else is examined. */
async function configOrError(
  place: string | undefined,
  context: Context,
): Promise<Pick<Here, 'config' | 'broken'>> {
  try {
    return { config: await readConfigIfAny(context), broken: undefined };
  } catch (thrown) {
    if (!(thrown instanceof FerryError) || thrown.kind !== 'config') throw thrown;
    const { message, cause, hint = 'mend it, and check it with `ferryline validate`' } = thrown;
    const meanwhile = place === undefined ? '' : `; ${escapeText(place)} was taken as an ssh host`;
    return {
      config: undefined,
      broken: new FerryError('config', message, { hint: `${hint}${meanwhile}`, cause }),
    };
  }
}

interface Visit extends DoctorFlags {
  readonly state: string;
  readonly signal: AbortSignal;
  /** Takes the lines of all sessions. */
  readonly transcript: string[];
}

async function examine(
  { remote, places }: Target,
  { write, state, signal, transcript }: Visit,
  examination: Examination,
  { output }: Context,
): Promise<void> {
  const said: string[] = [];
  const pool = new SessionPool({
    transcript(name, kind, text) {
      if (kind === 'status') said.push(text);
      transcript.push(`${name} ${kind} ${text}`);
      if (output.verbosity > 1) showTranscript(output, name, kind, text);
    },
  });
  const user = `${remote.username}@${remote.host} port ${remote.port}`;
  examination.begin(
    remote.name,
    remote.jump === undefined ? user : `${user} through ${remote.jump.name}`,
  );
  try {
    const sides = await examineServer(examination, { remote, places, state, pool, said, signal });
    if (write !== true && sides.length > 0 && !output.json)
      output.note('  --write also examines its clock, names and speed, with probe files there');
    if (write === true)
      for (const side of sides) await probe(side, remote, state, examination, signal);
  } finally {
    await pool.leave();
  }
}

async function probe(
  { endpoint, only }: Side,
  remote: Remote,
  state: string,
  examination: Examination,
  signal: AbortSignal,
): Promise<void> {
  // the source of a job may be a single file
  if (only !== undefined) return;
  const { label, root, can } = endpoint;
  const facts = recallFacts(state, { remote, label, root, can });
  await examineWriting(examination, { endpoint, facts, signal });
  await facts.keep();
}

/** What the word on the command line means; without one, all remotes of jobs.yml. */
function targetsOf(
  place: string | undefined,
  config: Config | undefined,
  flags: DoctorFlags,
  context: Context,
): Target[] {
  if (place === undefined)
    return [...(config?.remotes.values() ?? [])].map((remote) => ({
      remote,
      places: placesOf(remote, config),
    }));
  const named = config?.remotes.get(place);
  if (named !== undefined) return [{ remote: named, places: placesOf(named, config) }];
  const members = config?.groups.get(place);
  if (members !== undefined)
    return members.flatMap((member) => targetsOf(member, config, flags, context));
  if (mayNameRemote(place) || /[:/]/.test(place)) {
    const location = locate(place, config, flags, context, true);
    if (location.remote !== undefined) return [{ remote: location.remote, places: [location] }];
  }
  const found = remoteFromHost(place, { port: flags.port, key: flags.identity });
  sayIgnored(found, context.output, true);
  const { remote } = found;
  return [{ remote, places: placesOf(remote, undefined) }];
}

/** Where the remote's jobs write, or read; its root or login folder if there are none. */
function placesOf(remote: Remote, config: Config | undefined): Location[] {
  const jobs: Job[] = [...(config?.jobs.values() ?? [])].flatMap(partsOf);
  const sides = jobs.flatMap(({ from, to }) => [to, from]).filter((side) => side.remote === remote);
  const byLabel = new Map(sides.map((side) => [side.label, side]));
  if (byLabel.size === 0) return [{ remote, path: '', label: `${remote.name}:` }];
  return [...byLabel.values()].slice(0, mostPlaces);
}

function stateOf(
  config: Config | undefined,
  { write }: DoctorFlags,
  context: Context,
): Promise<string> | string {
  if (write === true)
    return config === undefined ? useAdHocState(context) : useState(context, config);
  return config === undefined
    ? adHocStateFolder(context.environment)
    : lookAtState(context, config);
}

interface Findings {
  readonly version: string;
  readonly config: Config | undefined;
  readonly examination: Examination;
  readonly transcript: readonly string[];
}

/** Writes what a bug report needs, secrets removed, as JSON for people and programs. Never replaces a file. */
async function writeReport(
  file: string,
  { version, config, examination, transcript }: Findings,
  { output }: Context,
): Promise<void> {
  const report = {
    ferryline: version,
    node: process.version,
    system: `${process.platform} ${process.arch}`,
    stages: examination.stages,
    jobsYml: config === undefined ? undefined : (await readText(config.file)).text.split('\n'),
    transcript,
  };
  const text = output.redact(JSON.stringify(report, null, 2));
  try {
    await writeFile(file, `${text}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code === 'EEXIST';
    throw new FerryError(
      'io',
      `the report can't be written to ${escapeText(file)}: ${isThere ? 'there is such a file' : (error as Error).message}`,
      { hint: 'name another file', cause: error },
    );
  }
  output.note(
    `wrote ${escapeText(file)}: it names hosts, users and paths; secrets are left out. Read it before you send it`,
  );
}
