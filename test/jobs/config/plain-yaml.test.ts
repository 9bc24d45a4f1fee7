/** The plain reader is never of another opinion than yaml. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseAny } from '../../../src/jobs/config/document.js';
import { plainValues } from '../../../src/jobs/config/plain-yaml.js';
import { ConfigProblems } from '../../../src/jobs/config/problems.js';

/** What yaml makes of a text; undefined if it finds anything wrong. */
function byYaml(text: string): unknown {
  const problems = new ConfigProblems();
  const document = parseAny(text, problems, 0);
  return problems.under() ? undefined : document?.root;
}

test('a usual jobs.yml is plain', () => {
  const text =
    `# jobs of the shop
queue: redis://127.0.0.1:6379/3

remotes:
  archive:
    host: backup.example.com
    port: 2222
    auth: # no
`.replace(' # no', '\n      key: ~/.ssh/id_ed25519') +
    `jobs:
  nightly:
    operation: mirror
    from: ./data
    to: archive:data/\${env:WHO}
    schedule: 0 2 * * 1-5
    exclude:
      - "*.tmp"
      - 'cache/'
      - logs/old
    include: [a, b/c.txt, 7]
    trash: true
    delete:
      max: 10%
    retry:
`;
  expect(plainValues(text)).toEqual(byYaml(text));
  expect(plainValues(text)).toMatchObject({
    remotes: { archive: { port: 2222, auth: { key: '~/.ssh/id_ed25519' } } },
    jobs: { nightly: { include: ['a', 'b/c.txt', 7], trash: true, retry: null } },
  });
});

describe('what is not plain is left to yaml', () => {
  test.each([
    '',
    '- a',
    'a: b: c',
    'a: b\n  c',
    'a:\n- b',
    'a: |\n  b',
    'a: &x b',
    'a: *x',
    'a: !b c',
    'a: "b\\n"',
    "a: 'b''c'",
    'a: b # c',
    'a: {b: c}',
    'a: [b, [c]]',
    'a: [b: c]',
    'a: 0x1f',
    'a: 1.5',
    'a: 1e3',
    'a: ~',
    'a: +1',
    'a: 007',
    'a: null',
    'a: True',
    'a: .inf',
    'a: b:',
    'a\n: b',
    '"a": b',
    'a: b\na: c',
    'a:\n    b: c\n  d: e',
    'a:\tb',
    'a: b\r\n',
    '---\na: b',
    'a: b\n...',
    '<<: a',
    'null: a',
    `a: ${'b'.repeat(2000)}`,
    'a: b\n'.repeat(20_000),
    '\ufeffa: b',
  ])('%j', (text) => {
    expect(plainValues(text)).toBeUndefined();
  });
});

const pieces = [
  ...['a', 'b', 'x-y', 'key', 'true', 'null', '0', '1', '12', '0.5', '1e3', '0x1', '~', '*.tmp'],
  ...[': ', ':', ' ', '  ', '    ', '\n', '\n', '\n', '\n  ', '\n    ', '- ', '-', '# ', '#', ','],
  ...['[', ']', '{', '}', '"', "'", '\\', '|', '>', '&a', '*a', '!t', '%', '@', '`', '?', '---'],
  ...[
    'a: b',
    'a:\n',
    'b:\n  ',
    '- a\n',
    '[a, b]',
    '"q"',
    "'q'",
    './d',
    '10%',
    '0 2 * * *',
    'é',
    '\t',
  ],
];

/** Checks texts, and that enough of them were plain for the check to mean something. */
function agrees(texts: fc.Arbitrary<string>, numRuns: number, mostlyPlain: number): void {
  let plain = 0;
  fc.assert(
    fc.property(texts, (any) => {
      const values = plainValues(any);
      if (values === undefined) return;
      plain++;
      expect({ any, values }).toEqual({ any, values: byYaml(any) });
    }),
    { numRuns },
  );
  expect(plain).toBeGreaterThan(numRuns * mostlyPlain);
}

test('of any text it says what yaml says, or nothing', () => {
  const text = fc.array(fc.constantFrom(...pieces), { maxLength: 24 }).map((all) => all.join(''));
  agrees(text, 20_000, 0.01);
});

test('of plain files with something put into them, or taken out, too', () => {
  const lines = [
    ...['jobs:', '  a:', '    to: b:c', '    exclude:', '      - x', '      - "*.y"', '    n: 5'],
    ...['    list: [a, b, 3]', '# c', '', '  d:', '    on: true', "    q: 'z'", 'queue: embedded'],
  ];
  const edit = fc.tuple(fc.nat(200), fc.nat(3), fc.constantFrom('', ...pieces));
  const text = fc
    .tuple(fc.subarray(lines), fc.array(edit, { maxLength: 2 }))
    .map(([chosen, edits]) =>
      edits.reduce(
        (all, [at, gone, put]) => all.slice(0, at) + put + all.slice(at + gone),
        chosen.join('\n'),
      ),
    );
  agrees(text, 20_000, 0.1);
});

test('of any one scalar, too', () => {
  const scalar = fc.oneof(
    fc.string({ unit: fc.constantFrom(...'0123456789eExo._+-~ab:/$ ,[]"\'#'), maxLength: 8 }),
    fc.string({ maxLength: 12 }),
    fc.string({ unit: 'grapheme', maxLength: 12 }),
  );
  const text = fc
    .tuple(scalar, scalar, fc.nat(3))
    .map(
      ([one, other, form]) =>
        [`a: ${one}`, `a:\n  - ${one}`, `a: [${one}, ${other}]`, `a: "${one}"`][form] as string,
    );
  agrees(text, 20_000, 0.1);
});
