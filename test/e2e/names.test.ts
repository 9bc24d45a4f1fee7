/** Names that break programs, in both directions; and trees that are deep, wide or large. */
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { giveTo, serverAccount } from '../kit/account.js';
import { test } from '../kit/base.js';
import { odd } from '../kit/files/hostile-names.js';
import { randomBytes, readTree, sameTree } from '../kit/files/tree.js';
import type { Sshd } from '../kit/servers/sshd.js';

const isUtf8 = (name: Buffer) => Buffer.from(name.toString('utf8')).equals(name);
const lawful = odd.map((name) => Buffer.from(name));
/** Names that are valid text; two that are equal after NFC belong to another test. */
const text = lawful.filter((name) => isUtf8(name) && name.toString() !== 'e\u0301');
const broken = lawful.filter((name) => !isUtf8(name));
const at = (folder: string, name: Buffer) => Buffer.concat([Buffer.from(`${folder}/`), name]);

function writeNames(sshd: Sshd, folder: string, names: readonly Buffer[]): void {
  mkdirSync(folder, { recursive: true });
  for (const name of names) writeFileSync(at(folder, name), 'x');
  if (folder.startsWith(sshd.root)) giveTo(serverAccount(), folder);
}

const namesIn = (folder: string) =>
  readdirSync(folder, { encoding: 'buffer' })
    .map((name) => name.toString('latin1'))
    .filter((name) => name !== '.ferryline')
    .sort();
const asLatin1 = (names: readonly Buffer[]) => names.map((name) => name.toString('latin1')).sort();

describe('odd names', () => {
  test('go up byte for byte, are shown escaped on one line each, and are found equal', async ({
    sshd,
    scene,
  }) => {
    writeNames(sshd, scene.here(), text);
    const { code, stderr } = await scene.cli(['run', 'job', '-v']);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(namesIn(scene.there())).toEqual(asLatin1(text));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not reach a terminal
    expect(stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202e]/);
    const lines = stderr.split('\n').filter((line) => line.startsWith('copy '));
    expect(lines).toHaveLength(text.length);
    expect(lines).toContain('copy      x\\ny  (1 B)');
    expect(lines).toContain('copy      x\\x1b[31mred  (1 B)');
    expect((await scene.run()).report.files).toMatchObject({ copied: 0, unchanged: text.length });
  });

  test('come down byte for byte', async ({ sshd, scene }) => {
    writeNames(sshd, scene.there(), text);
    await scene.jobs({ operation: 'pull', from: `archive:${scene.place}`, to: './data' });
    const { code, events } = await scene.run();
    expect(code).toBe(0);
    expect(namesIn(scene.here())).toEqual(asLatin1(text));
    // in JSON they are unescaped
    const paths = events.filter(({ event }) => event === 'file').map(({ path }) => path);
    expect(paths.sort()).toEqual(text.map(String).sort());
  });

  test('are deleted by a mirror, and only they', async ({ sshd, scene }) => {
    writeNames(sshd, scene.there(), text);
    writeNames(sshd, scene.here(), text.slice(0, 1));
    scene.mirrored();
    await scene.jobs({ delete: { max: '100%' } });
    const { code, report } = await scene.run();
    expect(code).toBe(0);
    expect(report.files.deleted).toBe(text.length - 1);
    expect(namesIn(scene.there())).toEqual(asLatin1(text.slice(0, 1)));
  });

  test.for(['up', 'down'])(
    'that are not UTF-8 are reported and not copied, going %s: 3',
    async (way, { sshd, scene }) => {
      const folder = way === 'up' ? scene.here() : scene.there();
      writeNames(sshd, folder, [...broken, Buffer.from('fine')]);
      if (way === 'down')
        await scene.jobs({ operation: 'pull', from: `archive:${scene.place}`, to: './data' });
      const { code, report, stderr } = await scene.run();
      expect(code).toBe(3);
      expect(report.files).toMatchObject({ copied: 1, failed: broken.length });
      for (const { kind, message } of report.failures) {
        expect(kind).toBe('io');
        expect(message).toContain('UTF-8');
      }
      expect(stderr.match(/failed {2}/g)).toHaveLength(broken.length);
      expect(namesIn(way === 'up' ? scene.there() : scene.here())).toEqual(['fine']);
    },
  );

  test('that are not UTF-8 at the destination withhold the deletions, and stay', async ({
    sshd,
    scene,
  }) => {
    writeNames(sshd, scene.there(), [...broken, Buffer.from('gone')]);
    scene.writeHere({ fine: 'x' });
    const { code, report } = await scene.run('--max-delete', '100%');
    expect(code).toBe(3);
    expect(report.files.deleted).toBe(0);
    expect(namesIn(scene.there())).toEqual(
      asLatin1([...broken, Buffer.from('gone'), Buffer.from('fine')]),
    );
  });

  test('two that are equal after NFC collide: 3, and neither is overwritten', async ({ scene }) => {
    scene.writeHere({ 'e\u0301.txt': 'decomposed', '\u00e9.txt': 'composed', fine: '' });
    const { code, report } = await scene.run();
    expect(code).toBe(3);
    expect(report.failures.map(({ kind }: { kind: string }) => kind)).toEqual([
      'conflict',
      'conflict',
    ]);
    expect(readTree(scene.there())).toEqual({ fine: '' });
  });
});

