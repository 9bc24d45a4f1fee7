/**
 * The seam under the SFTP client: something logs in once and then hands out SFTP channels. ssh2
 * does it here; another way to reach a server (the system's ssh) is another `Connect`.
 */
import type { Duplex } from 'node:stream';
import type { FerryError } from '../core/errors.js';
import type { Remote } from '../core/remote.js';

export interface Transport {
  /** A channel opened in the same go as the login. */
  readonly first: Duplex;
  /** How the server names its software: `OpenSSH_9.2p1 Debian-2`. */
  readonly serverSoftware: string;
  /** SSH logins made for it, jump hosts counted. */
  readonly logins: number;
  /** Settles, never rejecting, with the reason when the connection has ended. */
  readonly ended: Promise<FerryError>;
  /** One more SFTP channel on the same connection; an `io` error when the server allows no more. */
  openChannel(signal: AbortSignal): Promise<Duplex>;
  /** Ends the connection, politely at first; resolves when it has ended. */
  close(): Promise<void>;
}

/** What a session tells of itself: one line for the transcript. A `notice` is a status that people want to know without one. */
export type Tell = (kind: 'notice' | 'status' | 'command' | 'response', text: string) => void;

/**
 * Logs in. Errors: `network` (unreachable, cut, silent), `host-key` before any credential is sent,
 * `auth`, `config` (a key file that can't be used), or the signal's reason.
 */
export type Connect = (remote: Remote, tell: Tell, signal: AbortSignal) => Promise<Transport>;
