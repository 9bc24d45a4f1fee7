/** What every server of the kit tells of itself. */
export interface RealServer {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly username: string;
  /** The client's private key. */
  readonly keyFile: string;
  readonly hostKeyFingerprint: string;
  /** The folder behind it, here. */
  readonly folder: string;
  /** The same folder as the server names it. */
  readonly root: string;
  log(): string;
  stop(): Promise<void>;
}
