/** Rows 37 and 62 of docs/faults.md, through the built CLI: very long listings, and what has no end. */
import { describe, expect } from 'vitest';
import { hostileTest as test } from '../kit/base.js';
import { measured } from '../kit/daemons/usage.js';
import { readTree } from '../kit/files/tree.js';
import type { Scene } from '../kit/scene.js';
import { emptyListing, endlessDepth, longListing } from '../kit/servers/hostile-replies.js';

/** FERRYLINE_TEST_ENTRIES=1000000 makes it the million of the row, for some seconds more. */
const entries = Number(process.env.FERRYLINE_TEST_ENTRIES ?? 200_000);
const old = { 'd/b': 'old b', gone: 'gone' };

describe('row 37: very long listings', () => {
  test(`${entries} entries at the destination: 0`, async ({ scene, hostile }) => {
    scene.writeHere({ a: 'a' });
    scene.writeThere({ 'd/old': 'old' });
    await scene.jobs({ operation: 'push' });
    hostile.behave = longListing(`/${scene.place}`, entries);
    const { env, usage } = await measured();
    const { code, stderr } = await scene.cli(['run', 'job', '--json'], { env });
    expect(code, stderr).toBe(0);
    expect(usage().memory).toBeLessThan(1_000);
    expect(readTree(scene.there())).toEqual({ a: 'a', 'd/old': 'old' });
  }, 120_000);

  test.for(['up', 'down'] as const)(
    'a listing without end, %s: 9, nothing deleted',
    { timeout: 120_000 },
    async (way, { scene, hostile }) => {
      scene.writeHere(way === 'up' ? { a: 'a' } : old);
      scene.writeThere(way === 'up' ? old : { a: 'a' });
      const down = { from: `archive:${scene.place}`, to: './data' };
      await scene.jobs({ delete: { max: '100%' }, ...(way === 'up' ? {} : down) });
      hostile.behave = longListing(`/${scene.place}`);
      const { env, usage } = await measured();
      const { code, events, stderr } = await scene.cli(['run', 'job', '--json'], { env });
      expect(code, stderr).toBe(9);
      expect(events.at(-1)).toMatchObject({
        error: { kind: 'hostile-peer', message: expect.stringContaining('does not end') },
        files: { deleted: 0 },
      });
      expect(usage().memory).toBeLessThan(1_000);
      expect(readTree(way === 'up' ? scene.there() : scene.here())).toEqual(old);
    },
  );
});

describe('row 62: without end', () => {
  const mirrored = async (scene: Scene) => {
    scene.writeHere(old);
    scene.writeThere({ a: 'a' });
    const from = { from: `archive:${scene.place}`, to: './data' };
    await scene.jobs({ ...from, delete: { max: '100%' } });
    const { env, usage } = await measured();
    const { code, events, stderr } = await scene.cli(['run', 'job', '--json'], { env });
    expect(code, stderr).toBe(9);
    expect(usage().memory).toBeLessThan(512);
    expect(readTree(scene.here())).toEqual(old);
    return events.at(-1)?.error.message as string;
  };

  test.for([{ names: [] }, { names: ['.', '..'] }])(
    'answers that hold $names: 9, nothing deleted',
    async ({ names }, { scene, hostile }) => {
      hostile.behave = emptyListing(`/${scene.place}`, ...names);
      expect(await mirrored(scene)).toContain('does not end');
    },
  );

  test.for([1, 5])(
    '%d folders in each folder: 9, nothing deleted',
    async (width, { scene, hostile }) => {
      hostile.behave = endlessDepth('/', width);
      expect(await mirrored(scene)).toContain('more than 256 deep');
    },
  );
});
