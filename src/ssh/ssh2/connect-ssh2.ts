/**
 * The transport `ssh2`, and a stream through a jump host. ssh2-sftp-client opens and closes the
 * session; we verify the host key before any credential is sent, and speak SFTP on raw channels.
 */
import type { Duplex } from 'node:stream';
import type { Remote } from '../../core/remote.js';
import type { AskPassphrase, SessionLog, Transport } from '../transport.js';
import { forward, openConnection } from './connection.js';
import { openFurtherChannel } from './open-channel.js';

/** The part of ssh2's client that its published types leave out. */
interface VersionInternals {
  readonly _remoteVer?: string;
}

/** See `Connect` in transport.ts. */
export async function connectSsh2(
  remote: Remote,
  log: SessionLog,
  signal: AbortSignal,
  ask?: AskPassphrase,
): Promise<Transport> {
  const connection = await openConnection(remote, true, log, signal, ask);
  const { client, ended, roundTrip, logins, where, close } = connection;
  return {
    first: connection.channel as Duplex,
    serverSoftware: (client as unknown as VersionInternals)._remoteVer ?? '',
    roundTrip,
    logins,
    ended,
    openChannel: (signal) => openFurtherChannel(client, where, signal),
    close,
  };
}

/** A stream to a remote's SSH port through its jump host. The connection to the jump host closes with the stream. */
export async function openThroughJump(
  remote: Remote,
  jump: Remote,
  signal: AbortSignal,
): Promise<Duplex> {
  const connection = await openConnection(jump, false, () => {}, signal);
  try {
    const stream = await forward(connection, remote, signal);
    stream.once('close', () => void connection.close());
    return stream;
  } catch (error) {
    await connection.close();
    throw error;
  }
}
