/** The files of a configuration: their encoding, and that they are watched from before they were read. */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { looksOf, readSecretFile, readTexts, watchTexts } from '../../src/cli/config-texts.js';
import { temporaryFolder } from '../kit/files/temporary.js';

test('a file that came after they were read, and before the watch began, is a change', async () => {
  const folder = await temporaryFolder();
  const file = join(folder, 'jobs.yml');
  writeFileSync(file, 'jobs: {}\n');
  const seen = await looksOf(file);
  expect((await readTexts(file)).more).toEqual([]);
  mkdirSync(join(folder, 'jobs.d'));
  writeFileSync(join(folder, 'jobs.d/a.yml'), 'jobs: {}\n');
  await new Promise<void>((changed) => {
    const end = watchTexts(file, seen, () => {
      end();
      changed();
    });
  });
  expect(await looksOf(file)).not.toBe(seen);
});

test('a file that is being written is taken once it is complete', async () => {
  const file = join(await temporaryFolder(), 'jobs.yml');
  writeFileSync(file, 'jobs: {}\n');
  const seen = await looksOf(file);
  writeFileSync(file, '');
  const texts: string[] = [];
  let lines = 0;
  await new Promise<void>((changed) => {
    const writing = setInterval(() => {
      appendFileSync(file, `# ${++lines}\n`);
      if (lines === 30) clearInterval(writing);
    }, 20);
    const end = watchTexts(file, seen, () => {
      texts.push(readFileSync(file, 'utf8'));
      end();
      changed();
    });
  });
  expect(texts.join()).toContain('# 30\n');
});

const text = 'jobs: {} # Café\n';
const utf16 = Buffer.from(text, 'utf16le');

test.each([
  ['UTF-8', Buffer.from(text)],
  ['UTF-8 with its mark', Buffer.from(`\ufeff${text}`)],
])('%s is read', async (_, bytes) => {
  const file = join(await temporaryFolder(), 'jobs.yml');
  writeFileSync(file, bytes);
  expect((await readTexts(file)).text).toBe(text);
  expect(readSecretFile(file)).toBe(text);
});

test.each([
  ['LATIN1', Buffer.from(`a: b\n${text}`, 'latin1'), 'line 2'],
  ['UTF-16LE', utf16, 'UTF-16'],
  ['UTF-16LE', Buffer.concat([Buffer.from([0xff, 0xfe]), utf16]), 'UTF-16'],
  ['UTF-16BE', Buffer.from(utf16).swap16(), 'UTF-16'],
  ['UTF-16BE', Buffer.concat([Buffer.from([0xfe, 0xff]), Buffer.from(utf16).swap16()]), 'UTF-16'],
])(
  '%s is refused, with the command that converts it, here and in jobs.d',
  async (name, bytes, words) => {
    const folder = await temporaryFolder();
    const file = join(folder, 'jobs.yml');
    const refused = {
      kind: 'config',
      message: expect.stringMatching(`is not UTF-8.*${words}`),
      hint: expect.stringContaining(`iconv -f ${name} `),
    };
    writeFileSync(file, bytes);
    await expect(readTexts(file)).rejects.toMatchObject(refused);
    expect(() => readSecretFile(file)).toThrow();
    writeFileSync(file, text);
    mkdirSync(join(folder, 'jobs.d'));
    writeFileSync(join(folder, 'jobs.d/a.yml'), bytes);
    await expect(readTexts(file)).rejects.toMatchObject(refused);
  },
);
