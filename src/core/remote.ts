/** A remote: a named SFTP server, every key present, every unit fixed. */
import type { Bandwidth } from './bandwidth.js';

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

/** A text that is a secret; one that commands print is known only during a login. */
export type SecretText = string | { readonly parts: readonly (string | SecretCommand)[] };

/** A command that prints a secret. */
export interface SecretCommand {
  /** Its name in jobs.yml. */
  readonly secret: string;
  /** The program and its arguments; no shell is involved. */
  readonly command: readonly string[];
  /** Where it runs: the folder of jobs.yml. */
  readonly folder: string;
}

export interface Auth {
  /** Private key files, in the order they are tried. */
  readonly keys: readonly string[];
  /** Whether key files may be missing: true for the default ones, false for those of jobs.yml. */
  readonly keysOptional: boolean;
  readonly passphrase?: SecretText;
  readonly password?: SecretText;
  /** Socket of the SSH agent, if it is used. */
  readonly agent?: string;
}

/** Algorithm names that replace the default list, or changes to it. */
export type AlgorithmChange =
  | readonly string[]
  | {
      readonly append?: readonly string[];
      readonly prepend?: readonly string[];
      readonly remove?: readonly string[];
    };

export interface Remote {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly auth: Auth;
  /** Pinned keys, as `SHA256:…` or `type base64`; empty: the known_hosts files decide. */
  readonly hostKey: readonly string[];
  /** Files in known_hosts format, in order; they may be missing. */
  readonly knownHosts: readonly string[];
  /** The name to look up in known_hosts (ssh_config's HostKeyAlias); absent: the host. */
  readonly hostKeyAlias?: string;
  /** Absolute, or relative to the login folder; undefined: the login folder, which absolute paths may leave. */
  readonly root: string | undefined;
  readonly maxSessions: number;
  /** Files copied at the same time; 0: chosen automatically. */
  readonly maxFiles: number;
  /** Bytes a second; undefined: no limit. */
  readonly bandwidth: Bandwidth | undefined;
  /** Longest wait for a reply, milliseconds. */
  readonly replyTimeout: number;
  /** Longest time a transfer may make no progress, milliseconds. */
  readonly stallTimeout: number;
  /** By kind as ssh2 names them (`kex`, `cipher`, `serverHostKey`, `hmac`, `compress`). */
  readonly algorithms: Readonly<Record<string, AlgorithmChange>>;
  readonly jump: Remote | undefined;
  /** Options of the system's ssh, for `transport: openssh`; absent: ssh2 logs in. */
  readonly openssh?: readonly string[];
}
