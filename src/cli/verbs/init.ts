/** `ferryline init`: writes a first jobs.yml, from answers that were tried, from flags, or from rclone's remotes. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FerryError } from '../../core/errors.js';
import { escapeText } from '../../core/text.js';
import { userName } from '../../ssh/ssh-config/user-name.js';
import { schemaFile } from '../../state/own-files.js';
import { readSecretFile } from '../config-texts.js';
import type { Context } from '../context.js';
import { configCandidates } from '../folders.js';
import { firstConfig, template } from '../init/first-config.js';
import { Questions } from '../init/questions.js';
import { rcloneRemotes } from '../init/rclone-config.js';
import { type SetUpFlags, setUp, yesOrNo } from '../init/set-up.js';
import { plan } from './plan.js';

export interface InitFlags extends SetUpFlags {
  /** A file of rclone; true: its usual place. */
  readonly fromRclone?: string | true;
}

/** Never replaces a file. Errors: `config` if the file exists or cannot be written; those of what was tried. */
export async function init(flags: InitFlags, context: Context): Promise<number> {
  const { environment, config } = context;
  const [file = 'jobs.yml'] = configCandidates(environment, config);
  await mustBeFree(file);
  const { fromRclone, ...given } = flags;
  if (fromRclone !== undefined) {
    const usual = join(environment.home, '.config/rclone/rclone.conf');
    const from = fromRclone === true ? usual : fromRclone;
    return write(file, await fromRcloneFile(from, context), context);
  }
  const { stdin, stderr } = process;
  const questions = new Questions({ stdin, stderr }, context.stopSignal());
  try {
    if (!questions.areAsked && Object.keys(given).length === 0)
      return await write(file, { text: template, next: afterTemplate }, context);
    return await fromAnswers(file, given, questions, context);
  } finally {
    questions.close();
  }
}

interface First {
  readonly text: string;
  /** What to do next. */
  readonly next: string;
}

const afterTemplate =
  'enter your server, then run `ferryline trust archive` and `ferryline plan nightly`';

async function write(file: string, { text, next }: First, { output }: Context): Promise<number> {
  try {
    await writeFile(file, text, { flag: 'wx', mode: 0o600 });
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    throw code === 'EEXIST' ? exists(file) : cannotWrite(file, thrown);
  }
  if (output.json) output.record({ event: 'init', time: new Date().toISOString(), path: file });
  else output.data(file);
  output.note(`next: ${next}`);
  return 0;
}

async function fromAnswers(
  file: string,
  flags: SetUpFlags,
  questions: Questions,
  context: Context,
): Promise<number> {
  const { remote, job } = await setUp(flags, {
    questions,
    cwd: context.environment.cwd,
    readSecret: (secret) => readSecretFile(secret).replace(/\n$/, ''),
    signal: context.stopSignal(),
  });
  const text = firstConfig([remote], [job], schemaFile());
  const run = `\`ferryline run ${job.name}\``;
  const next = `\`ferryline plan ${job.name}\` shows what a first run would do, ${run} does it`;
  await write(file, { text, next }, context);
  if (!questions.areAsked) return 0;
  const shows = await questions.ask({
    ask: 'Show now what a first run would do (yes/no)',
    usual: 'yes',
    read: yesOrNo,
  });
  return shows ? plan([job.name], {}, context) : 0;
}

/** Said before anything is asked. */
async function mustBeFree(file: string): Promise<void> {
  const found = await readFile(file).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );
  if (found) throw exists(file);
}

async function fromRcloneFile(file: string, { environment, output }: Context): Promise<First> {
  const text = await readFile(file, 'utf8').catch((error) => {
    throw new FerryError('config', `${escapeText(file)} can't be read: ${error.code}`, {
      hint: '`rclone config file` says where it is',
      cause: error,
    });
  });
  const { remotes, notes } = rcloneRemotes(text, { username: userName(environment.env) });
  for (const note of notes) output.note(note);
  const [first] = remotes;
  if (first === undefined)
    throw new FerryError(
      'config',
      `${escapeText(file)} has no remote of type sftp; nothing was written`,
    );
  return {
    text: firstConfig(remotes, [], schemaFile()),
    next: `\`ferryline doctor ${first.name}\` tries the first remote; then write the first job`,
  };
}

function exists(file: string): FerryError {
  return new FerryError('config', `${escapeText(file)} already exists`, {
    hint: 'add to it, or name another file with --config FILE',
  });
}

function cannotWrite(file: string, thrown: unknown): FerryError {
  const { code } = thrown as NodeJS.ErrnoException;
  return new FerryError('config', `${escapeText(file)} cannot be written: ${code}`, {
    cause: thrown,
  });
}
