/** The path of `explain`, as people type it. */
import { describe, expect, test } from 'vitest';
import { typedPath } from '../../src/cli/typed-path.js';
import type { Job } from '../../src/core/job.js';
import type { Remote } from '../../src/core/remote.js';

const remote = { name: 'archive' } as Remote;
const there = (path: string) => ({ remote, path, label: `archive:${path}` });
const job = (to: string) =>
  ({
    name: 'j',
    from: { remote: undefined, path: '/w/data', label: './data' },
    to: there(to),
  }) as Job;
const files = new Set(['/w/data/a/b', '/w/data/data/c', '/w/data/data']);
const read = (typed: string, to = 'www') =>
  typedPath(job(to), typed, { cwd: '/w', exists: (path) => files.has(path) });

describe('one path, typed in many ways', () => {
  test.for([
    'a/b',
    './a/b',
    'a/b/',
    'a//b',
    'a/./b',
    'data/a/b',
    './data/a/b',
    '/w/data/a/b',
    '/w/data/a/b/',
    'archive:www/a/b',
    'archive:www//a/b/',
  ])('%s', (typed) => expect(read(typed)).toBe('a/b'));

  test.for([
    ['data/c', 'data/c'],
    ['new/file', 'new/file'],
    ['data/gone', 'data/gone'],
    ['..a', '..a'],
  ])('%s is below the folders', ([typed, path]) => expect(read(typed as string)).toBe(path));

  test('a remote side may be absolute, or the login folder', () => {
    expect(read('/srv/www/a/b', '/srv/www')).toBe('a/b');
    expect(read('archive:/srv/www/a/b', '/srv/www')).toBe('a/b');
    expect(read('archive:a/b', '')).toBe('a/b');
  });
});

describe('refused', () => {
  test.for(['/etc/passwd', '../x', 'a/../../x', 'archive:other/x', '/w/database/x'])(
    '%s',
    (typed) =>
      expect(() => read(typed as string)).toThrow(
        typed.startsWith('archive:')
          ? /outside/
          : /lies outside the job's folders, \.\/data and archive:www/,
      ),
  );
  test.for(['.', './', '/w/data', 'archive:www'])('%s is the folder itself', (typed) =>
    expect(() => read(typed as string)).toThrow("is the job's folder itself"),
  );
});
