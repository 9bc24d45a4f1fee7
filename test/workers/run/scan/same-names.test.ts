/** How it is found out which names are one to the destination, and what that costs. */
import { expect, test } from 'vitest';
import { FerryError } from '../../../../src/core/errors.js';
import type { Endpoint } from '../../../../src/endpoints/endpoint.js';
import type { Scope } from '../../../../src/jobs/plan/filter.js';
import { NameFacts } from '../../../../src/workers/run/remembered/name-facts.js';
import { SameNames } from '../../../../src/workers/run/scan/same-names.js';
import { setting } from '../../../kit/planning.js';
import { memoryEndpoint } from '../../../kit/servers/memory.js';

const { signal } = new AbortController();
const names = (list: string) =>
  list.split(' ').flatMap((name) => (name === '' ? [] : [{ name, ...file }]));
const file = { kind: 'file', size: 1, mtime: 1_700_000_000, mode: 0o644 } as const;

interface Given {
  readonly ignoresCase?: boolean;
  readonly mayProbe?: boolean;
  readonly known?: NameFacts;
  /** What the side refuses. */
  readonly refuses?: 'open' | 'stat';
  /** Whether the root exists. */
  readonly hasRoot?: boolean;
}

/** Plans a folder whose sides list these names; the destination has its names in truth, too. */
async function planned(source: string, destination: string, given: Given = {}) {
  const { ignoresCase = false, mayProbe = true, known, refuses, hasRoot = true } = given;
  const tree = Object.fromEntries(names(destination).map(({ name }) => [name, 'x']));
  const memory = memoryEndpoint({ ignoresCase, tree });
  const asked: string[] = [];
  const watched: Endpoint = {
    ...memory,
    stat: async (path, s) => {
      asked.push(`stat ${path}`);
      if (refuses === 'stat') throw new FerryError('io', 'refused', { path });
      return path === '' && !hasRoot ? undefined : memory.stat(path, s);
    },
    open: async (path, ...rest) => {
      asked.push('open');
      if (refuses === 'open') throw new FerryError('io', 'refused', { path });
      return memory.open(path, ...rest);
    },
  };
  const sides = { endpoint: watched, elsewhere: () => watched };
  const sameNames = new SameNames({
    ...{ destination: sides, ...(mayProbe ? { writer: '0123456789ab' } : {}) },
    ...(known === undefined ? {} : { known }),
  });
  const { rules, scope } = setting({ operation: 'mirror' });
  const pair = { path: '', from: '', source: names(source), destination: names(destination) };
  const plan = await sameNames.plan(pair, scope as Scope, rules, signal);
  const did = plan.actions.map((it) => `${it.action} ${it.path}`);
  const conflicts = plan.conflicts.map(({ path }) => `conflict ${path}`);
  return {
    plan: [...did, ...conflicts],
    asked,
    left: Object.keys(memory.tree()),
    ofPlan: plan,
  };
}

test.each<[string, string, string, Given, string[]]>([
  ['names that do not fold together', 'a b', 'a c', {}, ['delete c', 'copy b']],
  ['names that both sides have', 'a A', 'a A', {}, []],
  ['two that the destination lists', 'a', 'a A', {}, ['delete A']],
  [
    'both forms at the source alone',
    '\u00e9 e\u0301',
    '',
    {},
    ['conflict e\u0301', 'conflict \u00e9'],
  ],
])('nothing is asked for %s', async (_what, source, destination, given, plan) => {
  const found = await planned(source, destination, given);
  expect(found.plan).toEqual(plan);
  expect(found.asked).toEqual([]);
});

test.each<[string, string, string, Given, string[]]>([
  ['another case, which counts', 'A', 'a', {}, ['copy A', 'delete a']],
  ['another case, which does not', 'A', 'a', { ignoresCase: true }, ['attrs A']],
  ['two at the source, which are two', 'A a', 'a', {}, ['copy A']],
  [
    'two at the source, which are one',
    'A a',
    'a',
    { ignoresCase: true },
    ['conflict A', 'conflict a'],
  ],
  ['another form, which counts', '\u00e9', 'e\u0301', {}, ['conflict e\u0301', 'conflict \u00e9']],
])(
  'the destination is looked at, in a dry run too: %s',
  async (_what, source, there, given, plan) => {
    for (const mayProbe of [true, false]) {
      const found = await planned(source, there, { ...given, mayProbe });
      expect(found.plan).toEqual(plan);
      expect(found.asked).toEqual([expect.stringContaining('stat ')]);
    }
  },
);

test.each([
  [false, true, ['copy A', 'copy a']],
  [true, true, ['conflict A', 'conflict a']],
  [false, false, ['copy A', 'copy a']],
] as const)(
  'two new names: a file of ours shows whether case is ignored (%s), where the root is (%s)',
  async (ignoresCase, hasRoot, plan) => {
    const known = new NameFacts();
    const found = await planned('A a', '', { ignoresCase, hasRoot, known });
    expect(found.plan).toEqual(plan);
    expect(found.left).toEqual([]);
    expect(known.ignoresCase).toBe(ignoresCase);
  },
);

test('two new names in a dry run: what was learnt, else a conflict that says so', async () => {
  const unknown = await planned('A a', '', { mayProbe: false });
  expect(unknown.plan).toEqual(['conflict A', 'conflict a']);
  expect(unknown.asked).toEqual([]);
  const known = new NameFacts();
  known.ignoresCase = false;
  const learnt = await planned('A a', '', { mayProbe: false, known });
  expect(learnt.plan).toEqual(['copy A', 'copy a']);
});

test.each<[string, string, Given]>([
  ['A a', '', { refuses: 'open' }],
  ['A', 'a', { refuses: 'stat' }],
])(
  'what can’t be found out is a conflict, and nothing is deleted: %s, %s',
  async (source, there, given) => {
    const { ofPlan } = await planned(source, there, given);
    expect(ofPlan.actions).toEqual([]);
    expect(ofPlan.conflicts.map(({ message }) => message)).toEqual([
      expect.stringContaining('only a run that can write there'),
      expect.stringContaining('only a run that can write there'),
    ]);
  },
);

test('a Unicode form that several names have shown to be ignored is not asked for again', async () => {
  const known = new NameFacts();
  for (const [nfc, nfd] of ['\u00e0', '\u00e8', '\u00ec'].map((it) => [it, it.normalize('NFD')]))
    expect((await planned(nfc as string, nfd as string, { known })).plan).toHaveLength(2);
  expect(known.ignoresForm).toBe(false); // memory tells forms apart
  for (let i = 0; i < 3; i++) known.sawForm();
  const found = await planned('\u00e9', 'e\u0301', { known });
  expect(found).toMatchObject({ plan: [], asked: [] });
});
