/** The part of ssh2-sftp-client that ferryline uses; its published types are for an older major version. */
declare module 'ssh2-sftp-client' {
  import type { Client, ConnectConfig } from 'ssh2';

  export default class SftpClient {
    constructor(name: string, callbacks: { error(): void; end(): void; close(): void });
    readonly client: Client;
    /** Logs in and opens an SFTP channel of its own. */
    connect(config: ConnectConfig): Promise<{ end(): void }>;
  }
}
