/**
 * `ferryline trust REMOTE|HOST`: shows a server's host keys, and after a yes writes them into the
 * remote's known_hosts file. It never logs in, never replaces or removes a line, and never edits
 * jobs.yml. What a key is worth is decided in ssh/host-keys/host-keys.ts.
 */
import { createInterface } from 'node:readline/promises';
import type { Duplex, Readable, Writable } from 'node:stream';
import { FerryError } from '../../core/errors.js';
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
  /** No question; only together with `fingerprint`. */
  readonly yes?: boolean | undefined;
  /** `SHA256:…` that the server's key must have; only that key is then trusted. */
  readonly fingerprint?: string | undefined;
  /** One `host-key` event a line on stdout instead of the `hostKey:` lines. */
  readonly json?: boolean | undefined;
  readonly signal: AbortSignal;
  /** Opens the stream to a remote that is reached through a jump host. */
  readonly open?: (signal: AbortSignal) => Promise<Duplex>;
}

export interface TrustIo {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  /** Gets the `hostKey:` lines, or the events, and nothing else. */
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** Exit code of a question answered with no: the key stays unknown. */
const untrusted = 6;

interface Candidate {
  readonly key: Buffer;
  readonly standing: HostKeyStanding;
}

/**
 * Resolves to 0 when the server's keys are known now, and to 6 when the answer was no.
 * Rejects with a FerryError: `host-key` for a changed or revoked key and for a fingerprint that no
 * key of the server has, `config` for `yes` without a fingerprint and for a question that nobody
 * can answer, `network` when no key could be fetched.
 */
export async function trust(remote: Remote, options: TrustOptions, io: TrustIo): Promise<number> {
  checkOptions(remote, options);
  const keys = await fetchHostKey({
    host: remote.host,
    port: remote.port,
    deadline: remote.deadline,
    signal: options.signal,
    remote: remote.name,
    algorithms: remote.algorithms,
    ...(options.open === undefined ? {} : { open: options.open }),
  });
  // pins of jobs.yml are left out: this command is about the files
  const rules = await hostKeyRules(remote, []);
  const all = keys.map((key) => ({ key, standing: standingOf(rules, key) }));
  const say = (line: string) => io.stderr.write(`${line}\n`);

  say(`${escapeText(remote.host)} port ${remote.port} has ${count(all.length, 'host key')}:`);
  for (const { key, standing } of all) say(`  ${describeKey(key)}  ${inWords(standing)}`);

  if (remote.hostKey.length > 0) {
    say(
      `its hostKey in jobs.yml pins ${remote.hostKey.map(escapeText).join(', ')}: that alone decides, whatever known_hosts says`,
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
    const file = fileOf(remote);
    if (options.yes !== true && !(await agreed(fresh, file, options.signal, io))) {
      say('nothing was changed');
      return untrusted;
    }
    await appendLines(
      file,
      fresh.map(({ key }) => knownHostsLine(remote.host, remote.port, key, remote.hostKeyAlias)),
    );
    say(`added ${count(fresh.length, 'key')} to ${escapeText(file)}`);
  } else {
    say('nothing to do: known already');
  }
  if (options.json === true) {
    for (const candidate of candidates) io.stdout.write(eventLine(remote, candidate));
  } else {
    say('to pin it in jobs.yml instead, give the remote:');
    io.stdout.write(hostKeyLines(candidates.map(({ key }) => fingerprint(key))));
  }
  return 0;
}

function checkOptions(remote: Remote, options: TrustOptions): void {
  if (options.yes === true && options.fingerprint === undefined) {
    throw new FerryError('config', '--yes needs --fingerprint: no key is trusted unseen', {
      hint: `ferryline trust ${remote.name} --yes --fingerprint SHA256:…, as the server's owner says it`,
    });
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
      `${remote.name} is reached through ${remote.jump.name}, and its key can't be fetched from here`,
      { hint: `take it from the server's owner and put it into the remote's hostKey` },
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
      return `not the known one, which is ${lines.join(' or ')}`;
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
    { hint: "don't connect before the server's owner has explained the difference" },
  );
}

/**
 * A key of a type that is on file with other bytes is a changed key, and so is every key of a
 * server none of whose known keys came back. A further key, of a new type, is only a new one.
 */
function refuseChanged(remote: Remote, candidates: readonly Candidate[], someKnown: boolean): void {
  for (const { key, standing } of candidates) {
    if (standing.kind === 'revoked' || standing.kind === 'certificate') {
      throw new FerryError(
        'host-key',
        `${remote.name}: ${describeKey(key)} is ${inWords(standing)}`,
        { hint: "the server's owner has to give it a new key" },
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
        hint: `a known key is never replaced silently: ask the server's owner, and if the new one is right remove ${places}, then run this again`,
      },
    );
  }
}

function fileOf(remote: Remote): string {
  const file = remote.knownHosts.find((name) => name !== '/dev/null');
  if (file !== undefined) return file;
  throw new FerryError('config', `${remote.name} has no known_hosts file to write to`, {
    hint: "put the fingerprint into the remote's hostKey instead",
  });
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
      'there is no terminal to ask on, and no key is trusted unasked',
      {
        hint: "--yes --fingerprint SHA256:…, with the fingerprint the server's owner gives you",
      },
    );
  }
  // Not in terminal mode, so that Ctrl-C stays the signal it is.
  const lines = createInterface({ input: io.stdin, output: io.stderr, terminal: false });
  try {
    const what = fresh.length === 1 ? 'this key' : `these ${fresh.length} keys`;
    const ended = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
    const question = `Compare with what the server's owner says. Trust ${what} and write to ${escapeText(file)}? [yes/no] `;
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
