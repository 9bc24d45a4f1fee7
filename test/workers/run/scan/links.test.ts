/** How a link at the source is handled, and that none leads out of it. */
import { describe, expect, test } from 'vitest';
import { resolveLink, within } from '../../../../src/workers/run/scan/links.js';
import { memoryEndpoint } from '../../../kit/servers/memory.js';

const { signal } = new AbortController();

describe('within', () => {
  test.each<[folder: string, target: string, path: string | undefined]>([
    ['', 'a', 'a'],
    ['d/e', 'a', 'd/e/a'],
    ['d/e', './/a/.', 'd/e/a'],
    ['d/e', '../a', 'd/a'],
    ['d/e', '../..', ''],
    ['d/e', '../../..', undefined],
    ['d/e', '../../../d/e/a', undefined],
    ['', '..', undefined],
    ['', 'a/../../b', undefined],
    ['', '/a', undefined],
    ['', 'a\0b', undefined],
    ['', '..a', '..a'],
  ])('from "%s", "%s" is %s', (folder, target, path) => {
    expect(within(folder, target)).toBe(path);
  });
});

const tree = {
  'd/file': 'four',
  'd/inner': { link: 'file' },
  'd/up': { link: '..' },
  'd/loop': { link: 'loop' },
  'd/out': { link: '../../secret' },
  'd/absolute': { link: '/d/file' },
  'd/none': { link: 'gone' },
  'd/below': { link: 'file/x' },
  'd/other': { link: '../e' },
  'd/through': { link: '../short/file' },
  'd/chained': { link: 'inner' },
  'd/hidden': { link: 'other-out/x' },
  'd/other-out': { link: '../../outside' },
  'e/f/file': 'x',
  'e/two': 'yy',
  short: { link: 'e/f' },
  'd/dots': { link: '../short/../two' },
  'd/escapes': { link: '../top/../d/file' },
  top: { link: 'd/up' },
  'd/gone-up': { link: '../short/none/../../../../x/y' },
};

async function resolved(name: string, policy: 'follow' | 'preserve', trail = ['', 'd']) {
  const side = memoryEndpoint({ tree });
  const link = { name, kind: 'link', size: 1, mtime: 1, mode: 0o777 } as const;
  const entry = await resolveLink(side, 'd', link, policy, trail, signal);
  return (
    entry.skipReason ??
    (entry.target === undefined ? `${entry.kind} ${entry.from}` : `-> ${entry.target}`)
  );
}
const outside = 'the link leads outside the source, or is absolute';
const nowhere = 'the link leads nowhere, or outside the source';
const back = 'the link leads back to a folder it is in';

describe('follow', () => {
  test.each([
    ['inner', 'file d/file'],
    ['chained', 'file d/file'],
    ['through', 'file e/f/file'],
    ['other', 'folder e'],
    // two dots go up from the target of the link before them, as the system does it
    ['dots', 'file e/two'],
    ['out', outside],
    ['absolute', outside],
    ['hidden', nowhere],
    ['escapes', nowhere],
    ['none', nowhere],
    ['below', nowhere],
    ['loop', nowhere],
    ['up', back],
  ])('%s: %s', async (name, what) => {
    expect(await resolved(name, 'follow')).toBe(what);
  });

  test('a folder that is not above the link is entered', async () => {
    expect(await resolved('other', 'follow', ['', 'd', 'x'])).toBe('folder e');
    expect(await resolved('other', 'follow', ['', 'e', 'd'])).toBe(back);
  });

  test('the entry has the link’s name and its target’s size', async () => {
    const side = memoryEndpoint({ tree });
    const link = { name: 'inner', kind: 'link', size: 1, mtime: 1, mode: 0o777 } as const;
    expect(await resolveLink(side, 'd', link, 'follow', [''], signal)).toMatchObject({
      ...{ name: 'inner', kind: 'file', size: 4, from: 'd/file' },
    });
  });
});

describe('preserve', () => {
  test.each([
    ['inner', '-> file'],
    ['up', '-> ..'],
    ['none', '-> gone'],
    ['loop', '-> loop'],
    ['below', '-> file/x'],
    ['dots', '-> ../short/../two'],
    ['out', outside],
    ['absolute', outside],
    // inside by their text, outside through the links in it
    ['escapes', outside],
    ['hidden', outside],
    ['gone-up', outside],
  ])('%s: %s', async (name, what) => {
    expect(await resolved(name, 'preserve')).toBe(what);
  });
});
