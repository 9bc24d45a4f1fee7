/** What every SFTP server of the kit has in common. */
export interface RealServer {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly username: string;
  /** The client's private key. */
  readonly keyFile: string;
  readonly hostKeyFingerprint: string;
  /** Names its host key. */
  readonly knownHostsFile: string;
  /** The served folder on this machine. */
  readonly folder: string;
  /** The same folder's name on the server. */
  readonly root: string;
  log(): string;
  stop(): Promise<void>;
}
