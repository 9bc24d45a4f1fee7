/** Row 37 of docs/faults.md, through the built CLI: a folder of a million entries, and one without end. */
import { describe, expect } from 'vitest';
import { hostileTest as test } from '../kit/base.js';
import { measured } from '../kit/daemons/usage.js';
import { readTree } from '../kit/files/tree.js';
import { longListing } from '../kit/servers/hostile-replies.js';

const old = { 'd/b': 'old b', gone: 'gone' };

describe('row 37: very long listings', () => {
  test('a million entries at the destination: 0', async ({ scene, hostile }) => {
    scene.writeHere({ a: 'a' });
    scene.writeThere({ 'd/old': 'old' });
    await scene.jobs({ operation: 'push' });
    hostile.behave = longListing(`/${scene.place}`, 1_000_000);
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
