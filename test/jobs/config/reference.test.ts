/** The reference of jobs.yml: complete, and true. */
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { allKeyNames, findKeys } from '../../../src/jobs/config/find-keys.js';
import { ConfigProblems } from '../../../src/jobs/config/problems.js';
import { reference } from '../../../src/jobs/config/reference.js';
import { referencePage } from '../../../src/jobs/config/reference-page.js';
import { everybody, uses } from '../../../src/jobs/config/reference-uses.js';
import { jsonSchema } from '../../../src/jobs/config/schema.js';
import { jobKeyNameOf, keyNameOf } from '../../../src/jobs/config/schema-keys.js';
import { load } from '../../kit/loading.js';

type Node = Readonly<Record<string, unknown>>;
type Map = Record<string, unknown>;

const sections = reference();
const keys = sections.flatMap((section) =>
  section.keys.map((key) => ({
    ...key,
    section,
    place: [...section.place, ...key.path].join('.'),
  })),
);
const usable = keys.filter(({ planned }) => !planned);
const titled = usable.map((key) => [key.place, key] as const);

/** Every key of the editor's schema by its path, names of remotes and jobs left out. */
function* inSchema(node: unknown, path: string): Generator<[string, Node]> {
  if (typeof node !== 'object' || node === null) return;
  for (const [word, value] of Object.entries(node)) {
    if (word === 'examples' || word === 'default') continue;
    if (word !== 'properties') yield* inSchema(value, path);
    else
      for (const [key, inner] of Object.entries(value as Readonly<Record<string, Node>>)) {
        const at = path === '' ? key : `${path}.${key}`;
        yield [at, inner];
        yield* inSchema(inner, at);
      }
  }
}

/** The paths of the keys that a map of the schema requires. */
function* requiredIn(node: unknown, path: string): Generator<string> {
  if (typeof node !== 'object' || node === null) return;
  for (const [word, value] of Object.entries(node)) {
    if (word === 'required') for (const key of value as string[]) yield `${path}.${key}`;
    else if (word === 'properties')
      for (const [key, inner] of Object.entries(value as object))
        yield* requiredIn(inner, path === '' ? key : `${path}.${key}`);
    else if (word !== 'examples' && word !== 'default') yield* requiredIn(value, path);
  }
}

const requiredKeys = new Set(requiredIn(jsonSchema(), ''));
const schemaKeys = new Map<string, Node>(inSchema(jsonSchema(), ''));
test('it has every key of the schema', () => {
  const refused = keys.filter(({ planned }) => planned).map((key) => `${key.name}.`);
  const all = [...schemaKeys.keys()]
    .filter((name) => !/^defaults\..*\./.test(name))
    .filter((name) => !refused.some((above) => name.startsWith(above)));
  expect(all.sort()).toEqual([...new Set(keys.map(({ name }) => name))].sort());
});

