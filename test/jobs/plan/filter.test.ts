/** Which paths are in scope. Git itself is asked what patterns mean. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ScopeRules } from '../../../src/core/job.js';
import { Scope } from '../../../src/jobs/plan/filter.js';
import { everything, now } from '../../kit/planning.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ferryline-filter-'));
  git(['init', '-q']);
  // git treats a path that does not exist as a file
  for (const path of paths.filter((it) => it.endsWith('/')))
    mkdirSync(join(folder, 'tree', path), { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function git(args: readonly string[], input = ''): string {
  // the user's own excludes file and configuration must not matter
  const env = { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null' };
  const done = spawnSync(
    'git',
    ['-c', 'core.excludesFile=', '-c', 'core.ignoreCase=false', ...args],
    {
      ...{ cwd: folder, input, env, encoding: 'utf8' },
    },
  );
  if (done.error) throw done.error;
  if ((done.status ?? 2) > 1) throw new Error(done.stderr);
  return done.stdout;
}

/** Ignore files by their folder. */
type Files = Readonly<Partial<Record<'' | 'x' | 'x/y', readonly string[]>>>;

/** Those of these paths that git ignores; a path that ends in a slash is a folder. */
function ignoredByGit(files: Files, paths: readonly string[]): string[] {
  for (const at of ['', 'x', 'x/y'] as const)
    writeFileSync(join(folder, 'tree', at, '.gitignore'), (files[at] ?? []).join('\n'));
  const asked = paths.map((path) => `tree/${path.replace(/\/$/, '')}`);
  const out = git(['check-ignore', '--no-index', '--stdin', '-z'], `${asked.join('\0')}\0`);
  const ignored = new Set(out.split('\0'));
  return paths.filter((_, i) => ignored.has(asked[i] as string));
}

const base = Scope.of({ ...everything, ignoreFile: '.gitignore' }, now);

/** The same by our filter, walking down as a scan does. */
function ignoredByUs(files: Files, paths: readonly string[]): string[] {
  return paths.filter((path) => {
    const segments = path.replace(/\/$/, '').split('/');
    let scope = base;
    for (let i = 0; i < segments.length; i++) {
      const at = segments.slice(0, i).join('/');
      const lines = files[at as keyof Files];
      if (lines !== undefined) scope = scope.withIgnoreFile(at, lines.join('\n'));
      const isFolder = i < segments.length - 1 || path.endsWith('/');
      if (scope.excludes(segments.slice(0, i + 1).join('/'), isFolder)) return true;
    }
    return false;
  });
}

const paths = [
  ...['a', 'b', 'ab', 'a.txt', 'A', '.a', 'a b', 'x/', 'x/a', 'x/b', 'x/a.txt', 'x/y/', 'x/y/a'],
  ...[
    'x/y/z/',
    'x/y/z/a',
    'y/',
    'y/a',
    'z/y/x/a',
    '!a',
    '#a',
    'a*',
    'a[b]',
    'a\\b',
    'build/',
    'build/a',
  ],
  ...['doc/build', 'doc/a.txt', 'doc/sub/a.txt', 'a ', 'x/build/', 'x/build/a'],
];

