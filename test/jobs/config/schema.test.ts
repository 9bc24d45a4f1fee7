import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { jsonSchema } from '../../../src/jobs/config/schema.js';

const read = (name: string) => readFileSync(new URL(`../../../${name}`, import.meta.url), 'utf8');

type Node = Readonly<Record<string, unknown>>;

/** Every `properties` entry of a schema, with its path. */
function* keysOf(node: unknown, path = ''): Generator<[string, Node]> {
  if (typeof node !== 'object' || node === null) return;
  for (const [word, value] of Object.entries(node)) {
    if (word !== 'properties') yield* keysOf(value, path);
    else {
      for (const [key, inner] of Object.entries(value as Readonly<Record<string, Node>>)) {
        yield [`${path}.${key}`, inner];
        yield* keysOf(inner, `${path}.${key}`);
      }
    }
  }
}

describe('the schema', () => {
  it('describes every key', () => {
    const keys = [...keysOf(jsonSchema())];
    expect(keys.length).toBeGreaterThan(60);
    expect(keys.filter(([, { description }]) => !description).map(([path]) => path)).toEqual([]);
  });

  it('says of every planned key that it is refused so far', () => {
    const planned = [...keysOf(jsonSchema())].filter(([, { not }]) => not !== undefined);
    expect(planned.map(([path]) => path.split('.').at(-1))).toEqual(
      expect.arrayContaining(['release', 'temp', 'expect', 'once']),
    );
    for (const [, { description }] of planned)
      expect(description).toMatch(/^Planned, refused so far: /);
  });
});

describe("the editor's schema", () => {
  const schema = z.fromJSONSchema(jsonSchema() as Parameters<typeof z.fromJSONSchema>[0]);
  const accepts = (text: string) => schema.safeParse(parse(text)).success;

  it('accepts the jobs.yml at the top, variables and all', () =>
    expect(accepts(read('jobs.yml'))).toBe(true));

  it.each([
    ['remotes: { a: { host: h, port: "${PORT}" } }', true],
    ['x-common: { any: [1] }\njobs: {}', true],
    ['y-common: {}\njobs: {}', false],
    ['remotes: { a: { host: h, port: "22" } }', false],
    ['remotes: { a: { host: h, prot: 22 } }', false],
    ['remotes: { a: {} }', false],
    ['remotes: { a: { host: h, auth: { agent: "${AGENT}" } } }', true],
    ['jobs: { a: { operation: push, from: a, to: b } }', true],
    ['jobs: { a: { operation: move, from: a, to: b } }', false],
    ['jobs: { a: { operation: push, from: a, to: b, exclude: [x] } }', true],
    ['jobs: { a: { operation: push, from: a, to: b, watch: { rescan: 2s }, settle: 2s } }', true],
    ['jobs: { a: { operation: push, from: a, to: b, trash: false, timeout: false } }', true],
    ['jobs: { a: { operation: false, from: a, to: b } }', false],
    ['jobs: { a: { operation: push, from: a, to: b, temp: false } }', false],
    ['remotes: { a: { host: h, auth: ~/.ssh/key, hostKey: false } }', true],
    ['jobs: { a: { operation: push, from: a, to: b, timeout: 5 } }', false],
    ['jobs: { a: { operation: push, from: a, to: b, compare: once } }', false],
    ['defaults: { remotes: { port: 23 }, jobs: { delete: 50% } }', true],
    ['defaults: { jobs: { operation: push } }', false],
    ['queue: mysql://x', false],
  ])('%s: %j', (text, accepted) => expect(accepts(text)).toBe(accepted));
});
