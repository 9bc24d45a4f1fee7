/**
 * The transport `openssh`: the system's ssh as a child process, with all that ssh_config, agents
 * and security keys can do. It checks host keys itself and never asks for a password. It is the
 * master of a control socket of its own, through which further channels go over the same login.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { FerryError } from '../../core/errors.js';
import type { Remote } from '../../core/remote.js';
import { escapeText } from '../../core/text.js';
import type { SessionLog, Transport } from '../transport.js';
import { type OpensshFacts, opensshError } from './openssh-error.js';

/** Seconds between keepalive questions; three unanswered ones end the connection. */
const keepalive = 15;
/** Milliseconds a polite goodbye may take. */
const goodbye = 1000;
/** sockaddr_un holds 108 bytes; ssh adds 17 to the name while it makes the socket. */
const longestControlPath = 88;

/** See `Connect` in transport.ts. */
export async function connectOpenssh(
  remote: Remote,
  log: SessionLog,
  signal: AbortSignal,
): Promise<Transport> {
  const where = `${remote.name}: ${escapeText(remote.host)} by ssh`;
  const facts = { where, pinned: remote.hostKey, deadline: remote.deadline };
  const folder = await controlFolder();
  const control = join(folder, 'c');
  log('status', `starting ssh to ${escapeText(remote.host)}`);
  // -v tells which software the server runs, when a login has succeeded, and why one has not.
  const master = startSsh(remote, control, ['-v', '-o', 'ControlMaster=yes'], log);
  // at once: whoever closes may be about to end the process
  const clear = () => rmSync(folder, { recursive: true, force: true });
  const ended = master.ended.then((said) => {
    clear();
    return opensshError(said, facts);
  });
  const close = () => {
    clear();
    return end(master.child);
  };
  try {
    await loggedIn(master, ended, facts, signal);
  } catch (error) {
    await close();
    throw error;
  }
  log('status', 'logged in');
  return {
    first: master.stream,
    serverSoftware: master.software(),
    logins: master.logins(),
    ended,
    openChannel: (abort) => openChannel(remote, control, where, log, abort),
    close,
  };
}

/** A folder for the control socket that nobody else can enter, with a name short enough. */
async function controlFolder(): Promise<string> {
  const own = join(tmpdir(), 'ferryline-ssh-XXXXXX/c');
  const base = Buffer.byteLength(own) > longestControlPath ? '/tmp' : tmpdir();
  return mkdtemp(join(base, 'ferryline-ssh-'));
}

interface Ssh {
  readonly child: ChildProcess;
  readonly stream: Duplex;
  /** All it said on stderr, once it is gone. Never rejects. */
  readonly ended: Promise<string>;
  /** Calls back for each line it says. */
  onLine(listener: (line: string) => void): void;
  logins(): number;
  software(): string;
}

/** Characters of stderr that are kept: what ended it is said last. */
const mostSaid = 64 * 1024;

function startSsh(remote: Remote, control: string, more: readonly string[], log: SessionLog): Ssh {
  const options = [
    'BatchMode=yes',
    'StrictHostKeyChecking=yes',
    'UpdateHostKeys=no',
    `ControlPath=${control.replace(/%/g, '%%')}`,
    'ControlPersist=no',
    `ConnectTimeout=${Math.max(1, Math.ceil(remote.deadline / 1000))}`,
    `ServerAliveInterval=${keepalive}`,
    'ServerAliveCountMax=3',
    // Nothing but the subsystem, whatever ssh_config has for this host.
    ...['ForwardAgent=no', 'ForwardX11=no', 'ClearAllForwardings=yes', 'PermitLocalCommand=no'],
    ...['RemoteCommand=none', 'RequestTTY=no', 'EscapeChar=none', 'Tunnel=no'],
    ...(remote.openssh ?? []),
  ];
  const child = spawn(
    'ssh',
    [...more, ...options.flatMap((option) => ['-o', option]), '-s', '--', remote.host, 'sftp'],
    {
      stdio: ['pipe', 'pipe', 'pipe'],
      // A Ctrl-C on the terminal is for us to answer.
      detached: true,
      env: { ...process.env, LC_ALL: 'C' },
    },
  );
  let said = '';
  let line = '';
  let logins = 0;
  let software = '';
  const listeners: ((line: string) => void)[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-mostSaid);
    const lines = (line + text).split(/\r?\n/);
    line = lines.pop() ?? '';
    for (const one of lines) {
      if (/^(?:debug1: )?Authenticated to /.test(one)) logins++;
      software = /^debug1: .* remote software version (.*)$/.exec(one)?.[1] ?? software;
      log('status', `ssh: ${escapeText(one.replace(/^debug1: /, ''))}`);
      for (const listener of listeners) listener(one);
    }
  });
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`${said}\n${error.message}`));
    child.once('close', () => resolve(said));
  });
  return {
    child,
    stream: streamOf(child),
    ended,
    onLine: (listener) => listeners.push(listener),
    logins: () => logins,
    software: () => software,
  };
}

/** Resolves when the server has taken the login. */
function loggedIn(
  ssh: Ssh,
  ended: Promise<FerryError>,
  facts: OpensshFacts,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      outcome();
    };
    const late = () => settle(() => reject(opensshError('timed out', facts)));
    let timer = setTimeout(late, facts.deadline);
    const abort = () => settle(() => reject(signal.reason));
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    ssh.onLine((line) => {
      // As long as it says something, it gets on.
      clearTimeout(timer);
      timer = setTimeout(late, facts.deadline);
      // The last login is the one on the server itself; those before are jump hosts'.
      if (/^debug1: Entering interactive session/.test(line)) settle(resolve);
    });
    void ended.then((error) => settle(() => reject(error)));
  });
}

async function openChannel(
  remote: Remote,
  control: string,
  where: string,
  log: SessionLog,
  signal: AbortSignal,
): Promise<Duplex> {
  signal.throwIfAborted();
  // It goes through the master or nowhere: a login of its own would be one more than was asked for.
  const ssh = startSsh(
    remote,
    control,
    ['-o', 'ControlMaster=no', '-o', 'ProxyCommand=false'],
    log,
  );
  void ssh.ended.then((said) => {
    const why = escapeText(said.trim().split('\n').at(-1) ?? '');
    ssh.stream.destroy(
      new FerryError('io', `${where} opens no further channel: ${why}`, { code: 'EMFILE' }),
    );
  });
  return ssh.stream;
}

/** A child's stdin and stdout as one stream. */
function streamOf(child: ChildProcess): Duplex {
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new Error('a child without pipes');
  const stream = new Duplex({
    read() {
      stdout.resume();
    },
    write(chunk, _encoding, done) {
      stdin.write(chunk, done);
    },
    writev(chunks, done) {
      stdin.cork();
      chunks.forEach(({ chunk }, i) => {
        stdin.write(chunk, i === chunks.length - 1 ? done : undefined);
      });
      stdin.uncork();
    },
    final(done) {
      stdin.end(done);
    },
    destroy(error, done) {
      stdin.destroy();
      stdout.destroy();
      done(error);
    },
  });
  stdout.on('data', (chunk: Buffer) => {
    if (!stream.push(chunk)) stdout.pause();
  });
  stdout.once('end', () => stream.push(null));
  // A broken pipe says less than the reason that the child gives for its end.
  stdin.on('error', () => stream.destroy());
  stdout.on('error', () => stream.destroy());
  return stream;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.stdin?.destroy();
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), goodbye);
  await gone;
  clearTimeout(timer);
}
