/**
 * `ferryline trust REMOTE|HOST`: shows a server's host keys, asks, and adds them to the remote's
 * known_hosts file. It never logs in, never replaces or removes a line, and never edits jobs.yml.
 * ssh/host-keys/host-keys.ts decides whether a key is known.
 */
import { createInterface } from 'node:readline/promises';
import type { Duplex, Readable, Writable } from 'node:stream';
import { FerryError } from '../../core/errors.js';
import { present } from '../../core/present.js';
import type { Remote } from '../../core/remote.js';
import { count, escapeText, jsonLine } from '../../core/text.js';
import { appendLines } from '../../ssh/host-keys/append-known-hosts.js';
import {
  describeKey,
  fingerprint,
  type HostKeyStanding,
  keyType,
  knownHostsLine,
  standingOf,
} from '../../ssh/host-keys/host-keys.js';
import { hostKeyRules } from '../../ssh/host-keys/read-known-hosts.js';
import { fetchHostKey } from '../../ssh/ssh2/fetch-host-key.js';

export interface TrustOptions {
  /** Do not ask; needs `fingerprint`. */
  readonly yes?: boolean | undefined;
  /** The fingerprint (`SHA256:…`) of the only key to trust. */
  readonly fingerprint?: string | undefined;
  /** Print `host-key` events on stdout instead of the `hostKey:` lines. */
  readonly json?: boolean | undefined;
  /** Whether others follow, so that each `hostKey:` line needs its remote's name. */
  readonly isMember?: boolean | undefined;
  readonly signal: AbortSignal;
  /** Files that are never written to, as none below /etc/ssh is. */
  readonly machineKnownHosts?: readonly string[] | undefined;
  /** Opens the stream to a remote behind a jump host. */
  readonly open?: (signal: AbortSignal) => Promise<Duplex>;
}

