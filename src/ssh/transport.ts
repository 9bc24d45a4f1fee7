/**
 * The interface between SSH and the SFTP client: a `Connect` logs in once, its `Transport` opens
 * SFTP channels. There are two: ssh2 in this process, and the system's ssh.
 */
import type { Duplex } from 'node:stream';
import type { FerryError } from '../core/errors.js';
import type { Remote } from '../core/remote.js';

export interface Transport {
  /** The channel that was opened together with the login. As with each channel here, the bytes of a `data` event are valid only during the event. */
  readonly first: Duplex;
  /** How the server names its software: `OpenSSH_9.2p1 Debian-2`. */
  readonly serverSoftware: string;
  /** A round trip that took no longer than this, milliseconds; absent: none was measured. */
  readonly roundTrip?: number;
  /** SSH logins made for it, those on jump hosts included. */
  readonly logins: number;
  /** Resolves with the reason once the connection has ended; never rejects. */
  readonly ended: Promise<FerryError>;
  /** Opens another SFTP channel on the same connection; an `io` error if the server allows no more. */
  openChannel(signal: AbortSignal): Promise<Duplex>;
  /** Ends the connection, by force if the server does not answer the goodbye; resolves once it has ended. */
  close(): Promise<void>;
}

/** Receives one line of a session's transcript. A `notice` is a status that users see without `-vv`, too. */
export type SessionLog = (kind: 'notice' | 'status' | 'command' | 'response', text: string) => void;

/**
 * Asks a person for the passphrase of a key file, again while `open` resolves to undefined, which means that the
 * answer was wrong. Resolves to what `open` made of the right one; undefined: there is no answer. Rejects with an error
 * of `open`, or with the signal's reason.
 */
export type AskPassphrase = <T>(
  path: string,
  open: (passphrase: string) => Promise<T | undefined>,
  signal: AbortSignal,
) => Promise<T | undefined>;

/**
 * Logs in; `ask` is there where a person can be asked. Errors: `network` (unreachable, cut, silent), `host-key` (before any credential is
 * sent), `auth`, `config` (a key file that can't be used), or the signal's reason.
 */
export type Connect = (
  remote: Remote,
  log: SessionLog,
  signal: AbortSignal,
  ask?: AskPassphrase,
) => Promise<Transport>;
