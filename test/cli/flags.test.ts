import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { addRuleFlags, overridesFrom, wholeNumber } from '../../src/cli/flags.js';
import { jobDefaults } from '../../src/jobs/config/job-schema.js';

/** What a command line means in jobs.yml's words. */
function overrides(...args: string[]): Record<string, unknown> {
  const command = addRuleFlags(new Command().exitOverride());
  command.parse(args, { from: 'user' });
  return overridesFrom(command.opts());
}

describe('flags', () => {
  test('without any, nothing is overridden', () => {
    expect(overrides()).toEqual({});
  });

  test.each<[string[], Record<string, unknown>]>([
    [['--exclude', '*.tmp', '--exclude', 'cache/'], { exclude: ['*.tmp', 'cache/'] }],
    [['--include', '*.csv'], { include: ['*.csv'] }],
    [['--ignore-file', '.ferryignore'], { ignoreFile: '.ferryignore' }],
    [['--compare', 'checksum'], { compare: 'checksum' }],
    [['--existing', 'skip'], { existing: 'skip' }],
    [['--max-delete', '80%'], { delete: { max: '80%' } }],
    [['--max-delete', '20'], { delete: { max: 20 } }],
    [
      [
        '--trash-dir',
        'old',
        '--trash-keep',
        '30d',
        '--delete-require',
        '.mounted',
        '--delete-allow-empty-source',
      ],
      {
        trash: { dir: 'old', keep: '30d' },
        delete: { require: '.mounted', allowEmptySource: true },
      },
    ],
    [['--no-delete-allow-empty-source'], { delete: { allowEmptySource: false } }],
    [['--symlinks', 'follow'], { symlinks: 'follow' }],
    [['--modes', 'server'], { modes: 'server' }],
    [['--modes', '0644,0755'], { modes: { files: '0644', folders: '0755' } }],
    [['--verify', 'checksum'], { verify: 'checksum' }],
    [['--fsync'], { fsync: true }],
    [['--no-fsync'], { fsync: false }],
    [['--after', 'delete'], { after: 'delete' }],
    [['--after', 'archive=./sent'], { after: { archive: './sent' } }],
    [['--bwlimit', '5MiB/s', '--timeout', '2h'], { bandwidth: '5MiB/s', timeout: '2h' }],
    [
      ['--min-size', '1', '--max-size', '2GiB', '--min-age', '5m', '--max-age', '7d'],
      { minSize: '1', maxSize: '2GiB', minAge: '5m', maxAge: '7d' },
    ],
  ])('%j', (args, expected) => {
    const given = overrides(...args);
    expect(given).toEqual(expected);
    // And jobs.yml takes every one of them.
    expect(jobDefaults.safeParse(given).error).toBeUndefined();
  });

  test('there is one for each key of a job that concerns one run', () => {
    const all = overrides(
      ...['--include', 'a', '--exclude', 'a', '--ignore-file', 'a', '--compare', 'a'],
      ...[
        '--existing',
        'a',
        '--renames',
        'a',
        '--max-delete',
        '1',
        '--symlinks',
        'a',
        '--modes',
        'a',
      ],
      ...[
        '--live',
        'a',
        '--trash',
        '--replace-max',
        '1',
        '--verify',
        'a',
        '--fsync',
        '--after',
        'a',
        '--bwlimit',
        'a',
        '--timeout',
        'a',
      ],
      ...['--min-size', '1', '--max-size', '1', '--min-age', '1s', '--max-age', '1s'],
    );
    const ofDaemon = [
      ...[
        'description',
        'schedule',
        'timezone',
        'catchUp',
        'watch',
        'settle',
        'window',
        'worker',
        'retry',
        'notify',
        'slow',
        'stale',
      ],
    ];
    const keys = Object.entries(jobDefaults.shape)
      .filter(([, schema]) => schema.description?.startsWith('Planned') !== true)
      .map(([key]) => key)
      // whole commands, which only jobs.yml has
      .filter((key) => !['history', 'hooks'].includes(key) && !ofDaemon.includes(key));
    expect(Object.keys(all).sort()).toEqual(keys.sort());
  });
});

test('a whole number is one within its limits', () => {
  const parse = wholeNumber('-P', 1, 65_535);
  expect(parse('22')).toBe(22);
  for (const wrong of ['0', '65536', '-1', '1.5', '1e3', '', 'x', '99999999999']) {
    expect(() => parse(wrong)).toThrow('-P takes a whole number from 1 to 65535');
  }
});
