/** The plan of two trees under a job's rules, one row for each rule. Rows are meant to be read aloud. */
import { describe, expect, test } from 'vitest';
import { applyComparison } from '../../../src/jobs/plan/apply-comparison.js';
import { asPlain, NewFile } from '../../../src/jobs/plan/plan.js';
import { planFolder } from '../../../src/jobs/plan/plan-folder.js';
import {
  linesOf,
  planTrees,
  type Setting,
  type Sketch,
  setting,
  treeOf,
} from '../../kit/planning.js';

interface Row {
  readonly source?: Sketch;
  readonly destination?: Sketch;
  readonly when?: Parameters<typeof setting>[0];
  readonly again?: Setting['again'];
  readonly gives: readonly string[];
}
type Rows = Readonly<Record<string, Row>>;

const mirror = { operation: 'mirror' } as const;
const pull = { operation: 'pull' } as const;
const folding = { caseSensitive: false } as const;
const outside = 'the destination has a folder out of scope where the source has a file';

const rows: Readonly<Record<string, Rows>> = {
  'what differs is copied': {
    'a file that the destination lacks': { source: { a: '1 @5' }, gives: ['copy a (new)'] },
    'the same size and time: nothing': {
      ...{ source: { a: '1 @5' }, destination: { a: '1 @5' } },
      gives: [],
    },
    'another size': {
      ...{ source: { a: '2 @5' }, destination: { a: '1 @5' } },
      gives: ['copy a (size)'],
    },
    'a newer source': {
      ...{ source: { a: '1 @6' }, destination: { a: '1 @5' } },
      gives: ['copy a (newer)'],
    },
    'an older source, too: any difference copies': {
      ...{ source: { a: '1 @4' }, destination: { a: '1 @5' } },
      gives: ['copy a (older)'],
    },
    'a fraction of a second is no difference': {
      ...{ source: { a: '1 @5.9' }, destination: { a: '1 @5' } },
      gives: [],
    },
    'a difference in mode alone copies nothing': {
      ...{ source: { a: '1 @5 755' }, destination: { a: '1 @5 600' } },
      gives: [],
    },
    'existing: skip lets it stand': {
      ...{ source: { a: '2 @6', b: '1 @5' }, destination: { a: '1 @5' } },
      when: { existing: 'skip' },
      gives: ['copy b (new)'],
    },
    'existing: newer replaces only what is older': {
      source: { newer: '2 @6', older: '2 @4', same: '2 @5' },
      destination: { newer: '1 @5', older: '1 @5', same: '1 @5' },
      when: { existing: 'newer' },
      gives: ['copy newer (size)'],
    },
    'lists are sorted by path bytes': {
      source: {
        'b/x': '1 @5',
        a: '1 @5',
        B: '1 @5',
        é: '1 @5',
        'b.': '1 @5',
        '\u{1f600}': '1 @5',
        '\uff5e': '1 @5',
      },
      when: mirror,
      gives: [
        'mkdir b',
        ...['B', 'a', 'b.', 'b/x', 'é', '\uff5e', '\u{1f600}'].map((it) => `copy ${it} (new)`),
      ],
    },
  },
  'only a mirror deletes': {
    'push leaves what only the destination has': {
      destination: { 'd/a': '1 @5', e: 'folder' },
      gives: [],
    },
    'pull too': { destination: { a: '1 @5' }, when: pull, gives: [] },
    'a mirror deletes files first, then folders, innermost first': {
      destination: { 'd/e/a': '1 @5', 'd/b': '1 @5', z: '1 @5' },
      when: mirror,
      gives: ['delete d/b', 'delete d/e/a', 'delete z', 'delete d/e/', 'delete d/'],
    },
    'a special file at the destination is not ours to delete, nor is its folder': {
      ...{ destination: { 'd/p': 'fifo', 'd/a': '1 @5' }, when: mirror },
      gives: ['delete d/a'],
    },
    'nor is a link, unless links are preserved': {
      ...{ destination: { 'd/l': '-> x', 'd/a': '1 @5' }, when: mirror },
      gives: ['delete d/a'],
    },
    'with preserve it is': {
      destination: { 'd/l': '-> x' },
      when: { ...mirror, symlinks: 'preserve' },
      gives: ['delete d/l', 'delete d/'],
    },
  },
  folders: {
    'push makes a folder only for a file in it': {
      source: { 'a/b/x': '1 @5', 'a/empty': 'folder' },
      gives: ['mkdir a', 'mkdir a/b', 'copy a/b/x (new)'],
    },
    'so does pull': { source: { e: 'folder' }, when: pull, gives: [] },
    'a mirror makes empty ones': { source: { e: 'folder' }, when: mirror, gives: ['mkdir e'] },
    'and removes empty ones': { destination: { e: 'folder' }, when: mirror, gives: ['delete e/'] },
    'one that holds something out of scope stays, silently': {
      destination: { 'd/keep.log': '1 @5', 'd/e/a': '1 @5' },
      when: { ...mirror, exclude: ['*.log'] },
      gives: ['delete d/e/a', 'delete d/e/'],
    },
    'and so do the folders above it': {
      destination: { 'd/e/keep.log': '1 @5', 'd/a': '1 @5' },
      when: { ...mirror, exclude: ['*.log'] },
      gives: ['delete d/a'],
    },
    'one that only leads to something included is made when it is needed': {
      source: { 'a/b/x.txt': '1 @5', 'a/c/x.jpg': '1 @5', 'd/x.jpg': '1 @5' },
      when: { ...mirror, include: ['*.txt'] },
      gives: ['mkdir a', 'mkdir a/b', 'copy a/b/x.txt (new)'],
    },
    'and never removed': {
      destination: { 'a/x.txt': '1 @5' },
      when: { ...mirror, include: ['*.txt'] },
      gives: ['delete a/x.txt'],
    },
    'an included folder below one that is not': {
      ...{ source: { 'a/b': 'folder' }, when: { ...mirror, include: ['b/'] } },
      gives: ['mkdir a', 'mkdir a/b'],
    },
    'an unreadable one takes its subtree out of the plan': {
      ...{
        source: { 'a/x': '1 @5', d: 'unreadable' },
        destination: { 'd/y': '1 @5' },
        when: mirror,
      },
      gives: ['mkdir a', 'copy a/x (new)', 'fail d: unreadable'],
    },
    'at the destination, too': {
      ...{ destination: { 'd/e': 'unreadable', 'd/y': '1 @5' }, when: mirror },
      gives: ['delete d/y', 'fail d/e: unreadable'],
    },
  },
  'a file where the destination has a folder, or the reverse': {
    'push: a conflict': {
      ...{ source: { a: '1 @5', 'b/x': '1 @5' }, destination: { 'a/x': '1 @5', b: '1 @5' } },
      gives: [
        'conflict a: the destination has a folder where the source has a file',
        'conflict b: the destination has a file where the source has a folder',
      ],
    },
    'mirror: a deletion and a copy': {
      ...{ source: { a: '1 @5', 'b/x': '1 @5' }, destination: { 'a/x': '1 @5', b: '1 @5' } },
      when: mirror,
      gives: ['mkdir b', 'copy a (new)', 'copy b/x (new)', 'delete a/x', 'delete b', 'delete a/'],
    },
    'entries out of scope inside make it a conflict, and nothing there is touched': {
      ...{ source: { a: '1 @5' }, destination: { 'a/x.log': '1 @5', 'a/y': '1 @5' } },
      when: { ...mirror, exclude: ['*.log'] },
      gives: ['conflict a: the folder in its place holds entries that are kept'],
    },
    'an empty folder that is itself out of scope is not removed': {
      ...{ source: { cache: '1 @5' }, destination: { cache: 'folder' } },
      when: { ...mirror, exclude: ['cache/'] },
      gives: [`conflict cache: ${outside}`],
    },
    'a file too large to be in scope is not removed': {
      ...{
        source: { 'a/x': '1 @5' },
        destination: { a: '99 @5' },
        when: { ...mirror, maxSize: 9 },
      },
      gives: ['conflict a: the destination has a file out of scope where the source has a folder'],
    },
    'nor when a link is to take its place': {
      ...{ source: { a: '-> x' }, destination: { a: '99 @5' } },
      when: { ...mirror, maxSize: 9, symlinks: 'preserve' },
      gives: ['conflict a: the destination has a file out of scope where the source has a link'],
    },
    'a file that include does not take is not removed for a folder': {
      ...{ source: { 'a/x.txt': '1 @5' }, destination: { a: '1 @5' } },
      when: { ...mirror, include: ['*.txt'] },
      gives: ['conflict a: the destination has a file out of scope where the source has a folder'],
    },
    'a FIFO in the way is a conflict even in a mirror': {
      ...{ source: { a: '1 @5' }, destination: { a: 'fifo' }, when: mirror },
      gives: ['conflict a: the destination has a special where the source has a file'],
    },
  },
  links: {
    'skip leaves them out on both sides': {
      source: { l: '-> a', m: '-> a' },
      destination: { m: '1 @5', n: '-> z' },
      when: mirror,
      gives: ['skip link l: symlinks: skip', 'skip link m: symlinks: skip'],
    },
    'one in the way is a conflict': {
      ...{ source: { a: '1 @5', 'b/x': '1 @5' }, destination: { a: '-> z', b: '-> z' } },
      when: mirror,
      gives: [
        'conflict a: the destination has a link where the source has a file',
        'conflict b: the destination has a link where the source has a folder',
      ],
    },
    'follow copies what it leads to': {
      source: { 'd/x': '1 @5', l: '-> d', m: '-> d/x' },
      destination: { 'd/x': '1 @5' },
      when: { symlinks: 'follow' },
      gives: ['mkdir l', 'copy l/x (new) from d/x', 'copy m (new) from d/x'],
    },
    'follow passes over what leads outside, with the reason': {
      source: { l: '-> ! outside' },
      when: { symlinks: 'follow' },
      gives: ['skip link l: outside'],
    },
    'preserve makes the link itself, and a folder for it': {
      source: { 'd/l': '-> ../a' },
      when: { symlinks: 'preserve' },
      gives: ['mkdir d', 'link d/l -> ../a'],
    },
    'preserve passes over what leads outside': {
      source: { l: '-> ! outside' },
      destination: { l: '-> a' },
      when: { ...mirror, symlinks: 'preserve' },
      gives: ['skip link l: outside'],
    },
    'the same target: nothing; another: made again': {
      ...{ source: { l: '-> a', m: '-> a' }, destination: { l: '-> a', m: '-> b' } },
      when: { symlinks: 'preserve' },
      gives: ['link m -> a'],
    },
    'existing holds for links': {
      ...{ source: { m: '-> a' }, destination: { m: '-> b' } },
      when: { symlinks: 'preserve', existing: 'skip' },
      gives: [],
    },
    'push: a file where the destination has a link is a conflict': {
      ...{ source: { a: '1 @5' }, destination: { a: '-> z' }, when: { symlinks: 'preserve' } },
      gives: ['conflict a: the destination has a link where the source has a file'],
    },
    'a mirror with preserve replaces a link by a file or folder, and the reverse': {
      source: { a: '1 @5', b: 'folder', c: '-> a' },
      destination: { a: '-> z', b: '-> z', c: '1 @5' },
      when: { ...mirror, symlinks: 'preserve' },
      gives: ['mkdir b', 'copy a (new)', 'link c -> a', 'delete a', 'delete b', 'delete c'],
    },
  },
  'what cannot be carried over': {
    'a special file is skipped, and the destination’s entry of its name stays': {
      ...{ source: { p: 'fifo' }, destination: { p: '1 @5' }, when: mirror },
      gives: ['skip special p: a FIFO, socket or device'],
    },
    'a name that cannot be represented fails': {
      source: { 'b\ufffd': 'badly named' },
      gives: ["fail b\ufffd: its name is not valid UTF-8, so it can't be copied"],
    },
    'at the destination only a mirror minds': {
      destination: { 'b\ufffd': 'badly named' },
      gives: [],
    },
    'and it does not delete it': {
      destination: { 'd/b\ufffd': 'badly named', 'd/a': '1 @5' },
      when: mirror,
      gives: ['delete d/a', "fail d/b\ufffd: its name is not valid UTF-8, so it can't be copied"],
    },
    'it is not taken for a file that really has that name': {
      ...{ source: { 'b\ufffd': '1 @5' }, destination: { 'b\ufffd': 'badly named' } },
      gives: ["fail b\ufffd: its name is not valid UTF-8, so it can't be copied"],
    },
    'out of scope it is ignored': {
      source: { 'b\ufffd': 'badly named' },
      when: { exclude: ['b*'] },
      gives: [],
    },
    'a name that a listing has twice fails': {
      source: { a: '1 @5', b: '1 @5' },
      again: { source: ['a'] },
      gives: [
        'copy b (new)',
        'fail a: its folder lists it twice, so the folder changed while it was read',
      ],
    },
    'and is not deleted': {
      destination: { 'd/a': '1 @5', 'd/b': '1 @5' },
      when: mirror,
      again: { destination: ['d/a'] },
      gives: [
        'delete d/b',
        'fail d/a: its folder lists it twice, so the folder changed while it was read',
      ],
    },
  },
  'names listed twice': {
    'push does not mind what only the destination has, twice': {
      ...{ destination: { a: '1 @5' }, again: { destination: ['a'] }, when: { exclude: ['a'] } },
      gives: [],
    },
  },
  'names that would become one': {
    'two of the source that are equal after NFC': {
      source: { 'e\u0301': '1 @5', '\u00e9': '1 @5', z: '1 @5' },
      gives: [
        'copy z (new)',
        'conflict e\u0301: its name collides with "\u00e9": both would have the same name at the destination',
        'conflict \u00e9: its name collides with "e\u0301": both would have the same name at the destination',
      ],
    },
    'one of each side, never overwritten': {
      ...{ source: { 'e\u0301': '1 @5' }, destination: { '\u00e9': '1 @9' }, when: mirror },
      gives: [
        'conflict e\u0301: its name collides with "\u00e9": both would have the same name at the destination',
        'conflict \u00e9: its name collides with "e\u0301": both would have the same name at the destination',
      ],
    },
    'two that differ in case, where case does not count': {
      source: { a: '1 @5', A: '1 @5' },
      when: folding,
      gives: [
        'conflict A: its name collides with "a": both would have the same name at the destination',
        'conflict a: its name collides with "A": both would have the same name at the destination',
      ],
    },
    'where it counts they are two files': {
      source: { a: '1 @5', A: '1 @5' },
      gives: ['copy A (new)', 'copy a (new)'],
    },
    'sharp s and SS, which are one name there: renamed': {
      ...{ source: { straße: '1 @5' }, destination: { STRASSE: '1 @5' }, when: folding },
      gives: ['attrs straße, was STRASSE'],
    },
    'another Unicode form, which is one name there: equal, or copied under its own': {
      source: { 'd/\u00e9': '1 @5', '\u00e8': '2 @6' },
      destination: { 'd/e\u0301': '1 @5', 'e\u0300': '1 @5' },
      when: { ...mirror, ...folding },
      gives: ['copy \u00e8 (size)'],
    },
    'both forms on one side': {
      source: { '\u00e9': '1 @5', 'e\u0301': '1 @5' },
      when: folding,
      gives: [
        'conflict e\u0301: its name collides with "\u00e9": both would have the same name at the destination',
        'conflict \u00e9: its name collides with "e\u0301": both would have the same name at the destination',
      ],
    },
    'one out of scope does not collide': {
      source: { a: '1 @5', A: '1 @5' },
      when: { ...folding, exclude: ['A'] },
      gives: ['copy a (new)'],
    },
    'two at the destination are no conflict': {
      destination: { 'e\u0301': '1 @5', '\u00e9': '1 @5' },
      when: mirror,
      gives: ['delete e\u0301', 'delete \u00e9'],
    },
    'another case, the same bytes: renamed': {
      ...{ source: { Readme: '1 @5' }, destination: { README: '1 @5' } },
      when: { ...mirror, ...folding },
      gives: ['attrs Readme, was README'],
    },
    'another case and other bytes: renamed and copied': {
      ...{ source: { 'd/Readme': '1 @6' }, destination: { 'd/README': '1 @5' } },
      when: { ...mirror, ...folding },
      gives: ['copy d/Readme (newer), was d/README'],
    },
    'a link in another case is renamed, too': {
      ...{ source: { L: '-> a' }, destination: { l: '-> a' } },
      when: { ...folding, symlinks: 'preserve' },
      gives: ['attrs L, was l'],
    },
    'a folder in another case is one folder': {
      ...{ source: { 'Docs/a': '1 @5' }, destination: { 'docs/a': '1 @5', 'docs/b': '1 @5' } },
      when: { ...mirror, ...folding },
      gives: ['delete Docs/b'],
    },
    'where case does not count, a name in scope does not replace one out of scope': {
      ...{
        source: { A: '1 @5' },
        destination: { a: '1 @9' },
        when: { ...folding, exclude: ['a'] },
      },
      gives: ['conflict A: the destination has a file out of scope where the source has a file'],
    },
    'nor one that the source has, too': {
      ...{ source: { a: '1 @999', A: '1 @5' }, destination: { A: '1 @5' } },
      when: { ...folding, maxAge: 10_000 },
      gives: [
        'conflict A: its name collides with "a": both would have the same name at the destination',
        'conflict a: its name collides with "A": both would have the same name at the destination',
      ],
    },
    'nor does it reach into our own folder': {
      ...{
        source: { '.Ferryline/x': '1 @5' },
        destination: { '.ferryline/x': '1 @9' },
        when: folding,
      },
      gives: [
        'conflict .Ferryline: the destination has a folder out of scope where the source has a folder',
      ],
    },
  },
  scope: {
    'out of scope is never copied, replaced or deleted': {
      source: { 'a.tmp': '2 @6', 'b.tmp': '1 @5', 'cache/x': '1 @5', 'd/a.tmp': '1 @5' },
      destination: { 'a.tmp': '1 @5', 'c.tmp': '1 @5', 'cache/y': '1 @5' },
      when: { ...mirror, exclude: ['*.tmp', 'cache/'] },
      gives: ['mkdir d'],
    },
    'what is excluded at the source keeps the destination’s name, whatever it is': {
      ...{ source: { 'cache/x': '1 @5' }, destination: { cache: '1 @5' } },
      when: { ...mirror, exclude: ['cache/'] },
      gives: [],
    },
    'include takes only what it matches, anything below a folder it names': {
      source: { 'a.txt': '1 @5', 'b.jpg': '1 @5', 'docs/c.jpg': '1 @5' },
      when: { include: ['*.txt', 'docs/'] },
      gives: ['mkdir docs', 'copy a.txt (new)', 'copy docs/c.jpg (new)'],
    },
    'exclude wins over include': {
      source: { 'a.txt': '1 @5', 'old/b.txt': '1 @5' },
      when: { include: ['*.txt'], exclude: ['old/'] },
      gives: ['copy a.txt (new)'],
    },
    'an ignore file counts in its folder and is not transferred itself': {
      source: { 'd/.no': 'ignore: *.o', 'd/a.o': '1 @5', 'd/e/b.o': '1 @5', 'c.o': '1 @5' },
      destination: { 'd/z.o': '1 @5', 'd/.no': '7 @5' },
      when: { ...mirror, ignoreFile: '.no' },
      gives: ['mkdir d/e', 'copy c.o (new)'],
    },
    'a deeper ignore file takes back': {
      source: {
        '.no': 'ignore: *.o',
        'd/.no': 'ignore: !keep.o',
        'd/keep.o': '1 @5',
        'd/x.o': '1 @5',
      },
      when: { ignoreFile: '.no' },
      gives: ['mkdir d', 'copy d/keep.o (new)'],
    },
    'sizes and ages are the source’s': {
      source: { large: '99 @5', small: '1 @5', fits: '5 @5', young: '5 @999', old: '5 @1' },
      destination: { large: '5 @5', small: '5 @5' },
      when: { ...mirror, minSize: 2, maxSize: 9, minAge: 10_000, maxAge: 998_000 },
      gives: ['copy fits (new)'],
    },
    'and the destination’s where the source has none': {
      destination: { large: '99 @5', fits: '5 @5' },
      when: { ...mirror, maxSize: 9 },
      gives: ['delete fits'],
    },
    'our own folder is ignored on either side, our temporary names are skipped': {
      source: {
        '.ferryline/x': '1 @5',
        '.a.0123456789abcdef.t00000-abcdefgh.ferrypart': '1 @5',
        'd/.ferryline': '1 @5',
      },
      destination: { '.ferryline/y': '1 @5', '.a.0123456789abcdef.ferryold': '1 @5' },
      when: mirror,
      gives: [
        'mkdir d',
        'copy d/.ferryline (new)',
        'skip temporary .a.0123456789abcdef.t00000-abcdefgh.ferrypart: a temporary file of ferryline',
      ],
    },
    'a name that only resembles ours is a name like any other': {
      source: { '.a.0123456789abcdeF.ferryold': '1 @5', 'x.ferrypart': '1 @5' },
      gives: ['copy .a.0123456789abcdeF.ferryold (new)', 'copy x.ferrypart (new)'],
    },
    'the trash is reserved wherever it is': {
      ...{ source: { 'old/bin/x': '1 @5' }, destination: { 'old/bin/y': '1 @5', 'old/z': '1 @5' } },
      when: { ...mirror, trash: 'old/bin' },
      gives: ['delete old/z'],
    },
    'hidden files are ordinary': { source: { '.env': '1 @5' }, gives: ['copy .env (new)'] },
  },
};

