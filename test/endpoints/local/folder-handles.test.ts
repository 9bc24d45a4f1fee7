/** Folders in hand: reached through no link, opened anew when something else has their name, closed in the end. */
import {
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openSide } from '../../../src/endpoints/open.js';
import { SessionPool } from '../../../src/endpoints/sftp/pool.js';
import type { Side } from '../../../src/endpoints/side.js';
import { temporaryFolder } from '../../kit/files/temporary.js';
import { readTree } from '../../kit/files/tree.js';

const { signal } = new AbortController();
let root: string;
let side: Side;

const open = (path: string, role: 'from' | 'to' = 'to') =>
  openSide({ remote: undefined, path, label: './root' }, role, new SessionPool(), signal);
const write = async (path: string, words: string) => {
  const handle = await side.endpoint.open(path, 'create', 0o644, signal);
  await handle.finish({ data: Buffer.from(words), attributes: {}, sync: false }, signal);
};
/** Open files and folders of this process that are in or below a folder. */
const openBelow = (folder: string) =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkOf(fd).startsWith(folder);
    } catch {
      return false;
    }
  }).length;
const readlinkOf = (fd: string) => readlinkSync(`/proc/self/fd/${fd}`);

beforeEach(async () => {
  root = join(await temporaryFolder(), 'root');
  mkdirSync(root);
  side = await open(root);
});
afterEach(() => side.endpoint.close());

test('a link on the way to a path is an error of every call, and not a missing entry', async () => {
  const outside = await temporaryFolder();
  writeFileSync(join(outside, 'f'), 'outside');
  mkdirSync(join(outside, 'sub'));
  symlinkSync(outside, join(root, 'd'));
  const { endpoint } = side;
  const calls = [
    () => endpoint.list('d', signal),
    () => endpoint.list('d/sub', signal),
    () => endpoint.stat('d/f', signal),
    () => endpoint.stat('d/sub/none', signal),
    () => endpoint.open('d/f', 'read', 0, signal),
    () => endpoint.open('d/new', 'create', 0o644, signal),
    () => endpoint.readWhole('d/f', Buffer.alloc(9), signal),
    () => endpoint.mkdir('d/m', 0o755, signal),
    () => endpoint.rename('d/f', 'g', true, signal),
    () => endpoint.link('d/f', 'g', signal),
    () => endpoint.setStat('d/f', { mode: 0o600, mtime: 1 }, signal),
    () => endpoint.remove('d/f', signal),
    () => endpoint.rmdir('d/sub', signal),
    () => endpoint.readlink('d/f', signal),
    () => endpoint.symlink('x', 'd/l', signal),
  ];
  for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'ELOOP' });
  expect(readTree(outside)).toEqual({ f: 'outside', 'sub/': null });
});

test('attributes are not set through a link', async () => {
  const outside = join(await temporaryFolder(), 'f');
  writeFileSync(outside, 'outside');
  symlinkSync(outside, join(root, 'l'));
  const setting = side.endpoint.setStat('l', { mode: 0o600, mtime: 1 }, signal);
  await expect(setting).rejects.toMatchObject({ code: 'ELOOP' });
});

test('a folder that was renamed or removed through the side is not written to by its old name', async () => {
  mkdirSync(join(root, 'd/e'), { recursive: true });
  await write('d/e/one', '1');
  await side.endpoint.rename('d', 'old', false, signal);
  await side.endpoint.mkdir('d', 0o755, signal);
  await side.endpoint.mkdir('d/e', 0o755, signal);
  await write('d/e/two', '2');
  await side.endpoint.remove('d/e/two', signal);
  await side.endpoint.rmdir('d/e', signal);
  await side.endpoint.mkdir('d/e', 0o755, signal);
  await write('d/e/three', '3');
  expect(readTree(root)).toEqual({ 'old/e/one': '1', 'd/e/three': '3' });
});

test('a folder that somebody else replaced is found by the next files', async () => {
  mkdirSync(join(root, 'd'));
  await write('d/one', '1');
  renameSync(join(root, 'd'), join(root, 'old'));
  mkdirSync(join(root, 'd'));
  for (let n = 0; readdirSync(join(root, 'd')).length === 0; n++) {
    await write(`d/n${n}`, 'n');
    await new Promise((later) => setTimeout(later, 5));
  }
});

test('of many folders only some are held open, and none after the end', async () => {
  for (let i = 0; i < 600; i++) {
    mkdirSync(join(root, `d${i}`));
    await write(`d${i}/f`, 'f');
  }
  expect(openBelow(root)).toBeLessThanOrEqual(257);
  expect(Object.keys(readTree(root))).toHaveLength(600);
  await side.endpoint.close();
  expect(openBelow(root)).toBe(0);
});

test('a destination that does not exist yet is made in the folder that was found, whatever has its name now', async () => {
  const above = await temporaryFolder();
  const outside = await temporaryFolder();
  mkdirSync(join(above, 'in'));
  const missing = await open(join(above, 'in/to'));
  renameSync(join(above, 'in'), join(above, 'was'));
  symlinkSync(outside, join(above, 'in'));
  expect(await missing.endpoint.stat('', signal)).toBeUndefined();
  await missing.makeRoot(signal);
  await missing.endpoint.mkdir('d', 0o755, signal);
  await missing.endpoint.close();
  expect([readTree(join(above, 'was')), readTree(outside)]).toEqual([{ 'to/d/': null }, {}]);
  expect(openBelow(above)).toBe(0);
});

test('a file moves to another side through both sides’ folders', async () => {
  const other = await open(await temporaryFolder());
  mkdirSync(join(root, 'd'));
  await write('d/f', 'f');
  await side.moveTo(other, 'd/f', 'g', signal, () => true);
  expect([readTree(root), readTree(other.endpoint.root)]).toEqual([{ 'd/': null }, { g: 'f' }]);
  await other.endpoint.close();
  rmdirSync(join(root, 'd'));
});
