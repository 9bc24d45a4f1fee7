/** Row 53 of docs/faults.md, through the built CLI: sides to which names are one that are equal but for case or Unicode form. */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { markPath } from '../../src/workers/run/remembered/first-contact.js';
import { hostileTest as test } from '../kit/base.js';
import type { JsonEvent } from '../kit/daemons/cli.js';
import { mountRclone } from '../kit/files/rclone-mount.js';
import { readTree, writeTree } from '../kit/files/tree.js';
import type { Scene } from '../kit/scene.js';
import { ignoresCase, storesNfd } from '../kit/servers/odd-names.js';

const then = 1_600_000_000;
const everything = { delete: { max: '100%' } };
const failedPaths = (report: JsonEvent) =>
  report.failures.map(({ path, kind }: JsonEvent) => `${kind} ${path}`).sort();
const files = ({ files }: JsonEvent) => [files.copied, files.attrs, files.deleted, files.failed];

/** A folder's names, of which the second run changes none, a change of case one, and two that differ in case alone none. */
async function behavesWell(scene: Scene, source: string, target: string): Promise<void> {
  writeTree(source, { 'README.txt': 'one', 'Docs/Page': 'page', other: 'o' }, { mtime: then });
  expect(files((await scene.run()).report)).toEqual([3, 0, 0, 0]);
  expect(files((await scene.run()).report)).toEqual([0, 0, 0, 0]);
  renameSync(join(source, 'README.txt'), join(source, 'Readme.txt'));
  renameSync(join(source, 'Docs'), join(source, 'docs'));
  rmSync(join(source, 'other'));
  expect(files((await scene.run()).report)).toEqual([0, 1, 1, 0]);
  const tree = readTree(target);
  expect(tree['Readme.txt']).toBe('one');
  expect(Object.keys(tree).map((path) => path.toLowerCase())).toEqual(['docs/page', 'readme.txt']);
  writeTree(source, { Two: 'upper', two: 'lower', 'new/A': '1', 'new/a': '2' }, { mtime: then });
  rmSync(join(source, 'docs/Page'));
  const { code, report } = await scene.run();
  expect([code, ...files(report)]).toEqual([3, 0, 0, 0, 4]);
  expect(failedPaths(report)).toEqual(
    ['Two', 'new/A', 'new/a', 'two'].map((it) => `conflict ${it}`),
  );
  expect(readTree(target)).toEqual({ ...tree, 'new/': null });
}

describe('row 53: a side that ignores case', () => {
  test.for(['2026/11', 'letters'])(
    'a server, where the root is %s: the second run does nothing, no file is lost',
    async (root, { scene, hostile }) => {
      hostile.behave = ignoresCase(hostile.folder);
      await scene.jobs({ to: `archive:${root}`, ...everything });
      await behavesWell(scene, scene.here(), join(hostile.folder, root));
    },
  );

  test('a local folder', async ({ scene }) => {
    await mountRclone(scene.here());
    await scene.jobs({ from: `archive:${scene.place}`, to: './data', ...everything });
    scene.writeThere({});
    await behavesWell(scene, scene.there(), scene.here());
    await scene.jobs({
      ...{ operation: 'pull', from: `archive:${scene.place}`, to: './data', existing: 'skip' },
      exclude: ['[Tt]wo', 'new/'],
    });
    writeFileSync(scene.there('Fresh'), 'fresh');
    const { code, report } = await scene.run();
    expect(code).toBe(0);
    expect(report).toMatchObject({ files: { copied: 1 }, notGuaranteed: ['skip'] });
  });

  test('a new root with such names: 3, and its parent shows it; a dry run writes nothing', async ({
    scene,
    hostile,
  }) => {
    hostile.behave = ignoresCase(hostile.folder);
    scene.writeHere({ A: '1', a: '2', b: 'b' });
    await scene.jobs({ to: 'archive:5/6' });
    const dry = await scene.run('--dry-run');
    expect(hostile.requests.filter(({ type, flags }) => type === 'OPEN' && flags !== 1)).toEqual(
      [],
    );
    expect(dry.report.failures[0].message).toContain('only a run that can write there');
    for (const _ of [1, 2]) {
      const { code, report } = await scene.run();
      expect([code, failedPaths(report)]).toEqual([3, ['conflict A', 'conflict a']]);
    }
    expect(readTree(hostile.folder)).toEqual({ '5/6/b': 'b' });
    expect((await scene.cli(['explain', 'job', 'b'])).stdout).toContain(
      'ignores the case of names (shown by a file of ours',
    );
  });
});

