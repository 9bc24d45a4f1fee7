/**
 * Faults of trust: rows 39, 40, 42 and 43 of docs/faults.md, through the built CLI. Pinned keys are in
 * e2e/exit-codes.test.ts and ssh/host-keys/host-key-login.test.ts, every way a jobs.yml can be wrong in
 * jobs/config/refused.test.ts.
 */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Algorithms } from 'ssh2';
import { describe, expect } from 'vitest';
import { test as base, forFile, started } from '../kit/base.js';
import { ferryline } from '../kit/daemons/cli.js';
import { temporaryFolder } from '../kit/files/temporary.js';
import { readTree } from '../kit/files/tree.js';
import { openScene, type Scene } from '../kit/scene.js';
import { terrapinProne, weakAlgorithms } from '../kit/servers/hostile-replies.js';
import { type InProcess, startInProcess } from '../kit/servers/in-process.js';
import { makeKey } from '../kit/servers/keys.js';
import type { Sshd } from '../kit/servers/sshd.js';

const test = base.extend(
  'server',
  forFile,
  started(() => startInProcess({ password: 'canary-password' })),
);

const tree = { a: 'a', 'b/c': 'c' };

describe('row 39: the host key', () => {
  let scene: Scene;
  test.beforeAll(async ({ sshd }) => {
    scene = await openScene(sshd);
    scene.writeHere(tree);
  });

  /** Runs against known_hosts with these lines: 6, and the server has seen neither user name nor key. */
  async function refused(sshd: Sshd, ...knownHosts: string[]) {
    const file = join(scene.cwd, 'known_hosts');
    writeFileSync(file, knownHosts.map((line) => `${line}\n`).join(''));
    await scene.jobs({}, { knownHosts: file });
    const before = sshd.log().length;
    const { code, report, stderr } = await scene.run();
    expect(code, stderr).toBe(6);
    expect(report).toMatchObject({ outcome: 'failed', sessions: 0, error: { kind: 'host-key' } });
    expect(stderr).toMatch(/^ {2}next: \S/m);
    // a restart completes the log
    await sshd.restart();
    const seen = sshd.log().slice(before);
    expect(seen).toContain('Connection from');
    expect(seen).not.toContain(sshd.username);
    expect(seen).not.toMatch(/Accepted|Failed|Postponed/);
    expect(readFileSync(file, 'utf8')).toBe(knownHosts.map((line) => `${line}\n`).join(''));
    return stderr;
  }
  const at = (sshd: Sshd) => `[127.0.0.1]:${sshd.port}`;
  const hostKey = (sshd: Sshd) => readFileSync(`${sshd.hostKeyFiles[0]}.pub`, 'utf8').trim();

  test('unknown: 6, its fingerprint, and how to trust it', async ({ sshd }) => {
    const stderr = await refused(sshd);
    expect(stderr).toContain(sshd.hostKeyFingerprint);
    expect(stderr).toContain('ferryline trust archive');
  });

  test('changed since the last run: 6, both fingerprints', async ({ sshd }) => {
    const line = readFileSync(sshd.knownHostsFile, 'utf8').trim();
    await scene.jobs();
    expect((await scene.run()).code).toBe(0);
    const old = sshd.hostKeyFingerprint;
    await sshd.swapHostKey();
    const stderr = await refused(sshd, line);
    expect(sshd.hostKeyFingerprint).not.toBe(old);
    expect(stderr).toContain(old);
    expect(stderr).toContain(sshd.hostKeyFingerprint);
  });

  test('revoked, though known too: 6', async ({ sshd }) => {
    const stderr = await refused(
      sshd,
      `${at(sshd)} ${hostKey(sshd)}`,
      `@revoked * ${hostKey(sshd)}`,
    );
    expect(stderr).toContain('revoked');
    expect(stderr).toContain(sshd.hostKeyFingerprint);
  });
});

