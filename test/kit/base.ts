/**
 * `test` with what most tests through the command line need: an sshd and a Redis for the file; a scene
 * and a hostile server for each test. Each is started for the first test that names it, and ends by itself.
 */
import { test as base } from 'vitest';
import { openScene } from './scene.js';
import { startHostileServer } from './servers/hostile-server.js';
import { startRedis } from './servers/redis.js';
import { type SshdOptions, startSshd } from './servers/sshd.js';
import { openSlowScene } from './slow-scene.js';

/** For `test.extend`: one for all tests of the file. */
export const forFile = { scope: 'file' } as const;

/** For `test.extend`: starts a server when a test first names it, and stops it with its scope. */
export function started<S extends { stop(): Promise<unknown> }>(start: () => Promise<S>) {
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads here that it needs no other fixture
  return async ({}, scope: { onCleanup(end: () => Promise<void>): void }): Promise<S> => {
    const server = await start();
    scope.onCleanup(async () => {
      await server.stop();
    });
    return server;
  };
}

/** As `test`, with an sshd of these options. */
export function withSshd(options: SshdOptions = {}) {
  return base
    .extend(
      'sshd',
      forFile,
      started(() => startSshd(options)),
    )
    .extend(
      'redis',
      forFile,
      started(() => startRedis()),
    )
    .extend(
      'hostile',
      started(() => startHostileServer()),
    )
    .extend('scene', ({ sshd }) => openScene(sshd))
    .extend('slowScene', ({ sshd }) => openSlowScene(sshd));
}

export const test = withSshd();

/** As `test`, with the scene on the hostile server, of which each test has its own. */
export const hostileTest = test.extend('scene', ({ hostile }) => openScene(hostile));
