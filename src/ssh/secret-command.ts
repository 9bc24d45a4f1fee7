/** Runs the commands that print the secrets of a login. What they print is used for that login, and stored nowhere. */
import { type ChildProcess, spawn } from 'node:child_process';
import { abortable } from '../core/abort.js';
import { FerryError } from '../core/errors.js';
import { learntSecrets } from '../core/learnt-secrets.js';
import { present } from '../core/present.js';
import type { Remote, SecretCommand, SecretText } from '../core/remote.js';
import { escapeText, formatBytes, formatDuration, secretMark } from '../core/text.js';

/** A command that has not ended after this time is killed. */
const endWithinMs = 10_000;
/** A command that prints more is killed: that is no secret. */
const mostBytes = 64 * 1024;
/** What is read of a command's complaint; the rest is dropped. */
const mostComplaintBytes = 4096;
const complaintChars = 300;

/** The passphrase and the password of a remote's login. Errors: `auth`, or the signal's reason. */
export async function loginSecrets(
  { name, auth }: Remote,
  signal: AbortSignal,
): Promise<{ readonly passphrase?: string; readonly password?: string }> {
  const [passphrase, password] = await Promise.all([
    textOf(auth.passphrase, name, signal),
    textOf(auth.password, name, signal),
  ]);
  return present({ passphrase, password });
}

async function textOf(
  text: SecretText | undefined,
  remote: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (text === undefined || typeof text === 'string') return text;
  const parts = text.parts.map((part) =>
    typeof part === 'string' ? part : printed(part, remote, signal),
  );
  const whole = (await Promise.all(parts)).join('');
  learntSecrets.add(whole);
  return whole;
}

/** What a command prints, without its last line end. */
function printed(secret: SecretCommand, remote: string, signal: AbortSignal): Promise<string> {
  return abortable(signal, (resolve, reject) => {
    const [program = '', ...args] = secret.command;
    const where = `${remote}: the command of the secret ${secret.secret}`;
    // a group of its own, so that what it has started is killed with it
    const child = spawn(program, args, {
      cwd: secret.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const output = new Output();
    const stop = () => {
      clearTimeout(timer);
      killGroup(child);
    };
    const fail = (what: string, hint = byHand(secret)) => {
      stop();
      reject(new FerryError('auth', `${where} ${what}`, { hint }));
    };
    const timer = setTimeout(
      () => fail(`did not end within ${formatDuration(endWithinMs)}, and was killed`),
      endWithinMs,
    );
    child.once('error', (error: NodeJS.ErrnoException) =>
      fail(
        `can't be run: ${reasons[error.code ?? ''] ?? escapeText(error.message)}: ${escapeText(program)}`,
        `check \`secrets.${secret.secret}\` in jobs.yml, and that the program is installed`,
      ),
    );
    child.stdout.on('data', (data: Buffer) => {
      if (!output.take(data))
        fail(
          `printed more than ${formatBytes(mostBytes)}, and was killed; it must print the secret alone`,
        );
    });
    child.stderr.on('data', (data: Buffer) => output.complain(data));
    child.once('close', (code, killedBy) => {
      clearTimeout(timer);
      if (code !== 0) return fail(`failed (${killedBy ?? `exit ${code}`})${output.complaint}`);
      const text = output.text;
      if (text === undefined) return fail('printed something that is not UTF-8 text');
      if (text === '') return fail('printed nothing');
      learntSecrets.add(text);
      resolve(text);
    });
    return stop;
  });
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such program',
  EACCES: 'it may not be executed',
};

function byHand({ secret }: SecretCommand): string {
  return `run the command of \`secrets.${secret}\` by hand, as this user: it must print the secret, and end`;
}

/** What a command has printed so far. */
class Output {
  #printed = Buffer.alloc(0);
  #complaint = Buffer.alloc(0);

  /** False when it is too much. */
  take(data: Buffer): boolean {
    this.#printed = Buffer.concat([this.#printed, data]);
    return this.#printed.length <= mostBytes;
  }

  complain(data: Buffer): void {
    if (this.#complaint.length < mostComplaintBytes)
      this.#complaint = Buffer.concat([this.#complaint, data]);
  }

  /** Undefined when it is not UTF-8. */
  get text(): string | undefined {
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(this.#printed).replace(/\r?\n$/, '');
    } catch {
      return undefined;
    }
  }

  /** `: permission denied`: the first line on stderr, without what is on stdout as well. */
  get complaint(): string {
    const lines = this.#complaint.toString('utf8').split(/[\r\n]+/);
    let first = lines.find((line) => line.trim() !== '')?.trim() ?? '';
    for (const line of this.#printed.toString('utf8').split(/[\r\n]+/))
      if (line.trim() !== '') first = first.replaceAll(line.trim(), secretMark);
    return first === '' ? '' : `: ${escapeText(first.slice(0, complaintChars))}`;
  }
}

/** Kills a command and what it has started; one that left its group keeps nothing open here. */
function killGroup(child: ChildProcess): void {
  const hasEnded = child.stdout?.closed === true && child.exitCode !== null;
  child.stdout?.destroy();
  child.stderr?.destroy();
  if (child.pid === undefined || hasEnded) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // it has ended
  }
}
