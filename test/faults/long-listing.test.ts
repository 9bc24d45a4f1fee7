/** Row 37 of the fault matrix, through the built CLI: a folder of a million entries, and one without end. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { measured } from '../kit/daemons/usage.js';
import { readTree } from '../kit/files/tree.js';
import { openScene, type Scene } from '../kit/scene.js';
import { longListing } from '../kit/servers/hostile-replies.js';
import { type Evil, startEvil } from '../kit/servers/hostile-server.js';

let evil: Evil;
let scene: Scene;

beforeEach(async () => {
  evil = await startEvil();
  scene = await openScene(evil);
});
afterEach(() => evil.stop());

const old = { 'd/b': 'old b', gone: 'gone' };

describe('row 37: very long listings', () => {
  test('a million entries at the destination: 0', async () => {
    scene.writeHere({ a: 'a' });
    scene.writeThere({ 'd/old': 'old' });
    await scene.jobs({ operation: 'push' });
    evil.behave = longListing(`/${scene.place}`, 1_000_000);
    const { env, usage } = await measured();
    const { code, stderr } = await scene.cli(['run', 'job', '--json'], { env });
    expect(code, stderr).toBe(0);
    expect(usage().memory).toBeLessThan(1_000);
    expect(readTree(scene.there())).toEqual({ a: 'a', 'd/old': 'old' });
  }, 120_000);

  test.each(['up', 'down'] as const)(
    'a listing without end, %s: 9, nothing deleted',
    async (way) => {
      scene.writeHere(way === 'up' ? { a: 'a' } : old);
      scene.writeThere(way === 'up' ? old : { a: 'a' });
      const down = { from: `archive:${scene.place}`, to: './data' };
      await scene.jobs({ delete: { max: '100%' }, ...(way === 'up' ? {} : down) });
      evil.behave = longListing(`/${scene.place}`);
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
    120_000,
  );
});
