import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  fingerprint,
  type HostKeyRules,
  keyType,
  knownHostKeyAlgorithms,
  knownHostsLine,
  verifyHostKey,
} from '../../../src/ssh/host-keys/host-keys.js';
import { lookupName, namesHost, parseKnownHosts } from '../../../src/ssh/host-keys/known-hosts.js';
import { temporaryFolder } from '../../kit/files/temporary.js';
import { type KeyPair, makeKey } from '../../kit/servers/keys.js';

let folder: string;
let ed: KeyPair;
let other: KeyPair;
let rsa: KeyPair;
let ecdsa: KeyPair;

beforeAll(async () => {
  folder = await temporaryFolder();
  ed = makeKey(join(folder, 'ed'));
  other = makeKey(join(folder, 'other'));
  rsa = makeKey(join(folder, 'rsa'), 'rsa');
  ecdsa = makeKey(join(folder, 'ecdsa'), 'ecdsa');
});

function blob(key: KeyPair): Buffer {
  return Buffer.from(key.publicKey.split(' ')[1] ?? '', 'base64');
}

function rules(text: string, more: Partial<HostKeyRules> = {}): HostKeyRules {
  return {
    host: 'host.example',
    port: 22,
    pinned: [],
    knownHosts: [{ file: 'known_hosts', text }],
    remote: 'archive',
    ...more,
  };
}

function refusal(given: HostKeyRules, key: KeyPair) {
  const verdict = verifyHostKey(given, blob(key));
  if (verdict.ok) throw new Error(`accepted by ${verdict.by}`);
  expect(verdict.error.kind).toBe('host-key');
  return verdict.error;
}

