/** What is written in several files, or once for several places: jobs.d, `<<` and `x-…` keys. */
import { describe, expect, it } from 'vitest';
import type { ConfigText } from '../../../src/jobs/config/documents.js';
import { load, problems } from '../../kit/loading.js';

const main = 'remotes:\n  d: { host: h }\njobs:\n  x: { operation: push, from: ./a, to: d:b }\n';
const job = (to: string) => `{ operation: push, from: ./a, to: "${to}" }`;

/** Files of jobs.d by name. */
const more = (files: Readonly<Record<string, string>>, mode?: number) => ({
  more: Object.entries(files).map(
    ([name, text]): ConfigText => ({
      file: `/etc/ferry/jobs.d/${name}`,
      text,
      ...(mode === undefined ? {} : { mode }),
    }),
  ),
});

describe('jobs.d', () => {
  it('adds remotes and jobs, which may name one another over files', () => {
    const config = load(
      main,
      more({
        '10-e.yml': 'remotes: { e: { host: e.example } }\nx-note: anything',
        '20-y.yml': `jobs: { y: ${job('e:b')}, z: ${job('d:z')} }`,
      }),
    );
    expect([...config.remotes.keys()]).toEqual(['d', 'e']);
    expect([...config.jobs.keys()]).toEqual(['x', 'y', 'z']);
    expect(config.jobs.get('y')?.to.remote?.host).toBe('e.example');
    expect(config.jobs.get('y')?.from.path).toBe('/etc/ferry/a');
  });

  it('goes by the defaults of jobs.yml', () => {
    const config = load(
      `defaults: { jobs: { compare: size } }\n${main}`,
      more({ 'y.yml': `jobs: { y: ${job('d:y')} }` }),
    );
    expect(config.jobs.get('y')?.compare).toBe('size');
  });

  it('may be all there is', () => {
    const config = load(
      'queue: embedded',
      more({ 'y.yml': 'remotes: { e: { host: h } }', 'z.yml': `jobs: { z: ${job('e:z')} }` }),
    );
    expect([...config.jobs.keys()]).toEqual(['z']);
  });

  it.each<[string, Readonly<Record<string, string>>, string[]]>([
    [
      'a job that jobs.yml has',
      { 'b.yml': `jobs:\n  x: ${job('d:c')}` },
      ['jobs.d/b.yml:2:3 jobs.x: is in jobs.yml:4:3 too; keep one'],
    ],
    [
      'a job that another file has',
      { 'a.yml': `jobs: { y: ${job('d:y')} }`, 'b.yml': `jobs:\n    y: ${job('d:c')}` },
      ['jobs.d/b.yml:2:5 jobs.y: is in jobs.d/a.yml:1:9 too; keep one'],
    ],
    [
      'a remote that another file has',
      { 'a.yml': 'remotes: { d: { host: other } }' },
      ['jobs.d/a.yml:1:12 remotes.d: is in jobs.yml:2:3 too'],
    ],
    [
      'other keys',
      { 'a.yml': 'queue: embedded\ndefaults: {}' },
      [
        'jobs.d/a.yml:1:1 queue: is not allowed in jobs.d/a.yml; only remotes, groups, jobs are',
        'jobs.d/a.yml:2:1 defaults: is not allowed',
      ],
    ],
    [
      'mistakes in each, in the order of the files',
      { 'b.yml': 'jobs: { y: {} }', 'a.yml': `jobs: { z: ${job('nope:z')} }`, 'c.yml': 'jobs: [' },
      [
        'jobs.d/b.yml:1:9 jobs.y.operation: is missing',
        'jobs.d/b.yml:1:9 jobs.y.from: is missing',
        'jobs.d/b.yml:1:9 jobs.y.to: is missing',
        'jobs.d/a.yml:1:46 jobs.z.to: names the remote "nope", which does not exist',
        'jobs.d/c.yml:1:8 not valid YAML',
      ],
    ],
    ['no map', { 'a.yml': '- x' }, ['jobs.d/a.yml:1:1 must be a map, not a list']],
    ['nothing', { 'a.yml': '# later\n' }, ['jobs.d/a.yml:1:1 the file is empty; remove it']],
    ['an empty key', { 'a.yml': 'jobs:' }, ['jobs.d/a.yml:1:1 jobs: is empty; it must be a map']],
    ['a list of jobs', { 'a.yml': 'jobs: []' }, ['jobs: is a list, but must be a map']],
  ])('is refused with %s', (_what, files, expected) => {
    const lines = problems(main, more(files));
    expect(lines).toHaveLength(expected.length);
    expected.forEach((part, n) => {
      expect(lines[n]).toContain(part);
    });
  });

  const secret = { 's.yml': 'remotes: { e: { host: h, auth: { password: hunter22 } } }' };

  it('with a secret that others can write is refused, without the secret', () => {
    const lines = problems(main, more(secret, 0o620));
    expect(lines).toEqual([
      expect.stringMatching(
        /^jobs\.d\/s\.yml:1:44 remotes\.e\.auth\.password: is a secret in a file that other users/,
      ),
    ]);
    expect(lines.join()).not.toContain('hunter22');
    expect(problems(main, more({ 'r.yml': 'remotes: { e: { host: h } }' }, 0o622))).toEqual([]);
  });

  it('with a secret that others can read gets a warning', () => {
    expect(load(main, more(secret, 0o600)).warnings).toEqual([]);
    expect(load(main, more(secret, 0o644)).warnings).toEqual([
      expect.stringMatching(/^jobs\.d\/s\.yml contains secrets and other users can read it/),
    ]);
  });
});

