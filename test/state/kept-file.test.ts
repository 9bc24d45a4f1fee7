import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readKeptFile, writeKeptFile } from '../../src/state/kept-file.js';
import { temporaryFolder } from '../kit/files/temporary.js';

const isNumber = (value: unknown) => typeof value === 'number';

async function read(file: string) {
  const warnings: string[] = [];
  const values = await readKeptFile(file, isNumber, (message) => warnings.push(message));
  return { values: Object.fromEntries(values), warnings };
}

test('what is written is read; no file is an empty object', async () => {
  const file = join(await temporaryFolder(), 'kept.json');
  expect(await read(file)).toEqual({ values: {}, warnings: [] });
  await writeKeptFile(file, new Map([['a', 1]]));
  expect(await read(file)).toEqual({ values: { a: 1 }, warnings: [] });
});

test('of writes that overlap the last one holds, each with the values as of its turn', async () => {
  const file = join(await temporaryFolder(), 'kept.json');
  const values = new Map([['a', 1]]);
  const first = writeKeptFile(file, values);
  const second = writeKeptFile(file, values);
  values.set('a', 2);
  await Promise.all([first, second]);
  expect((await read(file)).values).toEqual({ a: 2 });
});

test('a write that failed does not keep the next one from its turn', async () => {
  const folder = join(await temporaryFolder(), 'in');
  const file = join(folder, 'kept.json');
  writeFileSync(folder, '');
  await expect(writeKeptFile(file, new Map())).rejects.toMatchObject({ code: 'ENOTDIR' });
  rmSync(folder);
  await writeKeptFile(file, new Map([['a', 1]]));
  expect((await read(file)).values).toEqual({ a: 1 });
});

test.each([
  ['text', 'no JSON', {}],
  ['a list', '[1]', {}],
  ['a value of another type', '{"a": 1, "b": "two"}', { a: 1 }],
])(
  'a file that holds %s is set aside with a warning, and the rest is used',
  async (_, text, rest) => {
    const folder = await temporaryFolder();
    const file = join(folder, 'kept.json');
    writeFileSync(file, text);
    const { values, warnings } = await read(file);
    expect(values).toEqual(rest);
    const [aside = ''] = readdirSync(folder);
    expect(aside).toMatch(/^kept\.json\.damaged-[\dTZ-]+$/);
    expect(readFileSync(join(folder, aside), 'utf8')).toBe(text);
    expect(warnings).toEqual([expect.stringContaining(`${file} is damaged (`)]);
    expect(warnings[0]).toContain(aside);
  },
);
