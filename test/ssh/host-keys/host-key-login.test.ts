/** The rules of host-keys.ts at a real login: what a refused server gets to see, and that known ones are let in. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { FerryError } from '../../../src/core/errors.js';
import type { Remote } from '../../../src/core/remote.js';
import { remoteFromSsh } from '../../../src/ssh/ssh-config/ssh-host.js';
import { connectSsh2 } from '../../../src/ssh/ssh2/connect-ssh2.js';
import { temporaryFolder } from '../../kit/files/temporary.js';
import { makeKey } from '../../kit/servers/keys.js';
import { type Sshd, startSshd } from '../../kit/servers/sshd.js';

let server: Sshd;
let home: string;

beforeAll(async () => {
  server = await startSshd({ hostKeys: ['ed25519', 'rsa'] });
});

afterAll(async () => {
  await server.stop();
});

beforeEach(async () => {
  home = await temporaryFolder();
  mkdirSync(join(home, '.ssh'), { mode: 0o700 });
  writeFileSync(
    join(home, '.ssh/config'),
    `Host box
  HostName 127.0.0.1
  Port ${server.port}
  User ${server.username}
  IdentityFile ${server.keyFile}
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

const at = () => `[127.0.0.1]:${server.port}`;

function hostKey(index: number): string {
  return readFileSync(`${server.hostKeyFiles[index]}.pub`, 'utf8').trim();
}

async function login(remote: Remote): Promise<void> {
  const transport = await connectSsh2(remote, () => {}, new AbortController().signal);
  await transport.close();
}

/** The refusal, after a look at the server's log: it has learnt neither user name nor key. */
async function refusal(remote: Remote): Promise<FerryError> {
  const before = server.log().length;
  const error = await login(remote).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof FerryError)) throw new Error('no FerryError', { cause: error });
  // A restart brings the log to its end.
  await server.restart();
  const seen = server.log().slice(before);
  expect(seen).toContain('Connection from');
  expect(seen).not.toContain(server.username);
  expect(seen).not.toMatch(/Accepted|Failed|Postponed/);
  return error;
}

test('a host that ssh_config and known_hosts know is let in', async () => {
  const before = server.logins();
  await login(box(`${at()} ${hostKey(0)}`));
  expect(server.logins()).toBe(before + 1);
});

test('of several keys the server is asked for the one we know', async () => {
  await login(box(`${at()} ${hostKey(1)}`));
  await login({ ...box(), hostKey: [hostKey(1)] });
});

test('unknown', async () => {
  const error = await refusal(box());
  expect(error.kind).toBe('host-key');
  expect(error.message).toContain(server.hostKeyFingerprint);
  expect(error.hint).toContain('ferryline trust box');
});

test('changed: both fingerprints', async () => {
  const old = makeKey(join(home, 'old'));
  const error = await refusal(box(`${at()} ${old.publicKey}`));
  expect(error.kind).toBe('host-key');
  expect(error.message).toContain(old.fingerprint);
  expect(error.message).toContain(server.hostKeyFingerprint);
});

test('revoked', async () => {
  const error = await refusal(box(`${at()} ${hostKey(0)}`, `@revoked * ${hostKey(0)}`));
  expect(error.kind).toBe('host-key');
  expect(error.message).toContain('revoked');
});

test('not the pinned one', async () => {
  const pin = makeKey(join(home, 'pin'));
  const error = await refusal({ ...box(`${at()} ${hostKey(0)}`), hostKey: [pin.fingerprint] });
  expect(error.kind).toBe('host-key');
  expect(error.message).toContain(pin.fingerprint);
  expect(error.message).toContain(server.hostKeyFingerprint);
});
