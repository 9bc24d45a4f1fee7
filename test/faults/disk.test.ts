/**
 * Rows 11, 12, 14 and 16 of docs/faults.md: full disks, limits of this process, through the
 * built program. Small file systems are tmpfs in a mount namespace of their own.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, onTestFinished } from 'vitest';
import { isRoot } from '../kit/account.js';
import { test } from '../kit/base.js';
import { randomBytes, readTree } from '../kit/files/tree.js';
import { openScene, type Scene } from '../kit/scene.js';
import { type Sshd, startSshd } from '../kit/servers/sshd.js';

const MiB = 1024 * 1024;
const old = { 'big.bin': 'old', 'small.txt': 'small' };

/** A command that mounts a tmpfs of 4 MiB on a folder with what the folder holds, then runs what follows, then copies it to FOLDER.after. */
function onSmallDisk(folder: string): readonly string[] {
  const script = [
    `cp -a '${folder}' '${folder}.before' 2>/dev/null`,
    `mount -t tmpfs -o size=4m none '${folder}'`,
    `cp -a '${folder}.before/.' '${folder}'`,
    '"$0" "$@"; code=$?',
    `cp -a '${folder}' '${folder}.after'`,
    'exit $code',
  ].join('; ');
  return ['unshare', isRoot ? '-m' : '-Urm', 'sh', '-c', script];
}

/** Runs the job by this command. */
async function runBy(scene: Scene, wrap: readonly string[], ...flags: string[]) {
  const result = await scene.cli(['run', 'job', '--json', ...flags], { wrap });
  return { ...result, report: result.events.at(-1) };
}

describe('row 11: the remote disk is full', () => {
  const listing = (server: Sshd, place: string) =>
    execFileSync(
      'sftp',
      [
        ...['-q', '-i', server.keyFile, '-P', String(server.port)],
        ...['-o', `UserKnownHostsFile=${server.knownHostsFile}`, '-b', '-'],
        `${server.username}@127.0.0.1`,
      ],
      { input: `ls -la ${place}\n`, encoding: 'utf8' },
    );

  test('3, in words; the old file is whole, nothing is left, nothing deleted', async () => {
    const server = await startSshd({
      wrap: (root) => [
        ...['unshare', '-cm', '--keep-caps', 'sh', '-c'],
        `mount -t tmpfs -o size=4m none '${root}' && exec "$0" "$@"`,
      ],
    });
    onTestFinished(() => server.stop());
    const scene = await openScene(server);
    scene.writeHere(old);
    await scene.jobs({ delete: false });
    expect((await scene.run()).code).toBe(0);
    scene.writeHere({ 'big.bin': randomBytes(8 * MiB), 'z.txt': 'z' });
    const { code, report } = await scene.run();
    expect(code).toBe(3);
    expect(report.failures).toEqual([
      expect.objectContaining({
        path: 'big.bin',
        kind: 'io',
        message: expect.stringContaining('no space left on the server'),
      }),
    ]);
    const left = listing(server, scene.place);
    expect(left).toMatch(/ 3 .*big\.bin$/m);
    expect(left).toMatch(/ 1 .*z\.txt$/m);
    expect(left.trim().split('\n')).toHaveLength(6);
  });
});

describe('row 12: the local disk is full', () => {
  test('under the data: 3, in words; the old file is whole, nothing is left', async ({ scene }) => {
    scene.writeHere(old);
    scene.writeThere({ ...old, 'big.bin': randomBytes(8 * MiB), 'z.txt': 'z' });
    await scene.jobs({ operation: 'pull', from: `archive:${scene.place}`, to: './data' });
    const { code, report } = await runBy(scene, onSmallDisk(scene.here()));
    expect(code).toBe(3);
    expect(report?.failures).toEqual([
      expect.objectContaining({
        path: 'big.bin',
        kind: 'io',
        message: expect.stringContaining('no space left on this machine'),
      }),
    ]);
    expect(readTree(`${scene.here()}.after`)).toEqual({ ...old, 'z.txt': 'z' });
  });

  test('under the state folder: in words, and the next run succeeds', async ({ scene }) => {
    scene.writeHere(old);
    await scene.jobs();
    expect((await scene.run()).code).toBe(0);
    const state = join(scene.cwd, '.state');
    const [command = '', ...rest] = onSmallDisk(state);
    const fill = rest.map((word) =>
      word.replace('"$0" "$@";', `head -c 9m /dev/zero >'${state}/fill' 2>/dev/null; "$0" "$@";`),
    );
    scene.writeHere({ ...old, 'z.txt': 'z' });
    const full = await runBy(scene, [command, ...fill]);
    expect([0, 2, 3]).toContain(full.code);
    expect(full.stderr + full.stdout).toMatch(/ENOSPC|no space left/i);
    expect((await scene.run()).code).toBe(0);
    expect(readTree(scene.there())).toEqual({ ...old, 'z.txt': 'z' });
  });
});

describe('row 14: a file exceeds the largest size allowed', () => {
  test('3, in words; the old file is whole, nothing is left', async ({ scene }) => {
    scene.writeHere(old);
    scene.writeThere({ ...old, 'big.bin': randomBytes(8 * MiB), 'z.txt': 'z' });
    await scene.jobs({ operation: 'pull', from: `archive:${scene.place}`, to: './data' });
    const limited = ['prlimit', `--fsize=${4 * MiB}`];
    const { code, report } = await runBy(scene, limited);
    expect(code).toBe(3);
    expect(report?.failures).toEqual([
      expect.objectContaining({
        path: 'big.bin',
        kind: 'io',
        message: expect.stringContaining('too large for this file system or limit'),
      }),
    ]);
    expect(readTree(scene.here())).toEqual({ ...old, 'z.txt': 'z' });
  });
});

describe('row 16: this process may open few files', () => {
  const many = Object.fromEntries(
    Array.from({ length: 300 }, (_, i) => [`f${i % 20}/${i}`, `content ${i}`]),
  );

  test.for(['push', 'pull'])(
    '%s: slower, or 3; nothing is deleted',
    async (operation, { scene }) => {
      if (operation === 'push') {
        scene.writeHere(many);
        await scene.jobs({ operation });
      } else {
        scene.writeThere(many);
        await scene.jobs({ operation, from: `archive:${scene.place}`, to: './data' });
      }
      // with the first limit not even the program's own files can be loaded
      for (const limit of [64, 256]) {
        const { code, report, stderr } = await runBy(scene, ['prlimit', `--nofile=${limit}`]);
        expect([0, 3], stderr).toContain(code);
        expect(report?.files?.deleted ?? 0).toBe(0);
      }
      expect((await scene.run()).code).toBe(0);
      expect(readTree(operation === 'push' ? scene.there() : scene.here())).toEqual(many);
    },
  );
});