describe('<<', () => {
  const withMerge = (lines: string) => load(`remotes: { d: { host: h } }\n${lines}`).jobs.get('x');

  it('takes the keys of a map, under its own', () => {
    const job = withMerge(
      `x-nightly: &nightly { operation: push, from: ./a, compare: size }
jobs:
  x:
    compare: checksum
    <<: *nightly
    to: d:b`,
    );
    expect([job?.operation, job?.compare, job?.from.label]).toEqual(['push', 'checksum', './a']);
  });

  it('takes a list of maps, of which the first wins, and maps that merge others', () => {
    const job = withMerge(
      `x-a: &a { compare: size, verify: checksum }
x-b: &b { <<: *a, operation: push, from: ./a, compare: mtime, existing: newer }
jobs: { x: { <<: [{ existing: skip }, *b, *a], to: d:b } }`,
    );
    expect(job).toMatchObject({ compare: 'mtime', existing: 'skip', verify: 'checksum' });
  });

  it('is no merge in quotes', () => {
    expect(problems('jobs: {}\n"<<": { jobs: {} }')).toEqual([
      expect.stringMatching(/^jobs\.yml:2:1 <<: unknown key/),
    ]);
  });

  it.each<[string, string, string[]]>([
    [
      'a wrong value is where it is written',
      'x-a: &a\n  compare: chksum\njobs:\n  x: { <<: *a, operation: push, from: ./a, to: d:b }',
      ['2:12 jobs.x.compare: must be one of'],
    ],
    [
      'a wrong key is where it is written',
      'x-a: &a\n  compair: size\njobs:\n  x: { <<: *a, operation: push, from: ./a, to: d:b }',
      ['2:3 jobs.x.compair: unknown key; did you mean "compare"?'],
    ],
    ['a text', 'jobs: { <<: text }', ['1:13 jobs.<<: takes a map, an alias of one']],
    ['nothing', 'jobs: { <<: }', ['jobs.<<: takes a map']],
    ['a list in it', 'x-a: &a [1]\njobs: { <<: [*a] }', ['2:14 jobs.<<: takes a map']],
    ['no anchor', 'jobs: { <<: *a }', ['1:13 jobs.<<: a bare "*" starts an alias']],
    ['itself', 'jobs: &a { <<: *a }', ['1:16 jobs.<<: an alias is inside its own anchor']],
    ['twice', 'jobs: { <<: {}, <<: {} }', ['1:17 jobs.<<: this key appears twice']],
    [
      'too much',
      `a: &a {${[...Array(100).keys()].map((n) => `k${n}: 1`).join(',')}}\n${[...'bcdefgh']
        .map((name, n) => {
          const below = 'abcdefgh'[n];
          return `${name}: &${name} { <<: [${Array(9).fill(`*${below}`).join(',')}] }`;
        })
        .join('\n')}`,
      ['aliases expand to more than 10000 values'],
    ],
  ])('reports its place: %s', (_what, text, expected) => {
    const lines = problems(
      text.includes('to: d:b') ? `${text}\nremotes: { d: { host: h } }` : text,
    );
    expect(lines).toHaveLength(expected.length);
    expected.forEach((part, n) => {
      expect(lines[n]).toContain(part);
    });
  });
});

describe('x- keys', () => {
  it('at the top are ignored, whatever they hold; a job may have such a name', () => {
    const config = load(
      `x-any: [{ a: 1 }, "\${NOT_SET}"]\nremotes: { d: { host: h } }\njobs: { x-ray: ${job('d:b')} }`,
    );
    expect([...config.jobs.keys()]).toEqual(['x-ray']);
  });

  it('elsewhere are unknown', () => {
    expect(problems('jobs: { x: { x-note: 1, operation: push, from: ./a, to: d:b } }')).toEqual(
      expect.arrayContaining([expect.stringContaining('jobs.x.x-note: unknown key')]),
    );
  });
});