for (const [about, cases] of Object.entries(rows))
  describe(about, () => {
    for (const [says, { source = {}, destination = {}, when = {}, again, gives }] of Object.entries(
      cases,
    ))
      test(says, () => {
        const plan = planTrees(treeOf(source), treeOf(destination), setting(when, again));
        expect(linesOf(plan)).toEqual(gives);
      });
  });

test('pairs whose bytes must be compared stay undecided, and a change of case is kept', () => {
  const file = { kind: 'file', size: 1, mtime: 5, mode: 0o644 } as const;
  const { rules, scope } = setting({ compare: 'checksum' });
  const pair = {
    path: 'd',
    from: 'd',
    source: [{ name: 'A', ...file }],
    destination: [{ name: 'a', ...file }],
    sameNames: () => 'one' as const,
  };
  const plan = planFolder(pair, scope, rules);
  expect(plan).toMatchObject({ actions: [], unchanged: 0, undecided: [{ path: 'd/A' }] });
  for (const open of plan.undecided) applyComparison(plan, open, { is: 'equal' }, rules);
  expect(plan.actions).toMatchObject([{ action: 'attrs', path: 'd/A', rename: 'd/a' }]);
});

test('counts files in scope on each side, unchanged entries, and bytes to transfer', () => {
  const plan = planTrees(
    treeOf({ a: '7 @5', b: '1 @5', c: '5 @9', 'd/x.log': '1 @5', l: '-> a' }),
    treeOf({ b: '1 @5', c: '5 @5', z: '1 @5', 'y.log': '1 @5', l: '1 @5' }),
    setting({ ...mirror, exclude: ['*.log'] }),
  );
  expect(plan).toMatchObject({ sourceFiles: 3, destinationFiles: 3, unchanged: 1, bytes: 12 });
});