test.each(titled)('%s says what it does, what it takes, and its default', (_name, key) => {
  expect(key.text).toMatch(/^[\w`"].*\.$/s);
  expect(key.text).not.toContain('Default');
  expect(key.takes).not.toContain('undefined');
  expect(key.default).not.toBe('');
  expect(key.examples.length).toBeGreaterThan(0);
});

test('only what a map can’t be without has no default', () => {
  const without = usable.filter((key) => key.default === undefined).map(({ name }) => name);
  const required = usable.map(({ name }) => name).filter((name) => requiredKeys.has(name));
  expect(required).toContain('remotes.host');
  expect([...new Set(without)].sort()).toEqual([...new Set(required)].sort());
});

describe('every example loads:', () => {
  /** What else a key needs. */
  const beside: Readonly<Record<string, Map>> = {
    'jobs.settle': { watch: true },
    'api.listen': {
      api: { tokens: { wall: { role: 'view', token: 'of-at-least-20-characters' } } },
    },
    'api.tokens.role': { token: 'of-at-least-20-characters' },
    'api.tokens.token': { role: 'view' },
    ...Object.fromEntries(
      ['format', 'secret', 'on', 'failures', 'wait', 'remind', 'group', 'quiet', 'quiet.hours']
        .concat('quiet.timezone')
        .map((key) => [`notify.${key}`, { webhook: 'https://hooks.example/x' }]),
    ),
    'notify.email': { smtp: 'smtp://mail.example' },
    'notify.smtp': { email: 'ops@example.com' },
    'notify.from': { email: 'ops@example.com', smtp: 'smtp://mail.example' },
    'remotes.auth.passphrase': { auth: { key: '~/.ssh/id_ed25519' } },
  };
  const examples = usable.flatMap((key) => key.examples.map((example) => [example, key] as const));

  test.each(examples)('%s', (example, key) => {
    const given = merged(beside[key.name] ?? {}, parse(example) as Map);
    const base = {
      secrets: { bank: ['cat', 'bank'] },
      remotes: {
        archive: { host: 'h' },
        bastion: { host: 'b' },
        web1: { host: 'w1' },
        web2: { host: 'w2' },
      },
      jobs: { nightly: { operation: 'push', from: './data', to: 'archive:data' } },
      ...(key.name === 'jobs.notify' && { notify: { ops: { webhook: 'https://hooks.example' } } }),
    };
    const placed = key.section.place
      .toReversed()
      .reduce<Map>((inner, step) => ({ [step]: inner }), given);
    const text = JSON.stringify(merged(base, placed));
    expect(() => load(text, { readFile: () => 'secret-of-24-characters!' })).not.toThrow();
  });

  function merged(under: Map, over: Map): Map {
    const all = { ...under };
    for (const [key, value] of Object.entries(over))
      all[key] = isMap(all[key]) && isMap(value) ? merged(all[key], value) : value;
    return all;
  }

  function isMap(value: unknown): value is Map {
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  }
});

describe('for editors', () => {
  const named = new Map(usable.map((key) => [key.name, key]));
  const standards = [...schemaKeys].filter(
    ([name, { default: standard }]) => named.has(name) && standard !== undefined,
  );

  test.each(standards)(
    'the default of %s is the one of the text',
    (name, { default: standard }) => {
      expect(parse(named.get(name)?.default ?? '')).toEqual(standard);
    },
  );

  test('there are defaults and examples', () => {
    expect(standards.length).toBeGreaterThan(25);
    expect(schemaKeys.get('remotes.port')).toMatchObject({ default: 22, examples: [2222] });
    const without = [...named.keys()].filter(
      (name) => schemaKeys.get(name)?.examples === undefined,
    );
    expect(without).toEqual([]);
  });
});

describe('the page', () => {
  const page = referencePage();
  const names = allKeyNames();

  test('has every key once, with an anchor of its name', () => {
    expect(new Set(names).size).toBe(names.length);
    const anchors = [...page.matchAll(/<a id="([^"]+)">/g)].map(([, name]) => name);
    expect(anchors.sort()).toEqual([...names].sort());
    expect(page).not.toMatch(/\[object|undefined/);
  });

  test('has every section, and every key that is refused so far', () => {
    for (const { section } of keys) expect(page).toContain(`\n## ${section.title}\n`);
    expect(page).toContain('`jobs.order`: in which order files are copied.\n');
  });

  test('has tables of three tiers, each key in one of them, each with keys that exist', () => {
    const tiers = page.slice(0, page.indexOf('\n## Top level'));
    const rows = [...tiers.matchAll(/^\| \[`([^`]+)`\]\(#\1\) \|/gm)].map(([, name]) => name);
    const outer = usable.filter(({ path }) => path.length === 1).map(({ name }) => name);
    expect(rows.sort()).toEqual([...outer].sort());
    const listed = [...everybody, ...uses.flatMap((use) => use.keys)];
    expect(listed.filter((name) => !names.includes(name))).toEqual([]);
  });
});

describe('a key is found', () => {
  test.each([
    [['jobs', 'nightly', 'delete', 'max'], 'jobs.delete.max'],
    [['jobs', 'delete', 'exclude', 3], 'jobs.exclude'],
    [['jobs', 'nightly', 'nonsense'], 'jobs'],
    [['defaults', 'jobs', 'trash', 'keep'], 'jobs.trash.keep'],
    [['defaults', 'nonsense'], 'defaults'],
    [['remotes', 'a', 'bandwidth', 'windows', 0, 'hours'], 'remotes.bandwidth.windows.hours'],
    [['groups', 'web', 0], 'groups'],
    [['constructor'], undefined],
    [['jobs', 'a', 'constructor'], 'jobs'],
    [[], undefined],
  ])('by its path %j: %s', (path, name) => expect(keyNameOf(path)).toBe(name));

  test('by a path below a job, which a flag has', () =>
    expect(jobKeyNameOf(['delete', 'max'])).toBe('jobs.delete.max'));

  test.each([
    ['jobs.delete.max', ['jobs.delete.max']],
    ['jobs.nightly.exclude[2]', ['jobs.exclude']],
    ['bandwidth', ['bandwidth']],
    ['port', ['remotes.port']],
    ['delete.max', ['jobs.delete.max']],
    ['trash.keep', ['jobs.trash.keep']],
  ])('as one types it: %s', (typed, found) => {
    expect(findKeys(typed).map(({ key }) => key.name)).toEqual(found);
  });

  test('a word that is no key is none', () => expect(findKeys('jobs.nonsense')).toEqual([]));

  test.each([
    ['remotes', 'remotes.port', 'remotes.auth.key'],
    ['jobs.delete', 'jobs.delete.max', 'jobs.trash.dir'],
    ['bandwidth', 'bandwidth.windows', 'jobs.bandwidth'],
  ])('with those below it: %s', (typed, below, other) => {
    const names = findKeys(typed).flatMap((found) => found.below.map(({ name }) => name));
    expect(names).toContain(below);
    expect(names).not.toContain(other);
  });
});

describe('an error of jobs.yml names where its keys are explained', () => {
  const hintOf = (text: string) => {
    try {
      load(text);
    } catch (error) {
      return (error as { hint?: string }).hint;
    }
    return undefined;
  };

  test.each([
    ['one key', 'remotes: { a: { host: h, port: 0 } }', ['remotes.port']],
    ['an unknown key', 'remotes: { a: { host: h, prot: 22 } }', ['remotes']],
    ['a planned key', 'jobs: { a: { operation: push, from: a, to: b, temp: {} } }', ['jobs.temp']],
  ])('%s', (_what, text, [name]) => {
    expect(hintOf(text)).toBe(
      `\`ferryline schema ${name}\` explains the key, as docs/jobs-yml.md#${name} does`,
    );
    expect(referencePage()).toContain(`<a id="${name}"></a>`);
  });

  test('several keys, and a file without any', () => {
    expect(hintOf('remotes: { a: { port: 0, root: 5 } }')).toBe(
      '`ferryline schema remotes.host remotes.port remotes.root` explains the keys, as docs/jobs-yml.md does',
    );
    expect(hintOf('- a')).toContain('`ferryline schema --docs` prints every key');
  });

  test('of many keys, the first few', () => {
    const problems = new ConfigProblems();
    for (const key of ['a', 'b', 'c', 'd', 'e', 'a'])
      problems.add({ path: [key, problems.list.length], message: 'is wrong' });
    const keyName = ([key]: readonly (string | number)[]) => String(key);
    expect(() => problems.throwAny(() => '', keyName)).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('schema a b c d`') }),
    );
  });
});