/** The lines that ssh-keygen finds for a name. */
function keygenFinds(file: string, name: string): number[] {
  let out = '';
  try {
    out = execFileSync('ssh-keygen', ['-F', name, '-f', file], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    // Exit 1: not found.
  }
  return [...out.matchAll(/found: line (\d+)/g)].map((match) => Number(match[1]));
}

function weFind(file: string, name: string): number[] {
  const { lines } = parseKnownHosts(file, readFileSync(file, 'utf8'));
  return lines.filter((line) => namesHost(line.names, name)).map((line) => line.line);
}

const looked = [
  ['host.example', 22],
  ['HOST.Example', 22],
  ['host.example', 2222],
  ['a.example', 22],
  ['bad.example', 22],
  ['192.0.2.10', 22],
  ['192.0.2.10', 2200],
  ['::1', 22],
  ['::1', 2222],
  ['h1', 22],
  ['h12', 22],
  ['elsewhere', 22],
] as const;

describe('look-up agrees with ssh-keygen -F', () => {
  function write(): string {
    const file = join(folder, 'lookup');
    const names = [
      'host.example',
      'Host.Example,192.0.2.10',
      '[host.example]:2222',
      '[192.0.2.*]:22??',
      '*.example,!bad.example',
      '!bad.example,*.example',
      'h?',
      'h*,!h1',
      '*',
      '::1',
      '[::1]:2222',
      '!host.example',
    ];
    const markers = ['@revoked host.example', '@cert-authority *.example'];
    writeFileSync(
      file,
      `# a comment\n\n${[...names, ...markers].map((line) => `${line} ${ed.publicKey}`).join('\n')}\n`,
    );
    return file;
  }

  test.each(looked)('plain names: %s port %i', (host, port) => {
    const file = write();
    const name = lookupName(host, port);
    expect(weFind(file, name)).toEqual(keygenFinds(file, name));
  });

  test('names hashed by ssh-keygen -H', () => {
    const file = join(folder, 'hashed');
    const names = ['host.example', 'A.example,b.example', '[host.example]:2222', '192.0.2.10'];
    writeFileSync(file, names.map((name) => `${name} ${ed.publicKey}\n`).join(''));
    execFileSync('ssh-keygen', ['-q', '-H', '-f', file], { stdio: 'ignore' });
    const text = readFileSync(file, 'utf8');
    expect(text).not.toContain('example');
    for (const name of ['host.example', 'a.example', 'b.example', '[host.example]:2222', 'c']) {
      expect(weFind(file, name), name).toEqual(keygenFinds(file, name));
    }
    expect(weFind(file, 'b.example')).toHaveLength(1);
  });

  test('random patterns', () => {
    const letter = fc.constantFrom('a', 'b', 'B', '*', '?', '.', '-');
    const pattern = fc
      .tuple(fc.constantFrom('', '', '!'), fc.array(letter, { minLength: 1, maxLength: 5 }))
      .map(([not, letters]) => not + letters.join(''));
    const list = fc.array(pattern, { minLength: 1, maxLength: 3 }).map((all) => all.join(','));
    const lists = fc.sample(list, { numRuns: 400, seed: 7 });
    const file = join(folder, 'random');
    writeFileSync(file, lists.map((names) => `${names} ${ed.publicKey}\n`).join(''));
    for (const name of ['a', 'ab', 'abb', 'a.b', 'b-a', 'bb', 'a.b.a']) {
      const found = weFind(file, name);
      expect(found, name).toEqual(keygenFinds(file, name));
      expect(found.length).toBeGreaterThan(0);
    }
  });

  test('fingerprints and types of all kinds of keys', () => {
    for (const key of [ed, rsa, ecdsa]) {
      expect(fingerprint(blob(key))).toBe(key.fingerprint);
      expect(keyType(blob(key))).toBe(key.publicKey.split(' ')[0]);
    }
    expect(keyType(Buffer.from([0, 0, 0, 9, 1]))).toBe('');
    expect(keyType(Buffer.alloc(0))).toBe('');
  });

  test.each(looked)('the line we write is found again: %s port %i', (host, port) => {
    const file = join(folder, 'written');
    const line = knownHostsLine(host, port, blob(ed));
    writeFileSync(file, `${line}\n`);
    expect(keygenFinds(file, lookupName(host, port))).toEqual([1]);
    const given = rules(line, { host, port });
    expect(verifyHostKey(given, blob(ed))).toEqual({ ok: true, by: 'known_hosts:1' });
  });

  test.each(['*', 'a,b', '!a', '@revoked', '|1|x', 'a b', '#a', 'a\nb'])(
    'a host name that would read as a pattern is refused: %j',
    (host) => {
      expect(() => knownHostsLine(host, 22, blob(ed))).toThrow(
        /can't be written to a known_hosts file/,
      );
    },
  );
});

describe('the verdict', () => {
  test('a known key is accepted, and its line named', () => {
    const text = `# first\nhost.example ${ed.publicKey} a comment\r\n`;
    expect(verifyHostKey(rules(text), blob(ed))).toEqual({ ok: true, by: 'known_hosts:2' });
  });

  test('an unknown one is not: fingerprint, type, files and the next step', () => {
    const error = refusal(rules(`elsewhere ${ed.publicKey}`), ed);
    expect(error.message).toContain('archive: the host key of host.example port 22 is not known');
    expect(error.message).toContain(`ssh-ed25519 ${ed.fingerprint}`);
    expect(error.message).toContain('looked in known_hosts');
    expect(error.hint).toContain('run: ferryline trust archive');
  });

  test('no files at all is not a yes', () => {
    expect(refusal(rules('', { knownHosts: [] }), ed).message).toContain('no file to look in');
  });

  test('a changed one shows both fingerprints and the place', () => {
    const error = refusal(rules(`\nhost.example ${ed.publicKey}`), other);
    expect(error.message).toContain('has changed');
    expect(error.message).toContain(`expected ssh-ed25519 ${ed.fingerprint} (known_hosts:2)`);
    expect(error.message).toContain(`got ssh-ed25519 ${other.fingerprint}`);
    expect(error.hint).toContain('remove known_hosts:2');
    expect(error.hint).toContain('ferryline trust archive');
  });

  test('a key of another type counts as changed, too', () => {
    expect(refusal(rules(`host.example ${ed.publicKey}`), rsa).message).toContain('has changed');
  });

  test('any line, in any file, with the right key accepts it', () => {
    const given = rules(`host.example ${ed.publicKey}`, {
      knownHosts: [
        { file: 'one', text: `host.example ${ed.publicKey}` },
        { file: 'two', text: `*.example ${other.publicKey}` },
      ],
    });
    expect(verifyHostKey(given, blob(other))).toEqual({ ok: true, by: 'two:1' });
  });

  test('a revoked key is refused whatever else vouches for it', () => {
    const text = `host.example ${ed.publicKey}\n@revoked * ${ed.publicKey}`;
    for (const given of [
      rules(text),
      rules(text, { pinned: [ed.fingerprint] }),
      rules(text, { pinned: [ed.publicKey], port: 2222 }),
    ]) {
      const error = refusal(given, ed);
      expect(error.message).toContain('revoked');
      expect(error.message).toContain(`ssh-ed25519 ${ed.fingerprint} (known_hosts:2)`);
    }
    expect(
      refusal(rules(`host.example ${ed.publicKey}\n@revoked * ${other.publicKey}`), other).message,
    ).toContain('revoked');
  });

  test('a revocation for another host does not count', () => {
    const text = `host.example ${ed.publicKey}\n@revoked elsewhere ${ed.publicKey}`;
    expect(verifyHostKey(rules(text), blob(ed)).ok).toBe(true);
  });

  test('a certificate authority makes no plain key known, and the error explains why', () => {
    const error = refusal(rules(`@cert-authority *.example ${ed.publicKey}`), ed);
    expect(error.message).toContain("doesn't support certificates");
    expect(error.message).toContain('known_hosts:1');
  });

  test('a certificate is refused', () => {
    const name = 'ssh-ed25519-cert-v01@openssh.com';
    const key = Buffer.alloc(4 + name.length + 32);
    key.writeUInt32BE(name.length);
    key.write(name, 4);
    const verdict = verifyHostKey(rules('', { pinned: [fingerprint(key)] }), key);
    expect(verdict.ok).toBe(false);
    if (!verdict.ok) expect(verdict.error.message).toContain('certificate');
  });

  test('another port: its own line; else a matching line of the plain host, as OpenSSH does', () => {
    const text = `host.example ${ed.publicKey}`;
    expect(verifyHostKey(rules(text, { port: 2222 }), blob(ed)).ok).toBe(true);
    expect(refusal(rules(text, { port: 2222 }), other).message).toContain('not known');
    const own = `${text}\n[host.example]:2222 ${other.publicKey}`;
    expect(verifyHostKey(rules(own, { port: 2222 }), blob(other)).ok).toBe(true);
    expect(refusal(rules(own, { port: 2222 }), ed).message).toContain('has changed');
    expect(refusal(rules(`[host.example]:2222 ${ed.publicKey}`), ed).message).toContain(
      'not known',
    );
  });

  test('an alias is looked up instead of host and port', () => {
    const given = { port: 2222, alias: 'Store' };
    expect(verifyHostKey(rules(`store ${ed.publicKey}`, given), blob(ed)).ok).toBe(true);
    expect(refusal(rules(`[host.example]:2222 ${ed.publicKey}`, given), ed).message).toContain(
      'not known',
    );
  });

  test('pinned keys alone decide', () => {
    for (const pin of [ed.fingerprint, `${ed.fingerprint}=`, ed.publicKey]) {
      const given = rules(`host.example ${other.publicKey}`, { pinned: [rsa.fingerprint, pin] });
      expect(verifyHostKey(given, blob(ed))).toEqual({ ok: true, by: 'hostKey' });
      const error = refusal(given, other);
      expect(error.message).toContain(ed.fingerprint);
      expect(error.message).toContain(other.fingerprint);
      expect(error.hint).toContain('hostKey');
    }
  });

  test('malformed lines are about no host, and the error names the first', () => {
    const [, base64 = ''] = ed.publicKey.split(' ');
    const bad = [
      'host.example',
      `host.example ${base64}`,
      'host.example ssh-ed25519 !!!',
      `host.example ssh-rsa ${base64}`,
      `@other host.example ${ed.publicKey}`,
      `@revoked @cert-authority host.example ${ed.publicKey}`,
      `|1|short|short ${ed.publicKey}`,
      `host.example ssh-ed25519 ${base64.slice(0, 12)}`,
      'host.example 1024 35 1234567890',
    ];
    const text = bad.join('\r\n');
    expect(parseKnownHosts('f', text).malformed.map(({ line }) => line)).toEqual(
      bad.map((_, i) => i + 1),
    );
    const error = refusal(rules(text), ed);
    expect(error.message).toContain('known_hosts:1 and 8 more could not be read');
  });

  test('any text and any key: a verdict, never a throw, and never a yes without the key in it', () => {
    const word = fc.constantFrom(
      '@revoked',
      '*',
      '|1|',
      'ssh-ed25519',
      'AAAA',
      '\t',
      '\0',
      ' ',
      '\r',
    );
    fc.assert(
      fc.property(
        fc.array(fc.oneof(word, fc.string()), { maxLength: 8 }).map((words) => words.join(' ')),
        fc.uint8Array({ maxLength: 80 }),
        (text, key) => {
          expect(verifyHostKey(rules(text), Buffer.from(key)).ok).toBe(false);
        },
      ),
    );
  });
});

describe('the host key algorithms to ask for', () => {
  test('nothing known: no preference', () => {
    expect(knownHostKeyAlgorithms(rules(`elsewhere ${ed.publicKey}`))).toEqual([]);
  });

  test('known ones in the order of the file, RSA by its SHA-2 names', () => {
    const text = `host.example ${rsa.publicKey}\nhost.example ${ed.publicKey}`;
    expect(knownHostKeyAlgorithms(rules(text))).toEqual([
      'rsa-sha2-512',
      'rsa-sha2-256',
      'ssh-ed25519',
    ]);
  });

  test('revoked ones and authorities do not count', () => {
    const text = `@revoked * ${rsa.publicKey}\nhost.example ${rsa.publicKey}\n@cert-authority * ${ed.publicKey}`;
    expect(knownHostKeyAlgorithms(rules(text))).toEqual([]);
  });

  test('pins: their own type, or that of the known_hosts line they fit', () => {
    const text = `host.example ${ed.publicKey}\nhost.example ${rsa.publicKey}`;
    expect(knownHostKeyAlgorithms(rules(text, { pinned: [ecdsa.publicKey] }))).toEqual([
      'ecdsa-sha2-nistp256',
    ]);
    expect(knownHostKeyAlgorithms(rules(text, { pinned: [rsa.fingerprint] }))).toEqual([
      'rsa-sha2-512',
      'rsa-sha2-256',
    ]);
  });
});