test('row 53: a server that distinguishes case: found out once it matters, 0', async ({
  scene,
  hostile,
}) => {
  const written = () =>
    hostile.requests.filter(
      ({ type, flags, path }) => type === 'OPEN' && flags !== 1 && path.includes('.case.'),
    );
  scene.writeHere({ Readme: '1', 'd/x': 'x' }, { mtime: then });
  scene.writeThere({ README: 'gone', 'D/y': 'y' }, { mtime: then });
  scene.mirrored();
  await scene.jobs(everything);
  expect(files((await scene.run()).report)).toEqual([2, 0, 2, 0]);
  expect(written()).toHaveLength(0);
  scene.writeHere({ README: '2', 'n/A': '1', 'n/a': '2' }, { mtime: then });
  // a plan does not write to find out; what `apply` then finds out makes it another plan, which can be made anew
  const applied = async () => {
    await scene.cli(['plan', 'job', '--out', 'p']);
    return (await scene.cli(['apply', 'p'])).code;
  };
  expect([await applied(), await applied()]).toEqual([7, 0]);
  expect(written()).toHaveLength(2);
  expect(readTree(scene.there())).toEqual(readTree(scene.here()));
  expect(files((await scene.run()).report)).toEqual([0, 0, 0, 0]);
  expect((await scene.cli(['check', 'job'])).code).toBe(0);
  expect(written()).toHaveLength(2);
});

describe('row 53: a server that stores names in NFD', () => {
  const nfc = ['\u00e0', '\u00e8', '\u00ec', '\u00f2', '\u00fc/\u00e9'];

  test.for([false, true])(
    'trash: %s: the second run does nothing, nothing just copied is deleted',
    async (trash, { scene, hostile }) => {
      hostile.behave = storesNfd(hostile.folder);
      scene.writeHere(Object.fromEntries(nfc.map((name) => [name, name])), { mtime: then });
      await scene.jobs({ ...everything, trash });
      expect(files((await scene.run()).report)).toEqual([5, 0, 0, 0]);
      const stored = Object.keys(readTree(scene.there())).filter((it) => !it.includes('.ferry'));
      expect(stored.sort()).toEqual(nfc.map((name) => name.normalize('NFD')).sort());
      expect(files((await scene.run()).report)).toEqual([0, 0, 0, 0]);
      expect((await scene.cli(['check', 'job'])).code).toBe(0);
      writeFileSync(scene.here('\u00e0'), 'changed');
      rmSync(scene.here('\u00e8'));
      expect(files((await scene.run()).report)).toEqual([1, 0, 1, 0]);
      expect(readTree(scene.there())).toMatchObject({ 'a\u0300': 'changed' });
      scene.writeHere({ 'e\u0301': '1', '\u00e9': '2' });
      rmSync(scene.here('\u00ec'));
      const { code, report } = await scene.run();
      expect([code, ...files(report)]).toEqual([3, 0, 0, 0, 2]);
      expect(failedPaths(report)).toEqual(['conflict e\u0301', 'conflict \u00e9']);
    },
  );

  test('both forms on a server that keeps them apart: 3, nothing overwritten or deleted', async ({
    scene,
  }) => {
    scene.writeHere({ '\u00e9': 'nfc', b: 'b' });
    scene.writeThere({
      'e\u0301': 'nfd',
      gone: 'gone',
      [markPath({ name: 'job', to: { label: `archive:${scene.place}` } })]: '',
    });
    await scene.jobs(everything);
    const { code, report } = await scene.run();
    expect([code, ...files(report)]).toEqual([3, 1, 0, 0, 2]);
    expect(readTree(scene.there())).toEqual({ 'e\u0301': 'nfd', gone: 'gone', b: 'b' });
  });
});