describe('sizes and shapes', () => {
  test('a path of more than 300 bytes', async ({ scene }) => {
    const folder = Array.from({ length: 12 }, (_, i) => `folder-${i}-`.padEnd(40, 'x')).join('/');
    scene.writeHere({ [`${folder}/${'n'.repeat(250)}`]: 'deep', [`${folder}/e/`]: null });
    expect((await scene.run()).code).toBe(0);
    expect(sameTree(scene.here(), scene.there())).toBe(true);
    expect((await scene.run()).report.files).toMatchObject({ copied: 0, unchanged: 1 });
  });

  test('2,000 files, some of them empty, both ways over one login each', async ({
    sshd,
    scene,
  }) => {
    const tree = Object.fromEntries(
      Array.from({ length: 2_000 }, (_, i) => [
        `d${i % 20}/f${i}`,
        i % 10 === 0 ? '' : Buffer.alloc(i % 3_000, i),
      ]),
    );
    scene.writeHere(tree);
    const before = sshd.logins();
    const up = await scene.run();
    expect(up.report).toMatchObject({ exitCode: 0, files: { copied: 2_000 }, sessions: 1 });
    expect(sameTree(scene.here(), scene.there())).toBe(true);
    await scene.jobs({ from: `archive:${scene.place}`, to: './back' });
    const down = await scene.run();
    expect(down.report).toMatchObject({ exitCode: 0, files: { copied: 2_000 }, sessions: 1 });
    expect(sameTree(scene.here(), `${scene.cwd}/back`)).toBe(true);
    expect(sshd.logins() - before).toBe(2);
    expect((await scene.run()).report.files).toMatchObject({ copied: 0, unchanged: 2_000 });
  });

  test('a file of 60 MiB both ways, and files around the size of one request', async ({
    scene,
  }) => {
    const around = [0, 1, 32_767, 32_768, 32_769, 261_119, 261_120, 261_121, 522_240];
    scene.writeHere(
      Object.fromEntries(around.map((size) => [`size-${size}`, randomBytes(size, size + 1)])),
    );
    scene.writeHere({ big: randomBytes(60 * 1024 * 1024, 60) });
    expect((await scene.run()).code).toBe(0);
    expect(statSync(scene.there('big')).size).toBe(60 * 1024 * 1024);
    expect(sameTree(scene.here(), scene.there())).toBe(true);
    await scene.jobs({ operation: 'pull', from: `archive:${scene.place}`, to: './back' });
    expect((await scene.run()).code).toBe(0);
    expect(sameTree(scene.there(), `${scene.cwd}/back`)).toBe(true);
  });
});
