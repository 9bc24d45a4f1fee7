/** The rules of host-keys.ts at a real login: what a refused server gets to see, and that known ones are let in. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { FerryError } from '../../../src/core/errors.js';
import type { Remote } from '../../../src/core/remote.js';
import { remoteFromSsh } from '../../../src/ssh/ssh-config/ssh-host.js';
import { connectSsh2 } from '../../../src/ssh/ssh2/connect-ssh2.js';
import { withSshd } from '../../kit/base.js';
import { temporaryFolder } from '../../kit/files/temporary.js';
import { makeKey } from '../../kit/servers/keys.js';
import type { Sshd } from '../../kit/servers/sshd.js';

const test = withSshd({ hostKeys: ['ed25519', 'rsa'] });
let home: string;

test.beforeEach(async ({ sshd }) => {
  home = await temporaryFolder();
  mkdirSync(join(home, '.ssh'), { mode: 0o700 });
  writeFileSync(
    join(home, '.ssh/config'),
    `Host box
  HostName 127.0.0.1
  Port ${sshd.port}
  User ${sshd.username}
  IdentityFile ${sshd.keyFile}
`,
    { mode: 0o600 },
  );
});

/** The server as `box:` on the command line, with these lines in known_hosts. */
function box(...knownHosts: string[]): Remote {
  writeFileSync(join(home, '.ssh/known_hosts'), knownHosts.map((line) => `${line}\n`).join(''));
  const context = { home, user: 'me', env: {}, systemFolder: join(home, 'etc') };
  return remoteFromSsh('box:', { context }).remote;
}

const at = (sshd: Sshd) => `[127.0.0.1]:${sshd.port}`;

function hostKey(sshd: Sshd, index: number): string {
  return readFileSync(`${sshd.hostKeyFiles[index]}.pub`, 'utf8').trim();
}

async function login(remote: Remote): Promise<void> {
  const transport = await connectSsh2(remote, () => {}, new AbortController().signal);
  await transport.close();
}

/** The error of a refused login. The server's log must show neither user name nor key. */
async function refusal(sshd: Sshd, remote: Remote): Promise<FerryError> {
  const before = sshd.log().length;
  const error = await login(remote).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof FerryError)) throw new Error('no FerryError', { cause: error });
  // A restart brings the log to its end.
  await sshd.restart();
  const seen = sshd.log().slice(before);
  expect(seen).toContain('Connection from');
  expect(seen).not.toContain(sshd.username);
  expect(seen).not.toMatch(/Accepted|Failed|Postponed/);
  return error;
}

test('a host that ssh_config and known_hosts know is let in', async ({ sshd }) => {
  const before = sshd.logins();
  await login(box(`${at(sshd)} ${hostKey(sshd, 0)}`));
  expect(sshd.logins()).toBe(before + 1);
});

test('of several keys the server is asked for the one we know', async ({ sshd }) => {
  await login(box(`${at(sshd)} ${hostKey(sshd, 1)}`));
  await login({ ...box(), hostKey: [hostKey(sshd, 1)] });
});

test('unknown', async ({ sshd }) => {
  const error = await refusal(sshd, box());
  expect(error.kind).toBe('host-key');
  expect(error.message).toContain(sshd.hostKeyFingerprint);
  expect(error.hint).toContain('ferryline trust box');
});

test('changed: both fingerprints', async ({ sshd }) => {
  const old = makeKey(join(home, 'old'));
  const error = await refusal(sshd, box(`${at(sshd)} ${old.publicKey}`));
  expect(error.kind).toBe('host-key');
  expect(error.message).toContain(old.fingerprint);
  expect(error.message).toContain(sshd.hostKeyFingerprint);
});

test('revoked', async ({ sshd }) => {
  const error = await refusal(
    sshd,
    box(`${at(sshd)} ${hostKey(sshd, 0)}`, `@revoked * ${hostKey(sshd, 0)}`),
  );
  expect(error.kind).toBe('host-key');
  expect(error.message).toContain('revoked');
});

test('not the pinned one', async ({ sshd }) => {
  const pin = makeKey(join(home, 'pin'));
  const error = await refusal(sshd, {
    ...box(`${at(sshd)} ${hostKey(sshd, 0)}`),
    hostKey: [pin.fingerprint],
  });
  expect(error.kind).toBe('host-key');
  expect(error.message).toContain(pin.fingerprint);
  expect(error.message).toContain(sshd.hostKeyFingerprint);
});
