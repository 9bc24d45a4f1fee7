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
export function openSftpChannel(client: Client): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    client.subsys('sftp', (error, channel) => {
      if (error) return reject(error);
      takeLentBytes(channel);
      widenReceiveWindow(client, channel);
      resolve(channel);
    });
  });
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
