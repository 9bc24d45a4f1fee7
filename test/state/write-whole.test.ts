import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeWhole } from '../../src/state/write-whole.js';
import { builtModule } from '../kit/built.js';
import { temporaryFolder } from '../kit/files/temporary.js';

const built = await builtModule('state/write-whole.ts');

test('replaces a file and leaves nothing else, for its owner only', async () => {
  const folder = join(await temporaryFolder(), 'new/deep');
  const file = join(folder, 'file.json');
  await writeWhole(file, 'one');
  chmodSync(file, 0o644);
  await writeWhole(file, 'two');
  expect(readFileSync(file, 'utf8')).toBe('two');
  expect(readdirSync(folder)).toEqual(['file.json']);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
});

test('of many calls at once, in two processes, each writes its own whole', async () => {
  const folder = await temporaryFolder();
  const file = join(folder, 'file');
  const texts = ['a', 'b'].map((letter) => letter.repeat(300_000));
  const script = `
    const { writeWhole } = await import(${JSON.stringify(built)});
    const write = () => writeWhole(${JSON.stringify(file)}, 'b'.repeat(300_000));
    for (let i = 0; i < 20; i++) await Promise.all([write(), write(), write()]);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  let isRunning = true;
  const ended = once(child, 'exit').finally(() => {
    isRunning = false;
  });
  const write = () => writeWhole(file, texts[0] ?? '');
  const seen = new Set<string>();
  while (isRunning) {
    await Promise.all([write(), write(), write()]);
    seen.add(readFileSync(file, 'utf8'));
  }
  expect((await ended)[0]).toBe(0);
  expect([...seen].filter((text) => !texts.includes(text))).toEqual([]);
  expect(readdirSync(folder)).toEqual(['file']);
});

test('a write that fails rejects, leaves the file as it was and no temporary one', async () => {
  const folder = await temporaryFolder();
  mkdirSync(join(folder, 'file'));
  await expect(writeWhole(join(folder, 'file'), 'text')).rejects.toMatchObject({ code: 'EISDIR' });
  expect(readdirSync(folder)).toEqual(['file']);
});

test('what a killed write left is removed a day later, and nothing else is', async () => {
  const folder = await temporaryFolder();
  const old = new Date(Date.now() - 25 * 60 * 60 * 1000);
  const left = '.0123456789abcdef.new';
  const others = ['.fedcba9876543210.new', 'old.json', '.control.new', '.note.new', 'x.new'];
  for (const name of [left, ...others]) {
    writeFileSync(join(folder, name), '');
    if (name !== others[0]) utimesSync(join(folder, name), old, old);
  }
  await writeWhole(join(folder, 'file'), 'text');
  expect(readdirSync(folder).sort()).toEqual([...others, 'file'].sort());
});
