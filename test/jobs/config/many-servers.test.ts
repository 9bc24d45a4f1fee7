/** Groups of remotes, and jobs with several targets. */
import { describe, expect, it } from 'vitest';
import { partsOf } from '../../../src/core/job.js';
import { jobOf, load, problems } from '../../kit/loading.js';

const remotes = 'remotes: { a: { host: a }, b: { host: b }, c: { host: c } }\n';
const groups = 'groups: { web: [a, b] }\n';
const text = (keys: string, operation = 'push') =>
  `${remotes}${groups}jobs: { x: { operation: ${operation}, ${keys} } }`;
const sides = (keys: string, operation?: string) =>
  partsOf(jobOf(text(keys, operation))).map(({ target, from, to }) => [
    target,
    from.label,
    to.label,
  ]);

describe('several targets', () => {
  it.each<[string, string, string[][]]>([
    [
      'a list',
      'from: ./d, to: [a:www, "b:htdocs"]',
      [
        ['a:www', './d', 'a:www'],
        ['b:htdocs', './d', 'b:htdocs'],
      ],
    ],
    [
      'a group',
      'from: ./d, to: web:www',
      [
        ['a:www', './d', 'a:www'],
        ['b:www', './d', 'b:www'],
      ],
    ],
    [
      'a group and a remote, each with a folder of its name',
      'from: ./d, to: ["web:{remote}/www", "c:{remote}"]',
      [
        ['a:a/www', './d', 'a:a/www'],
        ['b:b/www', './d', 'b:b/www'],
        ['c:c', './d', 'c:c'],
      ],
    ],
    [
      'a group to another remote',
      'from: web:logs, to: "c:logs/{remote}"',
      [
        ['c:logs/a', 'a:logs', 'c:logs/a'],
        ['c:logs/b', 'b:logs', 'c:logs/b'],
      ],
    ],
    [
      'a group into one folder, where nothing is replaced',
      'from: web:logs, to: c:logs, existing: skip',
      [
        ['a:logs -> c:logs', 'a:logs', 'c:logs'],
        ['b:logs -> c:logs', 'b:logs', 'c:logs'],
      ],
    ],
    ['a list of one', 'from: ./d, to: [a:www]', [[undefined as never, './d', 'a:www']]],
  ])('%s', (_what, keys, expected) => {
    expect(sides(keys)).toEqual(expected);
  });

  it('pull from a group, each into a folder of its own', () => {
    expect(sides('from: web:logs, to: "./logs/{remote}"', 'pull')).toEqual([
      ['./logs/a', 'a:logs', './logs/a'],
      ['./logs/b', 'b:logs', './logs/b'],
    ]);
  });

  it('archive on the side of each source', () => {
    const job = jobOf(
      text('from: web:out, to: "./in/{remote}", after: { archive: web:sent }', 'pull'),
    );
    expect(job.parts?.map(({ after }) => after.kind === 'archive' && after.to.label)).toEqual([
      'a:sent',
      'b:sent',
    ]);
  });

  it('run in turn only where they share a folder', () => {
    expect(jobOf(text('from: web:d, to: c:d, existing: skip')).inTurn).toBe(true);
    expect(jobOf(text('from: ./d, to: web:d')).inTurn).toBe(false);
  });

  it('take all keys of the job, and from defaults', () => {
    const job = jobOf(`defaults: { jobs: { compare: size } }\n${text('from: ./d, to: web:d')}`);
    expect(partsOf(job).map(({ name, compare }) => [name, compare])).toEqual([
      ['x', 'size'],
      ['x', 'size'],
    ]);
  });

  it('count for the warning about shared destinations, once', () => {
    const { warnings } = load(
      `${remotes}${groups}jobs:
  x: { operation: mirror, from: ./d, to: web:www }
  y: { operation: push, from: ./e, to: b:www/img }`,
    );
    expect(warnings).toEqual([expect.stringMatching(/^jobs x and y have overlapping dest/)]);
  });

  it.each<[string, string, string]>([
    ['push', 'from: ./d, to: [a:x, a:x]', 'jobs.x.to: names a:x twice'],
    ['push', 'from: ./d, to: [a:x, web:x]', 'names a:x twice'],
    ['push', 'from: ./d, to: [a:x, a:x/y]', 'has one target inside the other: a:x and a:x/y'],
    ['push', 'from: ./d, to: []', 'must name at least one target'],
    ['push', 'from: ./d, to: [a:x, nope:x]', 'jobs.x.to[1]: names the remote "nope"'],
    ['push', 'from: ./d, to: wab:x', 'which does not exist; did you mean "web"?'],
    ['push', 'from: ./d, to: [a:x, ./y]', 'are both local'],
    [
      'mirror',
      'from: web:d, to: c:d',
      'would make c:d equal to a:d and b:d in turn; write {remote}',
    ],
    ['pull', 'from: web:d, to: ./d', 'would put a:d and b:d into one folder'],
    ['mirror', 'from: web:d, to: c:d, existing: skip', 'in turn; write {remote}'],
    ['push', 'from: ./d, to: web:x, after: delete', 'jobs.x.after: must be keep where one source'],
    ['pull', 'from: "a:{remote}", to: ./d', 'jobs.x.from: has {remote}, which only "to" may have'],
    ['push', 'from: web:d, to: "a:d/{remote}"', 'jobs.x.to: overlaps "from"'],
  ])('are refused: %s, %s', (operation, keys, message) => {
    const lines = problems(text(keys, operation));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(message);
    expect(lines[0]).toMatch(/^jobs\.yml:3:\d+ jobs\.x\./);
  });
});

describe('groups', () => {
  it.each<[string, string[]]>([
    ['groups: { g: [g] }', ['2:15 groups.g[0]: names the group itself; a group takes remotes']],
    ['groups: { g: [a, nope] }', ['2:18 groups.g[1]: names the remote "nope", which does not']],
    ['groups: { g: [a], h: [g] }', ['2:23 groups.h[0]: names the group "g"; a group takes']],
    ['groups: { a: [b] }', ['2:11 groups.a: is the name of a remote too']],
    ['groups: { g: [a, a] }', ['groups.g[1]: names a twice']],
    ['groups: { g: [] }', ['2:14 groups.g: must name at least one remote']],
    ['groups: { g: { a: 1 } }', ['groups.g: must be the name of a remote, or a list of them']],
    ['groups: { 1g: [a] }', ['2:11 groups.1g: must be a name']],
    ['group: {}', ['2:1 group: is not a key of jobs.yml; use groups instead']],
  ])('%s', (line, expected) => {
    const lines = problems(`${remotes}${line}`);
    expect(lines).toHaveLength(expected.length);
    expected.forEach((part, n) => {
      expect(lines[n]).toContain(part);
    });
  });

  it('may be in a file of jobs.d, with their place', () => {
    const more = [{ file: '/etc/ferry/jobs.d/g.yml', text: 'groups:\n  g: [a, z]' }];
    expect(problems(remotes, { more })).toEqual([
      expect.stringMatching(/^jobs\.d\/g\.yml:2:10 groups\.g\[1\]: names the remote "z"/),
    ]);
  });

  it('with a remote that has errors reports only those', () => {
    expect(
      problems(
        `remotes: { a: { host: h, port: 0 } }\ngroups: { g: a }\njobs: { x: { operation: push, from: ./d, to: g:x } }`,
      ),
    ).toEqual([expect.stringContaining('remotes.a.port')]);
  });
});