describe('patterns mean what git says', () => {
  test.each<[string, Files]>([
    ['a name at any depth', { '': ['a'] }],
    ['a leading slash: at the root', { '': ['/a', '/y'] }],
    ['a slash in the middle: from the root', { '': ['x/a', 'y/a'] }],
    ['a trailing slash: only folders', { '': ['build/', 'a/'] }],
    ['a star stays in its segment', { '': ['*.txt', 'doc/*'] }],
    ['two stars do not', { '': ['**/y', 'x/**', 'doc/**/a.txt'] }],
    ['two stars that are no segment are one', { '': ['x**a', '**a'] }],
    ['a question mark, sets and ranges', { '': ['?b', '[!a]', 'x/[a-b]', '[[:upper:]]'] }],
    ['escapes', { '': ['\\!a', '\\#a', 'a\\*', 'a\\[b\\]', 'a\\\\b'] }],
    ['comments, blank lines, spaces at the end', { '': ['# a', '', '   ', 'b   ', 'a\\ '] }],
    ['an exception', { '': ['*', '!a', '!x/', '!x/a'] }],
    ['none below an excluded folder', { '': ['x/', '!x/a'] }],
    ['two stars beside something else are one', { '': ['y**/a', 'a**'], x: ['**y/a'] }],
    ['the last one that matches decides', { '': ['a', '!a', 'x/a'] }],
    ['a deeper file decides', { '': ['a'], x: ['!a'], 'x/y': ['a'] }],
    ['a deeper file’s slash is its own folder', { x: ['/a', 'y/a'] }],
    ['a deeper file takes a folder back, with all in it', { '': ['y/', 'b'], x: ['!y/'] }],
    ['and its contents are judged again', { '': ['y/', 'z', 'a'], x: ['!y/'], 'x/y': ['!z/'] }],
    ['three files, two folders taken back', { '': ['x', 'y', 'z'], x: ['!y'], 'x/y': ['!z', 'a'] }],
  ])('%s', (_says, files) => {
    expect(ignoredByUs(files, paths)).toEqual(ignoredByGit(files, paths));
  });

  test('but a letter beyond ASCII is one character, where git sees its bytes', () => {
    const files = { '': ['?'] };
    expect([ignoredByUs(files, ['é', 'a']), ignoredByGit(files, ['é', 'a'])]).toEqual([
      ['é', 'a'],
      ['a'],
    ]);
    const name = { '': ['é*'] };
    expect([ignoredByUs(name, ['é1']), ignoredByGit(name, ['é1'])]).toEqual([['é1'], ['é1']]);
  });

  test('whatever the patterns, in one file or several', () => {
    const piece = fc.constantFrom(
      ...'abxy**?/!'.split(''),
      '**',
      '[ab]',
      '[!a]',
      '\\*',
      '*.txt',
      'y/',
    );
    const pattern = fc
      .array(piece, { minLength: 1, maxLength: 4 })
      .map((pieces) => pieces.join(''))
      // git treats two stars next to other characters in a way that depends on what precedes them
      .filter((text) => !/[^/!]\*\*|\*\*[^/]/.test(text));
    const lines = fc.array(pattern, { maxLength: 3 });
    const files = fc.record({ '': lines, x: lines, 'x/y': lines });
    fc.assert(
      fc.property(files, (some) => {
        expect(ignoredByUs(some, paths)).toEqual(ignoredByGit(some, paths));
      }),
      { numRuns: 150 },
    );
  });
});

const scope = (rules: Partial<ScopeRules>, reserved: string[] = []) =>
  Scope.of({ ...everything, ...rules }, now * 1000, reserved);
const excluded = (it: Scope, ...asked: string[]) =>
  asked.filter((path) => it.excludes(path.replace(/\/$/, ''), path.endsWith('/')) !== undefined);
const included = (it: Scope, ...asked: string[]) =>
  asked.filter((path) => it.includes(path.replace(/\/$/, ''), path.endsWith('/')));

