/** Compiled code that is kept is used when it is whole and ours; anything else costs time alone. */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { CodeCache } from '../../src/cli/code-cache.js';
import { ferryline } from '../kit/daemons/cli.js';
import { temporaryFolder } from '../kit/files/temporary.js';

const text = Buffer.from('exports.sum = (a, b) => a + b; exports.name = "one";');
let bundle: string;
let file: string;

beforeEach(async () => {
  const folder = await temporaryFolder();
  bundle = join(folder, 'bundle');
  file = join(folder, 'cache/ferryline/code');
  mkdirSync(bundle);
  writeFileSync(join(bundle, 'part.js'), text);
});

/** Runs the part as a new process would; true if kept code was used. */
function isUsed(from = text): boolean {
  const cache = new CodeCache(file, (name) => existsSync(join(bundle, name)));
  const script = cache.compile(join(bundle, 'part.js'), from);
  const exports: { sum?: (a: number, b: number) => number } = {};
  script.runInThisContext()(exports);
  expect(exports.sum?.(1, 2)).toBe(3);
  cache.save();
  return script.cachedDataRejected === false;
}

test('code is kept by the first command and used by the next, for its owner alone', () => {
  expect([isUsed(), isUsed(), isUsed()]).toEqual([false, true, true]);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(statSync(join(file, '..')).mode & 0o777).toBe(0o700);
  expect(readdirSync(join(file, '..'))).toEqual(['code']);
});

test('after three commands it is not written again', () => {
  for (let i = 0; i < 3; i++) isUsed();
  const { ino } = statSync(file);
  isUsed();
  expect(statSync(file).ino).toBe(ino);
});

test('code of another text of the same length is not used', () => {
  isUsed();
  expect(isUsed(Buffer.from(text.toString().replace('"one"', '"two"')))).toBe(false);
});

test('a file with any byte changed, or cut off anywhere, is not used or used rightly', () => {
  isUsed();
  const whole = readFileSync(file);
  const list = 8 + Number.parseInt(whole.subarray(0, 8).toString(), 16);
  let used = 0;
  for (let at = 0; at < whole.length; at += at < list ? 1 : 11) {
    const damaged = Buffer.from(whole);
    damaged.writeUInt8((damaged[at] ?? 0) ^ 0x15, at);
    writeFileSync(file, damaged);
    if (isUsed()) used++;
  }
  // the count of commands is the one thing in the list whose change does no harm
  expect(used).toBeLessThan(list / 20);
  for (let length = 0; length < whole.length; length += 31) {
    writeFileSync(file, whole.subarray(0, length));
    expect(isUsed()).toBe(false);
  }
});

test.each<[string, () => void]>([
  ['a file that others may write', () => chmodSync(file, 0o620)],
  ['a folder that others may write', () => chmodSync(join(file, '..'), 0o777)],
  ['a file of somebody else', () => chownSync(file, 1234, 1234)],
  ['a folder of somebody else', () => chownSync(join(file, '..'), 1234, 1234)],
  [
    'a link',
    () => {
      renameSync(file, `${file}.aside`);
      symlinkSync(`${file}.aside`, file);
    },
  ],
])('%s is not used', (_, change) => {
  isUsed();
  change();
  expect(isUsed()).toBe(false);
});

test('parts of an older bundle go, others stay', () => {
  isUsed();
  const cache = new CodeCache(file, (name) => existsSync(join(bundle, name)));
  for (const name of ['kept.js', 'gone.js']) {
    writeFileSync(join(bundle, name), text);
    cache.compile(join(bundle, name), text);
  }
  cache.save();
  renameSync(join(bundle, 'gone.js'), join(bundle, 'newer.js'));
  isUsed();
  const list = readFileSync(file, 'latin1');
  expect(list).toContain('kept.js');
  expect(list).not.toContain('gone.js');
});

test.each<[string, Readonly<Record<string, string>>]>([
  ['without a folder for the cache', { XDG_CACHE_HOME: '/proc/none' }],
  ['with a device in its place', { XDG_CACHE_HOME: '/dev/full' }],
  ['with the cache switched off', { NODE_DISABLE_COMPILE_CACHE: '1' }],
])('a command works %s', async (_, env) => {
  const cwd = await temporaryFolder();
  for (let i = 0; i < 2; i++) {
    const { code, stdout, stderr } = await ferryline(['--version'], { cwd, env });
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  }
});
