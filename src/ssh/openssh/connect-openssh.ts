/**
 * The transport `openssh`: the system's ssh as a child process, with all that ssh_config, agents
 * and security keys can do. ssh checks host keys itself and never asks for a password. The first
 * process is the master of a control socket, through which further channels use the same login.
 */
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { abortable } from '../../core/abort.js';
import { FerryError } from '../../core/errors.js';
import type { Remote } from '../../core/remote.js';
import { escapeText } from '../../core/text.js';
import { expectSftp, type LastWordsOfChannel } from '../first-packet.js';
import { isOtherProtocol } from '../not-ssh.js';
import type { SessionLog, Transport } from '../transport.js';
import { foreignWords, type OpensshFacts, opensshError, ownWords } from './openssh-error.js';
import { SshProcess } from './ssh-process.js';

/** After three keepalive requests without an answer the connection ends. */
const keepaliveSeconds = 15;
/** A longer path is not used: sockaddr_un holds 108 bytes, and ssh adds 17 to the name while it makes the socket. */
const longestControlPathBytes = 88;

/** See `Connect` in transport.ts. */
export async function connectOpenssh(
  remote: Remote,
  log: SessionLog,
  signal: AbortSignal,
): Promise<Transport> {
  const where = `${remote.name}: ${escapeText(remote.host)} by ssh`;
  const facts = { where, pinned: remote.hostKey, deadline: remote.replyTimeout };
  const folder = await controlFolder();
  const control = join(folder, 'c');
  log('status', `starting ssh to ${escapeText(remote.host)}`);
  // -v prints the server's software, each login, and why a login has failed
  const master = new SshProcess(
    sshArguments(remote, control, ['-v', '-o', 'ControlMaster=yes']),
    log,
  );
  // synchronous: the caller of `close` may be about to end this process
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  const ended = master.ended.then((output) => {
    removeFolder();
    return opensshError(output, facts);
  });
  const close = () => {
    removeFolder();
    return master.end();
  };
  try {
    await loggedIn(master, ended, facts, signal);
  } catch (error) {
    await close();
    throw error;
  }
  log('status', 'logged in');
  expectSftp(master.stream, where, () => lastWords(master));
  return {
    first: master.stream,
    serverSoftware: master.software,
    logins: master.logins,
    ended,
    openChannel: async (signal) => {
      signal.throwIfAborted();
      return openChannel(remote, control, where, log);
    },
    close,
  };
}

/** A folder for the control socket that other users can't enter, with a name short enough. */
async function controlFolder(): Promise<string> {
  const path = join(tmpdir(), 'ferryline-ssh-XXXXXX/c');
  const parent = Buffer.byteLength(path) > longestControlPathBytes ? '/tmp' : tmpdir();
  return mkdtemp(join(parent, 'ferryline-ssh-'));
}

function sshArguments(remote: Remote, control: string, more: readonly string[]): string[] {
  const options = [
    'BatchMode=yes',
    'StrictHostKeyChecking=yes',
    'UpdateHostKeys=no',
    `ControlPath=${control.replace(/%/g, '%%')}`,
    'ControlPersist=no',
    `ConnectTimeout=${Math.max(1, Math.ceil(remote.replyTimeout / 1000))}`,
    `ServerAliveInterval=${keepaliveSeconds}`,
    'ServerAliveCountMax=3',
    // the subsystem and nothing else, whatever ssh_config sets for this host
    ...['ForwardAgent=no', 'ForwardX11=no', 'ClearAllForwardings=yes', 'PermitLocalCommand=no'],
    ...['RemoteCommand=none', 'RequestTTY=no', 'EscapeChar=none', 'Tunnel=no'],
    ...(remote.openssh ?? []),
  ];
  const flags = options.flatMap((option) => ['-o', option]);
  return [...more, ...flags, '-s', '--', remote.host, 'sftp'];
}

/** Resolves when the server has accepted the login. */
async function loggedIn(
  master: SshProcess,
  ended: Promise<FerryError>,
  facts: OpensshFacts,
  signal: AbortSignal,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  let stopListening = () => {};
  try {
    await abortable<void>(signal, (resolve, reject) => {
      // the deadline starts again with each line: as long as ssh prints something, it makes progress
      const restartTimer = () => {
        clearTimeout(timer);
        timer = setTimeout(() => {
          const foreign = foreignWords(master.output) !== undefined;
          reject(opensshError(foreign ? master.output : 'timed out', facts));
        }, facts.deadline);
      };
      restartTimer();
      stopListening = master.onLine((line) => {
        restartTimer();
        if (isOtherProtocol(Buffer.from(foreignWords(line) ?? '')))
          reject(opensshError(line, facts));
        // `Authenticated to` is not enough: it is printed for jump hosts, too
        if (/^debug1: Entering interactive session/.test(line)) resolve();
      });
      void ended.then(reject);
      return undefined;
    });
  } finally {
    clearTimeout(timer);
    stopListening();
  }
}

/** With 255 ssh reports trouble of its own; any other exit code is that of the server's program (ssh(1), EXIT STATUS). */
function lastWords({ output, exitCode }: SshProcess): LastWordsOfChannel {
  const remote = exitCode !== undefined && exitCode !== 255;
  return {
    end: remote ? `exit ${exitCode}` : undefined,
    complaint: ownWords(output).join('; '),
    lost: exitCode === 255,
  };
}

/** A channel through the master, never by a login of its own. */
function openChannel(remote: Remote, control: string, where: string, log: SessionLog): Duplex {
  const client = new SshProcess(
    sshArguments(remote, control, ['-o', 'ControlMaster=no', '-o', 'ProxyCommand=false']),
    log,
  );
  void client.ended.then((output) => {
    const why = escapeText(output.trim().split('\n').at(-1) ?? '');
    client.stream.destroy(
      new FerryError('io', `${where} opens no further channel: ${why}`, { code: 'EMFILE' }),
    );
  });
  return client.stream;
}