export interface TrustIo {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  /** For the `hostKey:` lines or the events, and nothing else. */
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** Exit code if the answer is no: the key stays unknown. */
const notTrustedCode = 6;

interface Candidate {
  readonly key: Buffer;
  readonly standing: HostKeyStanding;
}

/**
 * Resolves to 0 if the server's keys are now known, and to 6 if the answer was no. Errors: `host-key`
 * for a changed or revoked key and for a fingerprint that no key of the server has, `config` for
 * `yes` without a fingerprint and if there is no terminal to ask on, `network` if no key could be
 * fetched.
 */
export async function trust(remote: Remote, options: TrustOptions, io: TrustIo): Promise<number> {
  checkOptions(remote, options);
  const keys = await fetchHostKey({
    host: remote.host,
    port: remote.port,
    deadline: remote.replyTimeout,
    signal: options.signal,
    remote: remote.name,
    algorithms: remote.algorithms,
    ...present({ open: options.open }),
  });
  // without the keys pinned in jobs.yml: this command is about the files
  const rules = await hostKeyRules(remote, []);
  const all = keys.map((key) => ({ key, standing: standingOf(rules, key) }));
  const say = (line: string) => io.stderr.write(`${line}\n`);

  say(`${escapeText(remote.host)} port ${remote.port} has ${count(all.length, 'host key')}:`);
  for (const { key, standing } of all) say(`  ${describeKey(key)}  ${inWords(standing)}`);

  if (remote.hostKey.length > 0) {
    say(
      `hostKey in jobs.yml pins ${remote.hostKey.map(escapeText).join(', ')}; only that is checked, not known_hosts`,
    );
  }

  const candidates = choose(remote, all, options.fingerprint);
  refuseChanged(
    remote,
    candidates,
    all.some(({ standing }) => standing.kind === 'known'),
  );
  const fresh = candidates.filter(({ standing }) => standing.kind !== 'known');
  if (fresh.length > 0) {
    const file = fileOf(remote, options.machineKnownHosts);
    if (options.yes !== true && !(await agreed(fresh, file, options.signal, io))) {
      say('nothing was changed');
      return notTrustedCode;
    }
    await appendLines(
      file,
      fresh.map(({ key }) => knownHostsLine(remote.host, remote.port, key, remote.hostKeyAlias)),
    );
    say(`added ${count(fresh.length, 'key')} to ${escapeText(file)}`);
  } else {
    say('nothing to do: the keys are already known');
  }
  if (options.json === true) {
    for (const candidate of candidates) io.stdout.write(eventLine(remote, candidate));
  } else {
    say('to pin the key in jobs.yml instead, add this to the remote:');
    if (options.isMember === true) io.stdout.write(`# ${escapeText(remote.name)}\n`);
    io.stdout.write(hostKeyLines(candidates.map(({ key }) => fingerprint(key))));
  }
  return 0;
}

function checkOptions(remote: Remote, options: TrustOptions): void {
  if (options.yes === true && options.fingerprint === undefined) {
    throw new FerryError(
      'config',
      '--yes needs --fingerprint: a key must be checked before it is trusted',
      {
        hint: `ferryline trust ${remote.name} --yes --fingerprint SHA256:…; get the fingerprint from the server's owner`,
      },
    );
  }
  if (options.fingerprint !== undefined && !/^SHA256:[\w+/]{43}=?$/.test(options.fingerprint)) {
    throw new FerryError(
      'config',
      `--fingerprint ${escapeText(options.fingerprint)} is not SHA256: and 43 characters of base64`,
      { hint: 'ssh-keygen -l -f KEY.pub prints it' },
    );
  }
  if (remote.jump !== undefined && options.open === undefined) {
    throw new FerryError(
      'config',
      `the key of ${remote.name} cannot be fetched: it is behind the jump host ${remote.jump.name}`,
      { hint: `get the key from the server's owner and set it as the remote's hostKey` },
    );
  }
}

function inWords(standing: HostKeyStanding): string {
  switch (standing.kind) {
    case 'known':
      return `known (${escapeText(standing.line.file)}:${standing.line.line})`;
    case 'revoked':
      return `REVOKED (${escapeText(standing.line.file)}:${standing.line.line})`;
    case 'changed': {
      const lines = standing.lines.map(
        (line) => `${describeKey(line.key)} in ${escapeText(line.file)}:${line.line}`,
      );
      return `not the known key, which is ${lines.join(' or ')}`;
    }
    case 'certificate':
      return 'a certificate, which is not supported';
    default:
      return 'not known';
  }
}

function choose(
  remote: Remote,
  all: readonly Candidate[],
  wanted: string | undefined,
): readonly Candidate[] {
  if (wanted === undefined) return all;
  const exact = wanted.replace(/=$/, '');
  const chosen = all.filter(({ key }) => fingerprint(key) === exact);
  if (chosen.length > 0) return chosen;
  throw new FerryError(
    'host-key',
    `${remote.name}: no host key of ${escapeText(remote.host)} port ${remote.port} has the fingerprint ${exact}; it has ${all.map(({ key }) => describeKey(key)).join(', ')}`,
    { hint: "do not connect until the server's owner has explained the difference" },
  );
}

/**
 * Throws for a changed key: one whose type is known with other bytes, or any key if the server showed
 * none of its known keys. An additional key of a new type is only new.
 */
function refuseChanged(remote: Remote, candidates: readonly Candidate[], someKnown: boolean): void {
  for (const { key, standing } of candidates) {
    if (standing.kind === 'revoked' || standing.kind === 'certificate') {
      throw new FerryError(
        'host-key',
        `${remote.name}: ${describeKey(key)} is ${inWords(standing)}`,
        { hint: "the server's owner has to replace the key" },
      );
    }
    if (standing.kind !== 'changed') continue;
    const sameType = standing.lines.filter((line) => keyType(line.key) === keyType(key));
    if (someKnown && sameType.length === 0) continue;
    const stale = sameType.length > 0 ? sameType : standing.lines;
    const places = stale.map((line) => `${escapeText(line.file)}:${line.line}`).join(', ');
    throw new FerryError(
      'host-key',
      `${remote.name}: the host key of ${escapeText(remote.host)} port ${remote.port} has changed: expected ${stale.map((line) => describeKey(line.key)).join(' or ')} (${places}), got ${describeKey(key)}`,
      {
        hint: `known keys are never replaced silently: ask the server's owner, and if the new key is right, remove ${places} and run this again`,
      },
    );
  }
}

/** The first file of the user's own: those of the machine are its administrator's. */
function fileOf(remote: Remote, machine: readonly string[] = []): string {
  const isOwn = (name: string) => !machine.includes(name) && !name.startsWith('/etc/ssh/');
  const file = remote.knownHosts.find((name) => name !== '/dev/null' && isOwn(name));
  if (file !== undefined) return file;
  const others = remote.knownHosts.map(escapeText).join(', ');
  throw new FerryError(
    'config',
    `${remote.name} has no known_hosts file of your own to write to${others === '' ? '' : `: there is only ${others}`}`,
    { hint: "set the fingerprint as the remote's hostKey, or name a file as UserKnownHostsFile" },
  );
}

async function agreed(
  fresh: readonly Candidate[],
  file: string,
  signal: AbortSignal,
  io: TrustIo,
): Promise<boolean> {
  if (io.stdin.isTTY !== true) {
    throw new FerryError(
      'config',
      'there is no terminal to ask on, and no key is trusted without asking',
      {
        hint: "use --yes --fingerprint SHA256:… with the fingerprint from the server's owner",
      },
    );
  }
  // Terminal mode would turn Ctrl-C into a key instead of a signal.
  const lines = createInterface({ input: io.stdin, output: io.stderr, terminal: false });
  try {
    const what = fresh.length === 1 ? 'this key' : `these ${fresh.length} keys`;
    const ended = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
    const question = `Compare with the fingerprint from the server's owner. Trust ${what} and add to ${escapeText(file)}? [yes/no] `;
    const answer = await Promise.race([lines.question(question, { signal }), ended]);
    return answer.trim().toLowerCase() === 'yes';
  } catch (thrown) {
    signal.throwIfAborted();
    throw thrown;
  } finally {
    lines.close();
  }
}

function hostKeyLines(fingerprints: readonly string[]): string {
  const [only, ...others] = fingerprints;
  if (others.length === 0) return `hostKey: ${only}\n`;
  return `hostKey:\n${fingerprints.map((print) => `  - ${print}\n`).join('')}`;
}

function eventLine(remote: Remote, { key, standing }: Candidate): string {
  const event = {
    event: 'host-key',
    time: new Date().toISOString(),
    remote: remote.name,
    host: remote.host,
    port: remote.port,
    type: keyType(key),
    fingerprint: fingerprint(key),
    added: standing.kind !== 'known',
  };
  return `${jsonLine(event)}\n`;
}
