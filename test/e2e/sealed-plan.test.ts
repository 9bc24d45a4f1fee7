/** `plan --out` and `apply`: exactly the plan that was looked at, or nothing. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { readTree, sameTree } from '../kit/files/tree.js';
import { openScene, type Scene } from '../kit/scene.js';
import { type Sshd, startSshd } from '../kit/servers/sshd.js';

let sshd: Sshd;
let scene: Scene;
let file: string;

beforeAll(async () => {
  sshd = await startSshd();
});
afterAll(() => sshd.stop());
beforeEach(async () => {
  scene = await openScene(sshd);
  file = join(scene.cwd, 'plan.json');
});

const seal = (...flags: string[]) => scene.cli(['plan', 'job', '--out', file, ...flags]);
const apply = (...flags: string[]) => scene.cli(['apply', file, ...flags]);

test('a sealed plan names its actions, and is carried out', async () => {
  scene.writeHere({ a: 'a', 'b/c': 'c' });
  expect((await seal()).code).toBe(0);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
    ferryline: 'plan/1',
    job: 'job',
    refused: null,
    digest: expect.stringMatching(/^[0-9a-f]{64}$/),
    mkdirs: [{ path: 'b' }],
    copies: [{ path: 'a' }, { path: 'b/c' }],
    deletes: [],
  });
  expect((await apply()).code).toBe(0);
  expect(sameTree(scene.here(), scene.there())).toBe(true);
});

test.each(['here', 'there'] as const)('a side that drifted %s: 7, nothing done', async (side) => {
  scene.writeHere({ a: 'a' });
  scene.writeThere({ old: 'old', kept: 'kept' });
  scene.writeHere({ kept: 'kept' });
  await seal();
  if (side === 'here') scene.writeHere({ a: 'longer' });
  else scene.writeThere({ old: 'older still' });
  const before = readTree(scene.there());
  const { code, stderr } = await apply();
  expect([code, stderr]).toEqual([7, expect.stringContaining('changed since the plan was made')]);
  expect(readTree(scene.there())).toEqual(before);
});

test('a plan the guard refuses is sealed too, and needs --approve', async () => {
  scene.writeHere({ kept: 'kept' });
  scene.writeThere({ kept: 'kept', a: 'a', b: 'b', c: 'c' });
  expect((await seal()).code).toBe(7);
  expect((await apply()).code).toBe(7);
  expect(Object.keys(readTree(scene.there()))).toHaveLength(4);
  expect((await apply('--approve')).code).toBe(0);
  expect(sameTree(scene.here(), scene.there())).toBe(true);
});

test('flags are sealed with the plan', async () => {
  scene.writeHere({ a: 'a', 'b.tmp': 'b' });
  await seal('--exclude', '*.tmp');
  expect((await apply()).code).toBe(0);
  expect(readTree(scene.there())).toEqual({ a: 'a' });
});

test.each(['', '{}', '{"ferryline":"plan/2"}'])('%j is no plan: 2', async (text) => {
  writeFileSync(file, text);
  expect((await apply()).code).toBe(2);
});
