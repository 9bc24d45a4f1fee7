/** What jobs.yml may hold below `remotes`. */
import { z } from 'zod';
import { duration, host, hostKey, line, name, oneOrMore, rate, section, timer } from './fields.js';

const algorithmNames = oneOrMore(line, 'the name of an algorithm');
const changes = z.union(
  [
    algorithmNames,
    section({
      append: algorithmNames.optional().describe('Added behind the usual ones.'),
      prepend: algorithmNames.optional().describe('Added before the usual ones.'),
      remove: algorithmNames.optional().describe('Taken out of the usual ones.'),
    }),
  ],
  { error: 'must be a list of names, or a map of append, prepend and remove' },
);

const auth = section({
  key: oneOrMore(line, 'a private key file')
    .optional()
    .describe('Private key file, or a list tried in order, such as ~/.ssh/id_ed25519.'),
  passphrase: z
    .string()
    .min(1, 'is empty')
    .optional()
    .describe('Passphrase of the key; better "${file:/run/secrets/NAME}" than written out.'),
  agent: z.boolean().optional().describe('Whether to ask the SSH agent (SSH_AUTH_SOCK).'),
  password: z
    .string()
    .min(1, 'is empty')
    .optional()
    .describe('Password; better "${file:/run/secrets/NAME}" than written out.'),
});

/** One remote. */
export const remote = section({
  host: host.describe('Host name or address.'),
  port: z.int().min(1).max(65_535).optional().describe('TCP port. Default: 22.'),
  username: line
    .optional()
    .describe('Who to log in as. Default: the name of the user who runs ferryline.'),
  auth: auth
    .optional()
    .describe(
      'How to log in. Default: the agent, if any, and the keys id_ed25519, id_ecdsa, id_rsa of ~/.ssh.',
    ),
  hostKey: oneOrMore(hostKey, 'a host key')
    .optional()
    .describe(
      "The server's key: SHA256:… or a public key; or a list. Default: the knownHosts files decide.",
    ),
  knownHosts: oneOrMore(line, 'a file')
    .optional()
    .describe(
      'File or files in the format of known_hosts. Default: ~/.ssh/known_hosts, ~/.ssh/known_hosts2 and /etc/ssh/ssh_known_hosts.',
    ),
  root: line
    .optional()
    .describe(
      'Folder that no job leaves, absolute or below the login folder. Default: the login folder.',
    ),
  maxSessions: z
    .int()
    .min(1)
    .max(1000)
    .optional()
    .describe('SSH logins at once, over all jobs and workers. Default: 2.'),
  maxFiles: z
    .int()
    .min(0)
    .max(100_000)
    .optional()
    .describe('Files in flight; 1: one after another, in name order. Default: 0, found by itself.'),
  bandwidth: rate.optional().describe('Most bytes a second, such as 20MiB/s. Default: no limit.'),
  deadline: duration(timer)
    .optional()
    .describe("Longest wait for one operation's reply. Default: 30s."),
  stall: duration(timer)
    .optional()
    .describe('Longest time without progress of a transfer. Default: 60s.'),
  algorithms: section({
    kex: changes.optional().describe('Key exchange.'),
    cipher: changes.optional().describe('Encryption.'),
    serverHostKey: changes.optional().describe('Kinds of host keys.'),
    hmac: changes.optional().describe('Integrity.'),
    compress: changes.optional().describe('Compression.'),
  })
    .optional()
    .describe(
      "ssh2's algorithm names, to allow what an old server needs. Default: strong ones only.",
    ),
  jump: name.optional().describe('Another remote to go through. Default: none.'),
  transport: z
    .enum(['ssh2', 'openssh'], { error: 'must be ssh2 or openssh' })
    .optional()
    .describe(
      "How the server is reached: ssh2, built in; or openssh, the system's ssh with its ssh_config. Default: ssh2.",
    ),
});

export type RawRemote = z.infer<typeof remote>;
