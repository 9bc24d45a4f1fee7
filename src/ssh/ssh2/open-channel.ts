/** Opens SFTP channels on a connection that is logged in. They come raw: ssh2 does not speak SFTP on them. */
import type { Duplex } from 'node:stream';
import type { Client, ClientChannel } from 'ssh2';
import { abortable } from '../../core/abort.js';
import { FerryError } from '../../core/errors.js';
import { escapeText } from '../../core/text.js';
import { expectSftp } from '../first-packet.js';
import { takeLentBytes } from './lent-reads.js';
import { widenReceiveWindow } from './receive-window.js';

/** What is kept of what a server's program complains about, in characters. */
const longestComplaint = 300;

/** Rejects with ssh2's error. */
function openSftpChannel(client: Client): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    client.subsys('sftp', (error, channel) => {
      if (error) return reject(error);
      takeLentBytes(channel);
      widenReceiveWindow(client, channel);
      resolve(channel);
    });
  });
}

/** The part of ssh2 1.17 that its published types leave out. */
interface SubsystemInternals {
  readonly _remoteVer?: string;
  readonly _protocol?: { subsystem?: (channel: number, name: string, reply: boolean) => void };
}

/** What became of the guess that a server's first channel is its channel 0. */
export interface Guess {
  /** Whether the answers that would show it are missing, or say that it was wrong. */
  isOpen: boolean;
}

/**
 * Opens a connection's first SFTP channel. OpenSSH gives it the number 0, so that the request for the subsystem
 * can leave with the one for the channel, which RFC 4254 §5.1 has answered first. Where the number is another one, the
 * subsystem is requested again; a server may also end the connection then, and only a new one without a guess helps.
 */
export async function openFirstChannel(
  client: Client,
  guess: Guess | undefined,
): Promise<ClientChannel> {
  const { _protocol: protocol, _remoteVer = '' } = client as unknown as SubsystemInternals;
  const request = protocol?.subsystem;
  const isKnown = protocol !== undefined && request !== undefined;
  if (guess === undefined || !isKnown || !_remoteVer.startsWith('OpenSSH_'))
    return openSftpChannel(client);
  guess.isOpen = true;
  const opening = openSftpChannel(client);
  request.call(protocol, 0, 'sftp', true);
  let isRight = false;
  protocol.subsystem = (channel, ...rest) => {
    isRight = channel === 0;
    if (!isRight) request.call(protocol, channel, ...rest);
  };
  try {
    const channel = await opening;
    guess.isOpen = false;
    return channel;
  } catch (error) {
    // the server gave its reason for opening no channel (RFC 4254 §5.1), or refused the subsystem on the channel that was guessed (§5.4)
    if (error instanceof Error && ('reason' in error || (isRight && isRefusal(error))))
      guess.isOpen = false;
    throw error;
  } finally {
    protocol.subsystem = request;
  }
}

/** Whether the server answered that it does not start the subsystem; the words are ssh2's own. */
function isRefusal({ message }: Error): boolean {
  return message.startsWith('Unable to start subsystem');
}

/** Has a channel fail in words where no SFTP server answers on it; `isLost`: whether the connection has ended. */
export function expectSftpOn(channel: ClientChannel, where: string, isLost: () => boolean): void {
  let complaint = '';
  let end: string | undefined;
  channel.stderr.on('data', (data: Buffer) => {
    complaint = (complaint + data.toString('utf8')).slice(0, longestComplaint);
  });
  channel.on('exit', (code: number | null, signal?: string) => {
    end = code === null ? `signal ${escapeText(String(signal))}` : `exit ${code}`;
  });
  expectSftp(channel, where, () => ({ end, complaint: complaint.trim(), lost: isLost() }));
}

/** See `openChannel` in transport.ts; `where` begins the message of its error. */
export function openFurtherChannel(
  client: Client,
  where: string,
  signal: AbortSignal,
): Promise<Duplex> {
  return abortable(signal, (resolve, reject) => {
    openSftpChannel(client).then(
      (channel) => {
        if (signal.aborted) channel.destroy();
        else resolve(channel);
      },
      (error: Error) =>
        reject(
          new FerryError('io', `${where} opens no further channel: ${escapeText(error.message)}`, {
            code: 'EMFILE',
            cause: error,
          }),
        ),
    );
    return undefined;
  });
}
