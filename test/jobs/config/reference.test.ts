/** The reference of jobs.yml: complete, and true. */
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { reference, referencePage } from '../../../src/jobs/config/reference.js';
import { jsonSchema } from '../../../src/jobs/config/schema.js';
import { load } from '../../kit/loading.js';

type Node = Readonly<Record<string, unknown>>;
type Map = Record<string, unknown>;

const sections = reference();
const keys = sections.flatMap((section) =>
  section.keys.map((key) => ({ ...key, section, name: [...section.place, ...key.path].join('.') })),
);
const usable = keys.filter(({ planned }) => !planned);
const titled = usable.map((key) => [key.name, key] as const);

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
const schemaName = (key: (typeof keys)[number]) =>
  [...key.section.place.slice(0, 1), ...key.path].join('.');

test('it has every key of the schema', () => {
  const refused = keys.filter(({ planned }) => planned).map((key) => `${schemaName(key)}.`);
  const all = [...schemaKeys.keys()]
    .filter((name) => !/^defaults\..*\./.test(name))
    .filter((name) => !refused.some((above) => name.startsWith(above)));
  expect(all.sort()).toEqual([...new Set(keys.map(schemaName))].sort());
});

test.each(titled)('%s says what it does, what it takes, and its default', (_name, key) => {
  expect(key.text).toMatch(/^[\w`"].*\.$/s);
  expect(key.text).not.toContain('Default');
  expect(key.takes).not.toContain('undefined');
  expect(key.default).not.toBe('');
  expect(key.examples.length).toBeGreaterThan(0);
});

test('only what a map can’t be without has no default', () => {
  const without = usable.filter((key) => key.default === undefined).map(schemaName);
  const required = usable.map(schemaName).filter((name) => requiredKeys.has(name));
  expect(required).toContain('remotes.host');
  expect([...new Set(without)].sort()).toEqual([...new Set(required)].sort());
});

describe('every example loads:', () => {
  /** What else a key needs. */
  const beside: Readonly<Record<string, Map>> = {
    'jobs.settle': { watch: true },
    'remotes.auth.passphrase': { auth: { key: '~/.ssh/id_ed25519' } },
  };
  const examples = usable.flatMap((key) => key.examples.map((example) => [example, key] as const));

  test.each(examples)('%s', (example, key) => {
    const given = merged(beside[schemaName(key)] ?? {}, parse(example) as Map);
    const base = {
      secrets: { bank: ['cat', 'bank'] },
      remotes: {
        archive: { host: 'h' },
        bastion: { host: 'b' },
        web1: { host: 'w1' },
        web2: { host: 'w2' },
      },
      jobs: { nightly: { operation: 'push', from: './data', to: 'archive:data' } },
    };
    const placed = key.section.place
      .toReversed()
      .reduce<Map>((inner, step) => ({ [step]: inner }), given);
    const text = JSON.stringify(merged(base, placed));
    expect(() => load(text, { readFile: () => 'secret' })).not.toThrow();
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
  const named = new Map(usable.map((key) => [schemaName(key), key]));
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

test('the page has all of it', () => {
  const page = referencePage();
  for (const { section } of keys) expect(page).toContain(`\n## ${section.title}\n`);
  for (const { path, text, takes } of usable)
    expect(page).toContain(`### \`${path.join('.')}\`\n\n${text}\n\nTakes ${takes}. `);
  expect(page).toContain('\n- `jobs.NAME.hooks`: commands that run before and after a run.\n');
  expect(page).not.toMatch(/\[object|undefined/);
});
