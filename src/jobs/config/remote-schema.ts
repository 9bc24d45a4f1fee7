/** What jobs.yml may contain below `remotes`. */
import { z } from 'zod';
import {
  bandwidth,
  duration,
  host,
  hostKey,
  line,
  longestWait,
  name,
  oneOrMore,
  section,
} from './fields.js';
import { planned } from './planned.js';

const algorithmNames = oneOrMore(line, 'the name of an algorithm');
/** A change to the algorithms of one kind; `one` is an algorithm of that kind, and `other` another. */
const changes = (one: string, other: string) =>
  z.union(
    [
      algorithmNames,
      section({
        append: algorithmNames
          .optional()
          .describe('Added after the defaults. Default: none.')
          .meta({ examples: [[one]] }),
        prepend: algorithmNames
          .optional()
          .describe('Added before the defaults. Default: none.')
          .meta({ examples: [[one]] }),
        remove: algorithmNames
          .optional()
          .describe('Removed from the defaults. Default: none.')
          .meta({ examples: [[other]] }),
      }),
    ],
    { error: 'must be a list of names, or a map of append, prepend and remove' },
  );

const authRules = section(
  {
    key: oneOrMore(line, 'a private key file')
      .optional()
      .describe(
        'Private key file, or a list tried in order, such as ~/.ssh/id_ed25519. Default: none.',
      )
      .meta({ examples: ['~/.ssh/id_ed25519'] }),
    passphrase: z
      .string()
      .min(1, 'is empty')
      .optional()
      .describe(
        'Passphrase of the key. Prefer "${file:/run/secrets/NAME}", "${credential:NAME}" or "${secret:NAME}" to writing it here. Default: none.',
      )
      .meta({ examples: ['${file:/run/secrets/passphrase}'] }),
    agent: z
      .boolean()
      .optional()
      .describe('Whether to use the SSH agent (SSH_AUTH_SOCK). Default: false.')
      .meta({ default: false, examples: [true] }),
    password: z
      .string()
      .min(1, 'is empty')
      .optional()
      .describe(
        'Password. Prefer "${file:/run/secrets/NAME}", "${credential:NAME}" or "${secret:NAME}" to writing it here. Default: none.',
      )
      .meta({ examples: ['${secret:bank}'] }),
  },
  'auth',
);

/** Every key of a remote. */
const remoteShape = {
  host: host.describe('Host name or address.').meta({ examples: ['backup.example'] }),
  port: z
    .int()
    .min(1)
    .max(65_535)
    .optional()
    .describe('TCP port. Default: 22.')
    .meta({ default: 22, examples: [2222] }),
  username: line
    .optional()
    .describe('User to log in as. Default: the user who runs ferryline.')
    .meta({ examples: ['backup'] }),
  auth: z
    .union([line, authRules], {
      error: 'must be a private key file, or a map of key, passphrase, agent and password',
    })
    .optional()
    .describe(
      'How to log in; a path is short for { key: PATH }. Default: the SSH agent, if there is one, and the keys id_ed25519, id_ecdsa and id_rsa in ~/.ssh.',
    )
    .meta({ examples: ['~/.ssh/id_ed25519', { password: '${file:/run/secrets/archive}' }] }),
  hostKey: oneOrMore(hostKey, 'a host key')
    .optional()
    .describe(
      "The server's host key, SHA256:… or a public key, or a list of them. Default: the keys in the knownHosts files.",
    )
    .meta({ examples: ['SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'] }),
  knownHosts: oneOrMore(line, 'a file')
    .optional()
    .describe(
      'File in known_hosts format, or a list of them. Default: ~/.ssh/known_hosts, ~/.ssh/known_hosts2 and /etc/ssh/ssh_known_hosts.',
    )
    .meta({ examples: ['./known_hosts'] }),
  root: line
    .optional()
    .describe(
      'Folder that contains all paths of this remote, absolute or below the login folder; no job can leave it. Default: the login folder.',
    )
    .meta({ examples: ['/srv/backup'] }),
  maxSessions: z
    .int()
    .min(1)
    .max(1000)
    .optional()
    .describe('Most SSH sessions at the same time, across all jobs and workers. Default: 2.')
    .meta({ default: 2, examples: [1] }),
  maxFiles: z
    .int()
    .min(0)
    .max(100_000)
    .optional()
    .describe(
      'Most files copied at the same time. 0: as many as are found to be fastest; 1: one after another, in name order. Default: 0.',
    )
    .meta({ default: 0, examples: [1] }),
  bandwidth: bandwidth
    .optional()
    .describe('Bandwidth limit, such as 20MiB/s or 20Mbit/s, or by hours. Default: no limit.')
    .meta({ examples: ['20MiB/s'] }),
  replyTimeout: duration(longestWait)
    .optional()
    .describe("Longest wait for the server's reply to one operation. Default: 30s.")
    .meta({ default: '30s', examples: ['2m'] }),
  stallTimeout: duration(longestWait)
    .optional()
    .describe('Longest time a transfer may make no progress. Default: 60s.')
    .meta({ default: '60s', examples: ['5m'] }),
  algorithms: section({
    kex: changes('diffie-hellman-group14-sha1', 'diffie-hellman-group14-sha256')
      .optional()
      .describe('Key exchange. Default: ssh2’s strong ones.')
      .meta({ examples: [{ append: ['diffie-hellman-group14-sha1'] }] }),
    cipher: changes('aes256-cbc', 'aes128-ctr')
      .optional()
      .describe('Encryption. Default: ssh2’s strong ones.')
      .meta({ examples: [['aes256-gcm@openssh.com']] }),
    serverHostKey: changes('ssh-rsa', 'ecdsa-sha2-nistp256')
      .optional()
      .describe('Host key types. Default: ssh2’s strong ones.')
      .meta({ examples: [['ssh-ed25519']] }),
    hmac: changes('hmac-sha1', 'hmac-sha2-256')
      .optional()
      .describe('Message integrity. Default: ssh2’s strong ones.')
      .meta({ examples: [['hmac-sha2-256']] }),
    compress: changes('zlib', 'none')
      .optional()
      .describe('Compression. Default: none.')
      .meta({ examples: [['none']] }),
  })
    .optional()
    .describe(
      'Algorithms, by their names in ssh2, to allow what an old server needs. Default: strong ones only.',
    )
    .meta({ examples: [{ kex: { append: ['diffie-hellman-group14-sha1'] } }] }),
  jump: name
    .optional()
    .describe('Remote to connect through (jump host). Default: none.')
    .meta({ examples: ['bastion'] }),
  transport: z
    .enum(['ssh2', 'openssh'], { error: 'must be ssh2 or openssh' })
    .optional()
    .describe(
      "SSH client to use. ssh2: the built-in one; openssh: the system's ssh, with its ssh_config. Default: ssh2.",
    )
    .meta({ default: 'ssh2', examples: ['openssh'] }),
  never: planned('requests that are never sent to this server.'),
};

/** One remote. */
export const remote = section(remoteShape, 'remote');

const { host: _host, ...defaultable } = remoteShape;
/** Any key of a remote but its host. */
export const remoteDefaults = section(defaultable, 'remote');

export type RawRemoteDefaults = z.infer<typeof remoteDefaults>;

export type RawRemote = z.infer<typeof remote>;
