/** Row 52 of the faults, through the built CLI: servers whose permissions mean nothing. */
import { lstatSync } from 'node:fs';
import { expect } from 'vitest';
import { hostileTest as test } from '../kit/base.js';
import { says } from '../kit/servers/odd-attributes.js';

const modeOf = (path: string) => lstatSync(path).mode & 0o7777;
const isFolder = (mode: number) => (mode & 0o170000) === 0o040000;

test.for([
  ['none', 'pull', () => ({ mode: undefined })],
  ['none', 'mirror', () => ({ mode: undefined })],
  ['zero', 'pull', ({ mode = 0 }) => ({ mode: mode & 0o170000 })],
  ['zero, and no type', 'mirror', () => ({ mode: 0 })],
  [
    '0666 for folders',
    'pull',
    ({ mode = 0 }) => ({ mode: isFolder(mode) ? 0o040666 : 0o100640 }),
    0o640,
  ],
] as const)(
  'the server sends permissions %s: a %s takes them from the umask, and the next run changes nothing',
  async ([_name, operation, change, own], { scene, hostile }) => {
    const file = own ?? 0o666 & ~process.umask();
    hostile.behave = says(change);
    scene.writeThere({ a: 'a', 'sub/b': 'b' });
    await scene.jobs({ operation, from: `archive:${scene.place}`, to: './back' });
    const first = await scene.run();
    expect([first.code, first.report.files.copied], first.stderr).toEqual([0, 2]);
    const back = (path: string) => `${scene.cwd}/back/${path}`;
    expect([modeOf(back('a')), modeOf(back('sub/b'))]).toEqual([file, file]);
    expect(modeOf(back('sub'))).toBe(0o777 & ~process.umask());

    scene.writeThere({ 'sub/c': 'later' });
    const second = await scene.run();
    expect([second.code, second.report.files.copied], second.stderr).toEqual([0, 1]);
    const third = await scene.run();
    expect([third.code, third.report.files.copied]).toEqual([0, 0]);
  },
);
