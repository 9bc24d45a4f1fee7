/** What ssh said before it gave up, in our words, and which exit code it means. */
import { FerryError } from '../../core/errors.js';
import { escapeText, formatDuration } from '../../core/text.js';

type Kind = 'auth' | 'host-key' | 'network' | 'config';

/** The first that fits decides; ssh's own words stay in the message. */
const meanings: readonly (readonly [said: RegExp, kind: Kind, code: string, hint: string])[] = [
  [
    /spawn ssh ENOENT/,
    'config',
    'ENOENT',
    'install the OpenSSH client, or leave `transport` out of this remote',
  ],
  [
    /Bad configuration option|Bad owner or permissions on|terminating, \d+ bad configuration|keyword .* extra arguments/,
    'config',
    'ECONFIG',
    'mend ssh_config; `ssh -G HOST` shows what ssh makes of it',
  ],
  [
    /REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed|host key is known for|REVOKED HOST KEY|differs from the key for the IP/,
    'host-key',
    'EHOSTKEY',
    'compare the fingerprint with one from a trusted source; then `ferryline trust`, or mend known_hosts',
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
    'chmod 600 the key file: ssh passes over one that others can read',
  ],
  [
    /Permission denied|Too many authentication failures|No more authentication methods|sign_and_send_pubkey|Authentication failed/,
    'auth',
    'EAUTH',
    'check user name and key; `ssh -v` to the same host shows what it accepts. ssh is never asked to type a password',
  ],
  [
    /no matching (?:cipher|key exchange|MAC|mac)|Unable to negotiate/,
    'auth',
    'EALGORITHM',
    'update the server, or allow what it needs in ssh_config',
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
  /** `archive: host.example by ssh`; begins the message. */
  readonly where: string;
  /** Host keys that jobs.yml pins. */
  readonly pinned: readonly string[];
  /** Milliseconds. */
  readonly deadline: number;
}

/** `said` is all of ssh's stderr. */
export function opensshError(said: string, { where, pinned, deadline }: OpensshFacts): FerryError {
  const lines = said.split(/\r?\n/).filter((line) => line !== '' && !/^debug\d: /.test(line));
  const own = lines.filter(
    (line) => !/^(?:OpenSSH_|Authenticated to |Transferred: |Bytes per)/.test(line),
  );
  const words = own.map((line) => escapeText(line.replace(/^@+\s*|\s*@+$/g, '').trim()));
  const told = words.filter((line) => line !== '').join('; ');
  for (const [pattern, kind, code, hint] of meanings) {
    if (!pattern.test(own.join('\n'))) continue;
    const shown = kind === 'host-key' ? shownKey(said, pinned) : '';
    const why = told === 'timed out' ? `no answer within ${formatDuration(deadline)}` : told;
    return new FerryError(kind, `${where}: ${why}${shown}`, { code, hint });
  }
  return new FerryError('network', `${where}: connection lost${told === '' ? '' : ` (${told})`}`, {
    code: 'ECONNLOST',
    hint: 'run it again; what was done stays done',
  });
}

/** The key that the server has shown, which ssh tells with -v only. */
function shownKey(said: string, pinned: readonly string[]): string {
  const key = /^debug1: Server host key: (\S+ \S+)/m.exec(said)?.[1];
  if (key === undefined) return '';
  const wanted = pinned.length === 0 ? '' : `; jobs.yml pins ${pinned.join(', ')}`;
  return ` (the server shows ${escapeText(key)}${wanted})`;
}
