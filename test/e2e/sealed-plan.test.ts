/** `plan --out` and `apply`: exactly the sealed plan is carried out, or nothing. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { test } from '../kit/base.js';
import { readTree, sameTree } from '../kit/files/tree.js';
import type { Scene } from '../kit/scene.js';

let file: string;

test.beforeEach(async ({ scene }) => {
  file = join(scene.cwd, 'plan.json');
});

const seal = (scene: Scene, ...flags: string[]) =>
  scene.cli(['plan', 'job', '--out', file, ...flags]);
const apply = (scene: Scene, ...flags: string[]) => scene.cli(['apply', file, ...flags]);

test('a sealed plan names its actions, and is carried out', async ({ scene }) => {
  scene.writeHere({ a: 'a', 'b/c': 'c' });
  expect((await seal(scene)).code).toBe(0);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
    ferryline: 'plan/1',
    job: 'job',
    refused: null,
    digest: expect.stringMatching(/^[0-9a-f]{64}$/),
    mkdirs: [{ path: 'b' }],
    copies: [{ path: 'a' }, { path: 'b/c' }],
    deletes: [],
  });
  expect((await apply(scene)).code).toBe(0);
  expect(sameTree(scene.here(), scene.there())).toBe(true);
});

test.for(['here', 'there'] as const)(
  'a side that drifted %s: 7, nothing done',
  async (side, { scene }) => {
    scene.writeHere({ a: 'a' });
    scene.writeThere({ old: 'old', kept: 'kept' });
    scene.mirrored();
    scene.writeHere({ kept: 'kept' });
    await seal(scene);
    if (side === 'here') scene.writeHere({ a: 'longer' });
    else scene.writeThere({ old: 'older still' });
    const before = readTree(scene.there());
    const { code, stderr } = await apply(scene);
    expect([code, stderr]).toEqual([7, expect.stringContaining('changed since the plan was made')]);
    expect(readTree(scene.there())).toEqual(before);
  },
);

test('a plan the guard refuses is sealed too, and needs --approve', async ({ scene }) => {
  scene.writeHere({ kept: 'kept' });
  scene.writeThere({ kept: 'kept', a: 'a', b: 'b', c: 'c' });
  scene.mirrored();
  expect((await seal(scene)).code).toBe(7);
  expect((await apply(scene)).code).toBe(7);
  expect(Object.keys(readTree(scene.there()))).toHaveLength(4);
  expect((await apply(scene, '--approve')).code).toBe(0);
  expect(sameTree(scene.here(), scene.there())).toBe(true);
});

test('flags are sealed with the plan', async ({ scene }) => {
  scene.writeHere({ a: 'a', 'b.tmp': 'b' });
  await seal(scene, '--exclude', '*.tmp');
  expect((await apply(scene)).code).toBe(0);
  expect(readTree(scene.there())).toEqual({ a: 'a' });
});

test.for(['', '{}', '{"ferryline":"plan/2"}'])('%j is not a plan: 2', async (text, { scene }) => {
  writeFileSync(file, text);
  expect((await apply(scene)).code).toBe(2);
});