describe('excludes', () => {
  test('returns the rule that decided, and where it is', () => {
    const it = scope({ exclude: ['*.o', 'cache/'], ignoreFile: '.no' }, ['bin/trash'])
      .withIgnoreFile('', 'x\r\n# y\r\ny')
      .withIgnoreFile('d', 'z');
    expect(it.excludes('d/a.o', false)).toEqual({ rule: '*.o', where: 'exclude' });
    expect(it.excludes('d/cache', true)).toEqual({ rule: 'cache/', where: 'exclude' });
    expect(it.excludes('d/y', false)).toEqual({ rule: 'y', where: '.no:3' });
    expect(it.excludes('d/z', false)).toEqual({ rule: 'z', where: 'd/.no:1' });
    expect(it.excludes('d/.no', false)).toEqual({ rule: '.no', where: 'ignoreFile' });
    expect(it.excludes('bin/trash', true)?.where).toBe('folders of ferryline itself');
    expect(it.excludes('.ferryline', true)?.where).toBe('folders of ferryline itself');
    expect(it.excludes('d/.a.0123456789abcdef.ferryold', false)?.where).toBe(
      'names of ferryline itself',
    );
    expect(it.excludes('d/a', false)).toBeUndefined();
  });

  test('case counts, and dotfiles match', () => {
    expect(excluded(scope({ exclude: ['a', '*.txt'] }), 'A', 'a', '.txt', 'B.TXT')).toEqual([
      'a',
      '.txt',
    ]);
  });

  test('the order of the list means nothing', () => {
    const list = ['/a', '*.txt', 'b/'];
    const asked = ['a', 'x/a', 'x.txt', 'b/', 'b'];
    expect(excluded(scope({ exclude: list }), ...asked)).toEqual(
      excluded(scope({ exclude: list.toReversed() }), ...asked),
    );
  });

  test('a folder named like the ignore file is a folder like any other', () => {
    expect(excluded(scope({ ignoreFile: '.no' }), '.no', '.no/')).toEqual(['.no']);
  });

  test('an ignore file that begins with a byte order mark is read all the same', () => {
    expect(excluded(scope({ ignoreFile: '.no' }).withIgnoreFile('', '\ufeffa'), 'a')).toEqual([
      'a',
    ]);
  });

  test('earlier matches make no difference, however many there were', () => {
    const it = scope({ exclude: ['*.tmp', 'cache/'] });
    for (let i = 0; i < 20_000; i++)
      if (excluded(it, `d/${i}.txt`, `d/${i}.tmp`).length !== 1) throw new Error(`at ${i}`);
    expect(excluded(it, 'd/1.tmp', 'd/1.txt', 'd/cache/')).toEqual(['d/1.tmp', 'd/cache/']);
  });
});

describe('includes', () => {
  test('an empty list matches everything', () => {
    expect(included(scope({}), 'a', 'b/')).toEqual(['a', 'b/']);
  });

  test('otherwise what matches, and everything below a folder that does', () => {
    const it = scope({ include: ['*.txt', '/docs/', 'x/y'] });
    expect(included(it, 'a.txt', 'd/a.txt', 'a.jpg', 'docs', 'docs/', 'docs/d/a.jpg')).toEqual([
      ...['a.txt', 'd/a.txt', 'docs/', 'docs/d/a.jpg'],
    ]);
    expect(included(it, 'd/docs/a', 'x/', 'x/y/a', 'd/x/y')).toEqual(['x/y/a']);
  });
});

describe('limits, each at its border', () => {
  const file = (size: number | undefined, mtime: number | undefined) =>
    ({ kind: 'file', size, mtime, mode: 0o644 }) as const;
  test.each<
    [string, Partial<ScopeRules>, number | undefined, number | undefined, string | undefined]
  >([
    ['as small as allowed', { minSize: 5 }, 5, 0, undefined],
    ['smaller', { minSize: 5 }, 4, 0, 'minSize'],
    ['as large as allowed', { maxSize: 5 }, 5, 0, undefined],
    ['larger', { maxSize: 5 }, 6, 0, 'maxSize'],
    ['as young as allowed', { minAge: 5000 }, 1, now - 5, undefined],
    ['younger', { minAge: 5000 }, 1, now - 4, 'minAge'],
    ['as old as allowed', { maxAge: 5000 }, 1, now - 5, undefined],
    ['older', { maxAge: 5000 }, 1, now - 6, 'maxAge'],
    ['from the future', { maxAge: 5000 }, 1, now + 99, undefined],
    ['of unknown size', { maxSize: 5 }, undefined, 0, undefined],
    ['of unknown age', { maxAge: 5 }, 1, undefined, undefined],
    ['of unknown age, which may be too young', { minAge: 5 }, 1, undefined, 'minAge'],
    ['no limits', {}, 1e15, -1e15, undefined],
  ])('%s', (_says, rules, size, mtime, where) => {
    expect(scope(rules).limits(file(size, mtime))?.where).toBe(where);
  });
});
