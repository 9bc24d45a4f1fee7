/** A remote: a named SFTP server, every key present, every unit fixed. */

/**
 * Host key types and the algorithms a server may sign with for each, preferred first. An RSA key
 * signs with SHA-2 (RFC 8332); its SHA-1 algorithm is never offered.
 */
export const hostKeyAlgorithms: Readonly<Record<string, readonly string[]>> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
};

export interface Auth {
  /** Private key files, tried in this order; one named in jobs.yml must be readable, default ones may be missing. */
  readonly keys: readonly string[];
  readonly keysOptional: boolean;
  readonly passphrase?: string;
  readonly password?: string;
  /** Socket of the agent to ask, if any. */
  readonly agent?: string;
}

export interface Remote {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly auth: Auth;
  /** Pinned fingerprints (`SHA256:…`) or `type base64` keys; empty: the known_hosts files decide. */
  readonly hostKey: readonly string[];
  /** Files in known_hosts format, in order; missing ones are fine. */
  readonly knownHosts: readonly string[];
  /** The name to look up in known_hosts (ssh_config's HostKeyAlias); the host when absent. */
  readonly hostKeyAlias?: string;
  /** Absolute, or relative to the login folder; undefined: the login folder, which absolute paths may leave. */
  readonly root: string | undefined;
  readonly maxSessions: number;
  /** Files in flight; 0: found by itself. */
  readonly maxFiles: number;
  /** Bytes a second; undefined: no limit. */
  readonly bandwidth: number | undefined;
  /** Milliseconds. */
  readonly deadline: number;
  readonly stall: number;
  /** ssh2's `algorithms`, as given. */
  readonly algorithms: Readonly<Record<string, unknown>>;
  readonly jump: Remote | undefined;
  /** With `transport: openssh`: options of the system's ssh, which then logs in; undefined: ssh2 does. */
  readonly openssh?: readonly string[];
}
