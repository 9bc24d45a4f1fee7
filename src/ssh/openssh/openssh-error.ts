/** Turns what the system's ssh prints when it fails into our errors: kind (which decides the exit code), code and hint. */
import { FerryError } from '../../core/errors.js';
import { escapeText, formatDuration } from '../../core/text.js';
import { notSsh } from '../not-ssh.js';

type OpensshErrorKind = 'auth' | 'host-key' | 'network' | 'config';

/** The first pattern that matches decides; the message keeps ssh's own words. */
const meanings: readonly (readonly [
  output: RegExp,
  kind: OpensshErrorKind,
  code: string,
  hint: string,
])[] = [
  [
    /spawn ssh ENOENT/,
    'config',
    'ENOENT',
    'install the OpenSSH client, or remove `transport: openssh` from this remote',
  ],
  [
    /Bad configuration option|Bad owner or permissions on|terminating, \d+ bad configuration|keyword .* extra arguments/,
    'config',
    'ECONFIG',
    'correct ssh_config; `ssh -G HOST` shows how ssh reads it',
  ],
  [
    /REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed|host key is known for|REVOKED HOST KEY|differs from the key for the IP/,
    'host-key',
    'EHOSTKEY',
    'compare the fingerprint with one from a trusted source; if it is right, run `ferryline trust` or correct known_hosts',
  ],
  [
    /no matching host key type/,
    'host-key',
    'EHOSTKEY',
    'an old server may need HostKeyAlgorithms=+ssh-rsa in ssh_config',
  ],
  [
    /UNPROTECTED PRIVATE KEY FILE/,
    'config',
    'EKEYMODE',
    'run chmod 600 on the key file: ssh ignores a key that others can read',
  ],
  [
    /Permission denied|Too many authentication failures|No more authentication methods|sign_and_send_pubkey|Authentication failed/,
    'auth',
    'EAUTH',
    'check user name and key; `ssh -v` to the same host shows what it accepts. ferryline never lets ssh ask for a password',
  ],
  [
    /no matching (?:cipher|key exchange|MAC|mac)|Unable to negotiate/,
    'auth',
    'EALGORITHM',
    'update the server, or allow in ssh_config the algorithms that it needs',
  ],
  [
    /subsystem request failed/,
    'network',
    'ENOSFTP',
    "check the server's Subsystem sftp setting and that the account may use it",
  ],
  [
    /Could not resolve hostname/,
    'network',
    'ENOTFOUND',
    'check the spelling of `host` and that DNS works here',
  ],
  [
    /Connection refused/,
    'network',
    'ECONNREFUSED',
    'check host and port, and that the SSH server is running',
  ],
  [
    /timed out|Timeout, server/i,
    'network',
    'ETIMEDOUT',
    'run it again; check that the server answers SSH on this port',
  ],
  [
    /No route to host|Network is unreachable/,
    'network',
    'EHOSTUNREACH',
    'check the network, VPN or firewall',
  ],
];

export interface OpensshFacts {
  /** The beginning of the message: `archive: host.example by ssh`. */
  readonly where: string;
  /** Host keys that jobs.yml pins. */
  readonly pinned: readonly string[];
  /** For an answer, in milliseconds. */
  readonly deadline: number;
}

/** `output` is ssh's stderr, or `timed out`. */
export function opensshError(
  output: string,
  { where, pinned, deadline }: OpensshFacts,
): FerryError {
  const banner = foreignWords(output);
  if (banner !== undefined) return notSsh(where, Buffer.from(banner));
  const relevant = ownWords(output);
  const words = relevant.map((line) => escapeText(line.replace(/^@+\s*|\s*@+$/g, '').trim()));
  const message = words.filter((line) => line !== '').join('; ');
  for (const [pattern, kind, code, hint] of meanings) {
    if (!pattern.test(relevant.join('\n'))) continue;
    const presented = kind === 'host-key' ? keyOf(output, pinned) : '';
    const why = message === 'timed out' ? `no answer within ${formatDuration(deadline)}` : message;
    return new FerryError(kind, `${where}: ${why}${presented}`, { code, hint });
  }
  return new FerryError(
    'network',
    `${where}: connection lost${message === '' ? '' : ` (${message})`}`,
    {
      code: 'ECONNLOST',
      hint: 'run it again; what was done stays done',
    },
  );
}

/** What ssh prints besides its progress: complaints, its own and those of the server's program. */
export function ownWords(output: string): string[] {
  return output
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '' && !/^debug\d: /.test(line))
    .filter((line) => !/^(?:OpenSSH_|Authenticated to |Transferred: |Bytes per)/.test(line));
}

/** What a peer sent where SSH begins, if it never named itself as an SSH server; ssh prints it with -v. */
export function foreignWords(output: string): string | undefined {
  if (/^debug1: Remote protocol version /m.test(output)) return undefined;
  const line =
    /^(?:debug1: )?(?:kex_exchange_identification|ssh_exchange_identification): (?:banner line \d+: |client sent invalid protocol identifier )(.*)$/m;
  const banner = line.exec(output)?.[1];
  if (banner !== undefined) return banner;
  // it shows no byte of binary data
  return /banner exchange: .*invalid format|Bad remote protocol version|invalid characters/i.test(
    output,
  )
    ? 'binary data'
    : undefined;
}

/** The key that the server presented, which ssh prints with -v only. */
function keyOf(output: string, pinned: readonly string[]): string {
  const key = /^debug1: Server host key: (\S+ \S+)/m.exec(output)?.[1];
  if (key === undefined) return '';
  const expected = pinned.length === 0 ? '' : `; jobs.yml pins ${pinned.join(', ')}`;
  return ` (the server presents ${escapeText(key)}${expected})`;
}
