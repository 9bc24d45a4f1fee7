import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { FerryError } from '../../../src/core/errors.js';
import type { Remote } from '../../../src/core/remote.js';
import type { SshContext } from '../../../src/ssh/ssh-config/ssh-config-lines.js';
import { remoteFromHost, remoteFromSsh } from '../../../src/ssh/ssh-config/ssh-host.js';
import { isSshTarget, parseTarget } from '../../../src/ssh/ssh-config/ssh-target.js';
import { temporaryFolder } from '../../kit/files/temporary.js';
import { makeKey } from '../../kit/servers/keys.js';

let home: string;
let context: SshContext;

beforeEach(async () => {
  home = await temporaryFolder();
  mkdirSync(join(home, '.ssh'), { mode: 0o700 });
  context = { home, user: 'me', env: {}, systemFolder: join(home, 'etc') };
});

function config(text: string): void {
  writeFileSync(join(home, '.ssh/config'), text, { mode: 0o600 });
}

function failure(act: () => unknown): FerryError {
  try {
    act();
  } catch (error) {
    if (error instanceof FerryError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

describe('targets', () => {
  test.each([
    ['host:', undefined, 'host', undefined, ''],
    ['host:www', undefined, 'host', undefined, 'www'],
    ['u@host:/srv/x', 'u', 'host', undefined, '/srv/x'],
    ['host:~/www', undefined, 'host', undefined, 'www'],
    ['host:~', undefined, 'host', undefined, ''],
    ['host:a@b:c', undefined, 'host', undefined, 'a@b:c'],
    ['u@realm@host:x', 'u@realm', 'host', undefined, 'x'],
    ['u@[::1]:x', 'u', '::1', undefined, 'x'],
    ['[fe80::1%eth0]:x', undefined, 'fe80::1%eth0', undefined, 'x'],
    ['host:a%20b', undefined, 'host', undefined, 'a%20b'],
    ['sftp://u@host:2222/srv/a%20b%3F', 'u', 'host', 2222, '/srv/a b?'],
    ['SFTP://host/', undefined, 'host', undefined, '/'],
    ['sftp://host:/x', undefined, 'host', undefined, '/x'],
    ['sftp://u%40realm@[::1]:22/x/../y', 'u@realm', '::1', 22, '/x/../y'],
  ])('%s', (text, username, host, port, path) => {
    expect(isSshTarget(text)).toBe(true);
    expect(parseTarget(text)).toEqual({ username, host, port, path });
  });

  test.each(['./a:b', '/a:b', 'folder', 'folder/a:b', '~/x', '.', ''])('%j is local', (text) => {
    expect(isSshTarget(text)).toBe(false);
  });

  test.each([
    'sftp://host',
    'sftp:///x',
    'sftp://host:0/x',
    'sftp://host:65536/x',
    'sftp://host/a?b',
    'sftp://host/a#b',
    'sftp://host/%zz',
    'sftp://host/%00',
    'sftp://u;fingerprint=x@host/x',
    'host:a\0b',
    'a b:x',
    '-host:x',
    'ho*t:x',
    '@host:x',
    ':x',
  ])('%j is refused', (text) => {
    expect(failure(() => parseTarget(text)).kind).toBe('config');
  });

  test('a password in the address is refused and never repeated', () => {
    for (const text of [
      'sftp://u:canary@host/x',
      'sftp://u:canary@host:x',
      'sftp://u:a@canary@h/',
    ]) {
      const error = failure(() => parseTarget(text));
      expect(error.kind).toBe('config');
      expect(`${error.message} ${error.hint}`).not.toContain('canary');
    }
  });
});

describe('remotes', () => {
  test('the defaults are those of jobs.yml', () => {
    const { remote, path, notes } = remoteFromSsh('Host:www', { context });
    expect(path).toBe('www');
    expect(notes).toEqual([]);
    expect(remote).toEqual({
      name: 'Host',
      host: 'host',
      port: 22,
      username: 'me',
      auth: {
        keys: ['id_ed25519', 'id_ecdsa', 'id_rsa'].map((name) => join(home, '.ssh', name)),
        keysOptional: true,
      },
      hostKey: [],
      knownHosts: [
        join(home, '.ssh/known_hosts'),
        join(home, '.ssh/known_hosts2'),
        join(home, 'etc/ssh_known_hosts'),
        join(home, 'etc/ssh_known_hosts2'),
      ],
      root: undefined,
      maxSessions: 2,
      maxFiles: 0,
      bandwidth: undefined,
      replyTimeout: 30_000,
      stallTimeout: 60_000,
      algorithms: {},
      jump: undefined,
    } satisfies Remote);
  });

  test('a name with its port is one that trust understands to be the same', () => {
    for (const given of [
      remoteFromSsh('sftp://u@[::1]:2222/x', { context }),
      remoteFromSsh('[::1]:x', { context, port: 2222 }),
    ]) {
      expect(given.remote.name).toBe('sftp://[::1]:2222');
      expect(remoteFromHost(given.remote.name, { context }).remote).toMatchObject({
        host: '::1',
        port: 2222,
      });
    }
  });

  test('-P wins over the target, the target over the files; -i is the only key and must be there', () => {
    config('Port 2000\nUser files\nIdentityFile /keys/a\n');
    const both = remoteFromSsh('sftp://u@h:2100/x', { context, port: 2200, key: '~/k' });
    expect(both.remote).toMatchObject({
      port: 2200,
      username: 'u',
      auth: { keys: [join(home, 'k')], keysOptional: false },
    });
    expect(both.origins).toMatchObject({
      port: 'command line',
      username: 'command line',
      keys: 'command line',
    });
    const files = remoteFromSsh('h:x', { context });
    expect(files.remote).toMatchObject({
      port: 2000,
      username: 'files',
      auth: { keys: ['/keys/a'], keysOptional: true },
    });
    expect(files.origins).toMatchObject({ port: '~/.ssh/config:1', keys: '~/.ssh/config:3' });
  });

  test('HostKeyAlias and known_hosts files are taken over', () => {
    config('HostKeyAlias store\nUserKnownHostsFile ~/kh\nGlobalKnownHostsFile none\n');
    expect(remoteFromSsh('h:x', { context }).remote).toMatchObject({
      hostKeyAlias: 'store',
      knownHosts: [join(home, 'kh')],
    });
  });

  test('StrictHostKeyChecking no loosens nothing', () => {
    const before = remoteFromSsh('h:x', { context }).remote;
    config('StrictHostKeyChecking no\nNoHostAuthenticationForLocalhost yes\n');
    expect(remoteFromSsh('h:x', { context }).remote).toEqual(before);
  });

  test.for([
    ['no', 'StrictHostKeyChecking no is not followed'],
    ['accept-new', 'StrictHostKeyChecking accept-new is not followed'],
    ['yes', undefined],
    ['ask', undefined],
  ] as const)('StrictHostKeyChecking %s is noted: %s', ([value, note]) => {
    config(`StrictHostKeyChecking ${value}\n`);
    const { notes, remarks } = remoteFromSsh('h:x', { context });
    const expected = note === undefined ? [] : [expect.stringContaining(note)];
    expect([notes, remarks]).toEqual([[], expected]);
    config(`StrictHostKeyChecking ${value}\nHost h\nProxyJump j\n`);
    expect(remoteFromSsh('h:x', { context }).remarks).toEqual(expected);
  });

  test('IdentitiesOnly keeps the agent out, unless a key can only be had from it', () => {
    const agent = { ...context, env: { SSH_AUTH_SOCK: '/run/agent' } };
    const plain = makeKey(join(home, 'plain'));
    const locked = makeKey(join(home, 'locked'), 'ed25519', 'secret');
    config(`IdentityFile ${plain.file}\n`);
    expect(remoteFromSsh('h:x', { context: agent }).remote.auth.agent).toBe('/run/agent');
    config(`IdentitiesOnly yes\nIdentityFile ${plain.file}\n`);
    expect(remoteFromSsh('h:x', { context: agent }).remote.auth.agent).toBeUndefined();
    for (const file of [locked.file, `${plain.file}.pub`]) {
      config(`IdentitiesOnly yes\nIdentityFile ${file}\n`);
      const given = remoteFromSsh('h:x', { context: agent });
      expect(given.remote.auth.agent).toBe('/run/agent');
      expect(given.notes[0]).toContain('IdentitiesOnly');
    }
  });
});

describe('ProxyJump', () => {
  const chain = (remote: Remote): string[] =>
    remote.jump === undefined
      ? []
      : [`${remote.jump.username}@${remote.jump.host}:${remote.jump.port}`, ...chain(remote.jump)];

  test('hops in order, nearest to the target first; each with its own configuration', () => {
    config(`Host target
  ProxyJump you@one:2001,two
Host one
  HostName one.example
  ProxyJump zero
Host two
  User second
  ProxyJump never
  ProxyCommand never
Host zero
  Port 2000
`);
    const { remote } = remoteFromSsh('target:x', { context, port: 99, key: '/k' });
    expect(chain(remote)).toEqual(['second@two:22', 'you@one.example:2001', 'me@zero:2000']);
    expect(remote.jump?.name).toBe('two');
    expect(remote.jump?.jump?.name).toBe('sftp://one:2001');
    expect(remote.jump?.auth).toMatchObject({ keysOptional: true });
  });

  test('ssh:// form, and none', () => {
    config('Host a\n  ProxyJump ssh://u@[::2]:2022\nHost b\n  ProxyJump none\n');
    expect(chain(remoteFromSsh('a:x', { context }).remote)).toEqual(['u@::2:2022']);
    expect(chain(remoteFromSsh('b:x', { context }).remote)).toEqual([]);
  });

  test('a bastion does not jump through itself', () => {
    config('Host *.example\n  ProxyJump bastion.example\n');
    const { remote } = remoteFromSsh('a.example:x', { context });
    expect(chain(remote)).toEqual(['me@bastion.example:22']);
    expect(chain(remoteFromSsh('bastion.example:x', { context }).remote)).toEqual([]);
  });

  test('a circle is refused', () => {
    config('Host a\n  ProxyJump b\nHost b\n  ProxyJump c\nHost c\n  ProxyJump a\n');
    const error = failure(() => remoteFromSsh('a:x', { context }));
    expect(error.kind).toBe('config');
    expect(error.message).toContain('a:22 > b:22 > c:22 > a:22');
  });
});
