import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { FerryError } from '../../../src/core/errors.js';
import { readSshConfig } from '../../../src/ssh/ssh-config/ssh-config.js';
import type { SshContext } from '../../../src/ssh/ssh-config/ssh-config-lines.js';
import { temporaryFolder } from '../../kit/files/temporary.js';

let home: string;
let context: SshContext;

beforeEach(async () => {
  home = await temporaryFolder();
  mkdirSync(join(home, '.ssh'), { mode: 0o700 });
  mkdirSync(join(home, 'etc'));
  context = { home, user: 'me', env: {}, systemFolder: join(home, 'etc') };
});

function config(text: string, file = '.ssh/config'): string {
  const path = join(home, file);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
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

/** What the machine's own ssh makes of a file: keyword → values. */
function sshG(file: string, args: readonly string[]): Map<string, string[]> {
  const out = execFileSync('ssh', ['-G', '-F', file, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const values = new Map<string, string[]>();
  for (const line of out.split('\n')) {
    const at = line.indexOf(' ');
    const keyword = line.slice(0, at);
    values.set(keyword, [...(values.get(keyword) ?? []), line.slice(at + 1)]);
  }
  return values;
}

const agreed = `
# comment
Port=2200
Host web web-*	!web-9
  HostName %h.example.com
  User "deploy"
  IdentityFile /keys/%r@%h-%p
  IdentityFile "/keys/with space"
  ProxyJump bastion

Host WEB
  User never

Match host *.example.com user deploy
  Port 2201
  HostKeyAlias alias
  UserKnownHostsFile /known/%k /known/second
  identitiesonly YES

Match originalhost db,cache !user root
  HostName 10.0.0.%h
  User=dbuser
  IdentityAgent /run/agent
Match !originalhost db
  ServerAliveInterval 3
Match final host 10.0.0.db
  HostKeyAlias seen-at-last

Host jumpy
  ProxyJump none
  ProxyCommand ssh -W %h:%p other
Host chain
  ProxyJump a@one:2022,two
Host literal
  HostName a%%b
Host *
  User fallback
  HostName never-for-those-above
  IdentityFile /keys/common
`;

describe('it agrees with `ssh -G`', () => {
  test.each([
    ['web', []],
    ['web-1', []],
    ['web-9', []],
    ['WEB', []],
    ['db', []],
    ['db', ['-l', 'root']],
    ['cache', ['-p', '77']],
    ['jumpy', []],
    ['chain', []],
    ['literal', []],
    ['elsewhere', []],
  ] as const)('%s %j', (host, args) => {
    const file = config(agreed);
    const ssh = sshG(file, [...args, host]);
    const [flag, value] = args;
    const ours = readSshConfig(
      host,
      {
        username: flag === '-l' ? value : undefined,
        port: flag === '-p' ? Number(value) : undefined,
      },
      { ...context, user: userInfo().username },
    );
    const one = (keyword: string) => ssh.get(keyword)?.[0];
    expect(ours.host).toBe(one('hostname')?.toLowerCase());
    expect(String(ours.port)).toBe(one('port'));
    expect(ours.username).toBe(one('user'));
    expect(ours.hostKeyAlias).toBe(one('hostkeyalias'));
    expect(ours.identitiesOnly).toBe(one('identitiesonly') === 'yes');
    expect(ours.jump.join(',')).toBe(one('proxyjump') ?? '');
    // -G leaves tokens in key files alone.
    const tokens: Record<string, string> = {
      '%r': ours.username,
      '%h': ours.host,
      '%p': String(ours.port),
    };
    expect(ours.identityFiles).toEqual(
      ssh.get('identityfile')?.map((path) => path.replace(/%[rhp]/g, (t) => tokens[t] ?? t)),
    );
    if (one('userknownhostsfile')?.startsWith('/known')) {
      expect(ours.knownHosts.slice(0, 2)).toEqual(['/known/alias', '/known/second']);
    }
  });

  test('random files', () => {
    const name = fc.constantFrom('a', 'b', 'ab', 'A', '*', 'a*', '?', '!a', '!ab', '*b');
    const names = fc.array(name, { minLength: 1, maxLength: 3 });
    const word = fc.constantFrom('a', 'b', 'x', 'me', 'root');
    const list = fc.array(name, { minLength: 1, maxLength: 2 }).map((all) => all.join(','));
    const not = fc.constantFrom('', '!');
    const criterion = fc.oneof(
      fc.constantFrom('all', 'final'),
      fc
        .tuple(not, fc.constantFrom('host', 'originalhost', 'user', 'localuser'), list)
        .map(([bang, keyword, value]) => `${bang}${keyword} ${value}`),
    );
    const line = fc.oneof(
      names.map((all) => `Host ${all.join(' ')}`),
      criterion.map((text) => `Match ${text}`),
      fc.tuple(fc.constantFrom('', 'final '), list).map(([f, l]) => `match ${f}host ${l}`),
      word.map((value) => `User ${value}`),
      word.map((value) => `  hostname=${value}%h`),
      fc.integer({ min: 1, max: 65535 }).map((port) => `\tPort   ${port}`),
      word.map((value) => `IdentityFile /k/"${value}"`.replace(/"/g, '')),
      word.map((value) => `HostKeyAlias "${value}"`),
      fc.constantFrom('ProxyJump none', 'ProxyJump j1', 'ProxyJump u@j1:5,j2', 'ProxyCommand none'),
      fc.constantFrom('', '# User comment', '   # Port 1', 'Compression yes'),
    );
    const files = fc.array(line, { minLength: 1, maxLength: 14 });
    const me = { ...context, user: userInfo().username };
    fc.assert(
      fc.property(files, fc.constantFrom('a', 'b', 'ab', 'A'), (lines, host) => {
        const ssh = sshG(config(`${lines.join('\n')}\n`), [host]);
        const ours = readSshConfig(host, {}, me);
        const one = (keyword: string) => ssh.get(keyword)?.[0];
        expect({
          host: ours.host,
          port: String(ours.port),
          username: ours.username,
          alias: ours.hostKeyAlias,
          jump: ours.jump.join(',') || undefined,
          keys: ours.identityFiles,
        }).toEqual({
          host: one('hostname')?.toLowerCase(),
          port: one('port'),
          username: one('user'),
          alias: one('hostkeyalias'),
          jump: one('proxyjump'),
          keys: one('identityfile')?.startsWith('/k/') ? ssh.get('identityfile') : undefined,
        });
      }),
      // A fixed seed: what is compared with is whatever ssh the machine has.
      { numRuns: 150, seed: 22 },
    );
  }, 60_000);

  test('Include: wildcards in lexical order, conditional inside a block, back to it afterwards', () => {
    mkdirSync(join(home, '.ssh/conf.d'));
    config('Host *\n  User from-b\n', '.ssh/conf.d/b.conf');
    config('Port 2100\nHost inner\n  User inner\n', '.ssh/conf.d/a.conf');
    config('User nobody\n', '.ssh/conf.d/.hidden.conf');
    config('User from-inactive\nHost *\n  Port 9\n', '.ssh/inactive');
    const file = config(`Host nothing
  Include ${home}/.ssh/inactive
Host outer inner
  Include ${home}/.ssh/conf.d/*.conf ${home}/missing
  HostName reached
`);
    for (const host of ['outer', 'inner', 'other']) {
      const ssh = sshG(file, [host]);
      const ours = readSshConfig(host, {}, { ...context, user: userInfo().username });
      expect(ours.host, host).toBe(ssh.get('hostname')?.[0]);
      expect(String(ours.port), host).toBe(ssh.get('port')?.[0]);
      expect(ours.username, host).toBe(ssh.get('user')?.[0]);
    }
    expect(readSshConfig('inner', {}, context)).toMatchObject({
      host: 'reached',
      port: 2100,
      username: 'inner',
    });
  });
});

test('nothing configured: the defaults, and where they come from', () => {
  const ours = readSshConfig('Host.Example', {}, context);
  expect(ours).toMatchObject({
    host: 'host.example',
    port: 22,
    username: 'me',
    identityFiles: undefined,
    agent: undefined,
    jump: [],
    knownHosts: [
      join(home, '.ssh/known_hosts'),
      join(home, '.ssh/known_hosts2'),
      join(home, 'etc/ssh_known_hosts'),
      join(home, 'etc/ssh_known_hosts2'),
    ],
    origins: { host: 'command line', port: 'default', username: 'default', agent: 'default' },
  });
});

test('the first value wins: command line, the user, the machine; each with its place', () => {
  config('\n\n# three lines above\nHost a\n  HostName b\n\n  Port 2000\n');
  config('Port 3000\nUser machine\nHostName c\n', 'etc/ssh_config');
  const ours = readSshConfig('a', {}, context);
  expect(ours).toMatchObject({ host: 'b', port: 2000, username: 'machine' });
  expect(ours.origins).toMatchObject({
    host: '~/.ssh/config:5',
    port: '~/.ssh/config:7',
    username: '~/etc/ssh_config:2',
  });
  const given = readSshConfig('a', { username: 'x', port: 1 }, context);
  expect(given).toMatchObject({ port: 1, username: 'x' });
  expect(given.origins).toMatchObject({ port: 'command line', username: 'command line' });
});

test('nothing is executed: Match exec, canonical names, commands', () => {
  const canary = join(home, 'canary');
  config(`Match exec "touch ${canary}"
  User exec
Match !exec "touch ${canary}"
  User notexec
CanonicalizeHostname yes
CanonicalDomains example.com
KnownHostsCommand /usr/bin/touch ${canary}
LocalCommand touch ${canary}
PermitLocalCommand yes
Host web
  CanonicalizeHostname yes
  CanonicalDomains example.com
`);
  const ours = readSshConfig('web', {}, context);
  expect(ours).toMatchObject({ host: 'web', username: 'me' });
  expect(ours.notes).toEqual([
    '~/.ssh/config:1 Match exec is never evaluated; its block is ignored',
    '~/.ssh/config:3 Match exec is never evaluated; its block is ignored',
  ]);
  expect(existsSync(canary)).toBe(false);
});

test('a host that needs a ProxyCommand is refused, not reached directly', () => {
  config('Host web\n  ProxyCommand ssh -W %h:%p bastion\n  ProxyJump later\n');
  const error = failure(() => readSshConfig('web', {}, context));
  expect(error.kind).toBe('config');
  expect(error.message).toContain('~/.ssh/config:2');
  expect(error.hint).toContain('ProxyJump');
});

test('the agent: from the environment, another one, a variable, none', () => {
  const env = { SSH_AUTH_SOCK: '/run/env', OTHER: '/run/other' };
  const agent = (text: string) => {
    config(text);
    const { agent, origins } = readSshConfig('h', {}, { ...context, env });
    return [agent, origins.agent];
  };
  expect(agent('')).toEqual(['/run/env', '$SSH_AUTH_SOCK']);
  expect(agent('IdentityAgent none')).toEqual([undefined, '~/.ssh/config:1']);
  expect(agent('IdentityAgent SSH_AUTH_SOCK')).toEqual(['/run/env', '~/.ssh/config:1']);
  expect(agent('IdentityAgent $OTHER')).toEqual(['/run/other', '~/.ssh/config:1']);
  expect(agent('IdentityAgent ~/%u-${OTHER}.sock')).toEqual([
    join(home, 'me-/run/other.sock'),
    '~/.ssh/config:1',
  ]);
});

test('paths: ~, tokens, none', () => {
  config(
    'IdentityFile ~/.ssh/%u-%n-%%\nIdentityFile %d/k\nUserKnownHostsFile ~/kh /dev/null\nGlobalKnownHostsFile none\n',
  );
  expect(readSshConfig('h', {}, context)).toMatchObject({
    identityFiles: [join(home, '.ssh/me-h-%'), join(home, 'k')],
    knownHosts: [join(home, 'kh'), '/dev/null'],
  });
  config('IdentityFile none\nUserKnownHostsFile none\n');
  expect(readSshConfig('h', {}, context)).toMatchObject({
    identityFiles: [],
    knownHosts: [join(home, 'etc/ssh_known_hosts'), join(home, 'etc/ssh_known_hosts2')],
  });
});

test('a relative Include starts at ~/.ssh, or at the system folder', () => {
  config('User user-include\n', '.ssh/more');
  config('Port 99\n', 'etc/more');
  config('Include more\n');
  config('Include more\n', 'etc/ssh_config');
  const ours = readSshConfig('h', {}, context);
  expect(ours).toMatchObject({ username: 'user-include', port: 99 });
  expect(ours.origins.username).toBe('~/.ssh/more:1');
});

test.each([
  ['Port 0\n', /config:1 Port 0 is not a port/],
  ['\nPort 70000', /config:2 Port 70000/],
  ['Port 22x', /Port 22x/],
  ['Host a\n  HostName\nHost b\n', /config:2 HostName has no value/],
  ['User', /User has no value|not in ssh_config format/],
  ['User "open\n', /not in ssh_config format/],
  ['IdentityFile %Z\n', /config:1 the token %Z/],
  ['IdentityFile ${UNSET_FOR_SURE}/k\n', /UNSET_FOR_SURE is not set/],
  ['Include config\n', /nested deeper than 16/],
])('refused with its place: %j', (text, message) => {
  config(text);
  const error = failure(() => readSshConfig('a', {}, context));
  expect(error.kind).toBe('config');
  expect(error.message).toMatch(message);
});

test('a config file that others may write is refused', () => {
  const file = config('User x\n');
  chmodSync(file, 0o620);
  const error = failure(() => readSshConfig('h', {}, context));
  expect(error.kind).toBe('config');
  expect(error.message).toContain('~/.ssh/config can be changed by other users');
  expect(error.hint).toContain('chmod go-w');
});