test('links count if they are preserved, so that the guard measures what is deleted', () => {
  const plan = planTrees(
    treeOf({ a: '-> x' }),
    treeOf({ a: '-> x', b: '-> y' }),
    setting({ ...mirror, symlinks: 'preserve' }),
  );
  expect(plan).toMatchObject({ sourceFiles: 1, destinationFiles: 2 });
});

test('files that collide are still files of the source', () => {
  const plan = planTrees(
    treeOf({ a: '1 @5', A: '1 @5' }),
    new Map(),
    setting({ ...mirror, ...folding }),
  );
  expect(plan.sourceFiles).toBe(2);
});

test('equal files are left to a comparison of bytes if `after` acts on them; kept ones are not', () => {
  const trees = [
    treeOf({ b: '1 @5', a: '1 @5', kept: '2 @5', l: '-> a' }),
    treeOf({ a: '1 @5', b: '1 @5', kept: '1 @9' }),
  ] as const;
  const plan = planTrees(
    ...trees,
    setting({ listEqual: true, existing: 'newer', symlinks: 'follow' }),
  );
  expect(plan.equal).toEqual([]);
  expect(plan.unchanged).toBe(1);
  expect(linesOf(plan)).toEqual(['copy l (new) from a']);
});

describe('the digest', () => {
  const base = { source: { a: '1 @5', b: '2 @5' }, destination: { b: '1 @5', z: '1 @5' } };
  const digest = (
    { source, destination }: { source: Sketch; destination: Sketch } = base,
    when: Row['when'] = mirror,
  ) => planTrees(treeOf(source), treeOf(destination), setting(when)).digest;

  test('is the same for the same two sides, whatever the order they are listed in', () => {
    const turned = { source: { b: '2 @5', a: '1 @5' }, destination: { z: '1 @5', b: '1 @5' } };
    expect(digest()).toMatch(/^[0-9a-f]{64}$/);
    expect(digest(turned)).toBe(digest());
  });

  test('does not depend on what is unchanged', () => {
    const more = {
      source: { ...base.source, same: '1 @5' },
      destination: { ...base.destination, same: '1 @5' },
    };
    expect(digest(more)).toBe(digest());
  });

  test.each<[string, Sketch, Sketch, Row['when']?]>([
    ['the source’s size', { ...base.source, a: '2 @5' }, base.destination],
    ['the source’s mtime', { ...base.source, a: '1 @6' }, base.destination],
    ['the replaced file’s mtime', base.source, { ...base.destination, b: '1 @4' }],
    ['the deleted file’s size', base.source, { ...base.destination, z: '2 @5' }],
    ['one action more', { ...base.source, c: '1 @5' }, base.destination],
    ['one deletion less', base.source, { b: '1 @5' }],
    ['the operation', base.source, base.destination, {}],
  ])('depends on %s', (_what, source, destination, when = mirror) => {
    expect(digest({ source, destination }, when)).not.toBe(digest());
  });

  test('a new file is written into it as any other copy', () => {
    const source = { kind: 'file', size: 3, mtime: 1.5, mode: 0o644 } as const;
    const copy = new NewFile('a/b', source);
    const whole = { action: 'copy', path: 'a/b', from: 'a/b', source, reason: 'new' };
    expect(JSON.stringify(copy)).toBe(JSON.stringify(whole));
    expect(asPlain(copy)).toEqual(whole);
    expect(asPlain({ ...asPlain(copy), movesOn: true })).toEqual({ ...whole, movesOn: true });
  });
});