describe('row 40: what a server offers', () => {
  async function offering(algorithms: Algorithms, check: (server: InProcess) => Promise<void>) {
    const server = await startInProcess({ algorithms });
    try {
      await check(server);
    } finally {
      await server.stop();
    }
  }

  test('weak algorithms only: 5 with the reason; allowed for this remote: 0', () =>
    offering(weakAlgorithms, async (server) => {
      const scene = await openScene(server);
      scene.writeHere(tree);
      const { code, report, stderr } = await scene.run();
      expect(code, stderr).toBe(5);
      expect(report.error.message).toMatch(/algorithms.*no matching/i);
      expect(report.error.hint).toContain('algorithms');
      expect(server.logins()).toBe(0);
      const only = (list: readonly string[]) => ({ append: list });
      await scene.jobs(
        {},
        {
          algorithms: {
            kex: only(['diffie-hellman-group14-sha1']),
            cipher: only(['aes128-cbc']),
            hmac: only(['hmac-sha1']),
          },
        },
      );
      expect((await scene.run()).code).toBe(0);
      expect(readTree(scene.there())).toEqual(tree);
    }));

  test('a cipher open to Terrapin and no strict key exchange: 5 with the reason', () =>
    offering(terrapinProne, async (server) => {
      const scene = await openScene(server);
      scene.writeHere(tree);
      const { code, report } = await scene.run();
      expect(code).toBe(5);
      expect(report.error.message).toContain('CVE-2023-48795');
      expect(report.error.hint).toContain('algorithms');
      expect(server.logins()).toBe(0);
    }));

  // ssh2's server counts packets as strict key exchange does, offered or not; GCM doesn't look at the count
  const gcm = 'aes256-gcm@openssh.com';
  test('configured to use another cipher of that server: 0', () =>
    offering(
      { ...terrapinProne, cipher: ['chacha20-poly1305@openssh.com', gcm] },
      async (server) => {
        const scene = await openScene(server);
        scene.writeHere(tree);
        await scene.jobs({}, { algorithms: { cipher: ['chacha20-poly1305@openssh.com'] } });
        expect((await scene.run()).code).toBe(5);
        expect(server.logins()).toBe(0);
        await scene.jobs({}, { algorithms: { cipher: [gcm] } });
        const { code, stderr } = await scene.run();
        expect(code, stderr).toBe(0);
        expect(readTree(scene.there())).toEqual(tree);
      },
    ));
});

describe('row 42: files that others may read', () => {
  test('a private key: 2, before any connection', async ({ server }) => {
    const scene = await openScene(server);
    scene.writeHere(tree);
    const { file } = makeKey(join(await temporaryFolder(), 'key'));
    await scene.jobs({}, { auth: { key: file } });
    const before = server.connections();
    for (const mode of [0o644, 0o640, 0o604]) {
      chmodSync(file, mode);
      const { code, report, stderr } = await scene.run();
      expect(code).toBe(2);
      expect(report.error).toMatchObject({ kind: 'config', hint: `chmod 600 ${file}` });
      expect(stderr).toContain(file);
    }
    expect(server.connections()).toBe(before);
  });

  test('a jobs.yml with a secret in it: a warning without the secret; closed, none', async ({
    server,
  }) => {
    const scene = await openScene(server);
    scene.writeHere(tree);
    const file = await scene.jobs({}, { auth: { password: 'canary-password' } });
    chmodSync(file, 0o644);
    const open = await scene.run();
    expect(open.code).toBe(0);
    expect(open.stderr).toMatch(/warning: .*jobs\.yml contains secrets .*chmod 600/);
    expect(open.stderr + open.stdout).not.toContain('canary-password');
    chmodSync(file, 0o600);
    expect((await scene.run()).stderr).not.toContain('warning');
  });
});

describe('row 43: a jobs.yml that is an attack or a slip', () => {
  const job = 'operation: push, from: ./a, to: d:b';
  const bomb = ['a: &a0 [x, x, x, x, x, x, x, x, x, x]']
    .concat(Array.from({ length: 9 }, (_, i) => `b${i}: &a${i + 1} [${`*a${i}, `.repeat(10)}]`))
    .join('\n');
  test.each([
    ['an alias bomb', bomb, /aliases expand to more than/],
    [
      'equal keys',
      `remotes: { d: { host: h } }\njobs:\n  x: { ${job} }\n  x: { ${job} }`,
      /:4:3 .*twice/,
    ],
    ['8 MB', `# ${'x'.repeat(8 * 1024 * 1024)}\njobs: {}`, /larger than 1 MiB/],
    ['a number for a host', `remotes: { d: { host: 5 } }\njobs: { x: { ${job} } }`, /:1:23 .*text/],
    ['text for a list of jobs', 'jobs: all', /:1:7 jobs: must be a map/],
    [
      'a list for a switch',
      `remotes: { d: { host: h } }\njobs: { x: { ${job}, fsync: [] } }`,
      /fsync/,
    ],
    ['no YAML at all', Buffer.from([0, 1, 2, 0xff, 0xfe]).toString('latin1'), /jobs\.yml/],
  ])(
    '%s: 2, for every command, nothing on stdout but the error event',
    async (_, text, message) => {
      const cwd = await temporaryFolder();
      writeFileSync(join(cwd, 'jobs.yml'), text);
      for (const args of [['run', 'x', '--json'], ['plan', 'x'], ['validate']]) {
        const { code, stdout, stderr, events } = await ferryline(args, { cwd });
        expect(code, args.join(' ')).toBe(2);
        if (args.includes('--json'))
          expect(events).toMatchObject([{ event: 'error', kind: 'config' }]);
        else expect(stdout).toBe('');
        expect(stderr).toMatch(message);
        expect(stderr.length).toBeLessThan(10_000);
      }
    },
  );
});
