/**
 * A file that is rewritten with the same size in the second in which it was copied: size and whole
 * seconds are then the same on both sides, and later runs must still notice the change.
 */
import {
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { test } from '../kit/base.js';
import { startFerryline } from '../kit/daemons/cli.js';
import { eventually } from '../kit/daemons/daemon.js';
import { mtimeOf } from '../kit/files/tree.js';
import type { Scene } from '../kit/scene.js';

/** Writes another text and keeps the mtime's second; `fraction` is the new part of that second. */
function rewrite(path: string, text: string | Buffer, fraction: number): void {
  const second = Math.floor(statSync(path).mtimeMs / 1000);
  writeFileSync(path, text);
  utimesSync(path, second + fraction, second + fraction);
}

const secondOf = (path: string) => Math.floor(statSync(path).mtimeMs / 1000);
const doubtful = (scene: Scene) => {
  const folder = join(scene.cwd, '.state/doubts');
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return names.flatMap((name) =>
    readFileSync(join(folder, name), 'utf8').split('\n').filter(Boolean),
  );
};

/** Seconds since the epoch, a minute ahead, so that a slow test stays within the second. */
const soon = () => Math.floor(Date.now() / 1000) + 60;

describe.each(['push', 'mirror'])('%s', (operation) => {
  test('what was rewritten is copied by the next run, and then there is nothing to do', async ({
    scene,
  }) => {
    await scene.jobs({ operation });
    scene.writeHere({ f: 'one', g: 'other' }, { mtime: soon() + 0.25 });
    expect((await scene.run()).report.files).toMatchObject({ copied: 2 });
    expect(mtimeOf(scene.there(), 'f')).toBe(secondOf(scene.here('f')));
    rewrite(scene.here('f'), 'two', 0.75);
    expect((await scene.run()).report.files).toMatchObject({ copied: 1, unchanged: 1 });
    expect(readFileSync(scene.there('f'), 'utf8')).toBe('two');
    expect((await scene.run()).events.map(({ event }) => event)).toEqual(['plan', 'run']);
  });
});

describe('pull', () => {
  test.beforeEach(async ({ scene }) => {
    await scene.jobs({ operation: 'pull', from: `archive:${scene.place}`, to: './data' });
  });

  test('what was rewritten is copied by the next run, and then there is nothing to do', async ({
    scene,
  }) => {
    scene.writeThere({ f: 'one', g: 'other' }, { mtime: soon() });
    expect((await scene.run()).report.files).toMatchObject({ copied: 2 });
    expect(mtimeOf(scene.here(), 'f')).toBe(secondOf(scene.there('f')));
    rewrite(scene.there('f'), 'two', 0);
    expect((await scene.cli(['explain', 'job', 'f'])).stdout).toContain('compared by content');
    expect((await scene.run()).report.files).toMatchObject({ copied: 1, unchanged: 1 });
    expect(readFileSync(scene.here('f'), 'utf8')).toBe('two');
    expect((await scene.run()).events.map(({ event }) => event)).toEqual(['plan', 'run']);
  });

  test('existing: newer lets the later one in, too', async ({ scene }) => {
    await scene.jobs({
      ...{ operation: 'pull', from: `archive:${scene.place}`, to: './data', existing: 'newer' },
    });
    scene.writeThere({ f: 'one' }, { mtime: soon() });
    await scene.run();
    rewrite(scene.there('f'), 'two', 0);
    await scene.run();
    expect(readFileSync(scene.here('f'), 'utf8')).toBe('two');
  });

  test('what a killed run has read of it is not resumed', async ({ scene }) => {
    const size = 48 * 1024 * 1024;
    scene.writeThere({ f: Buffer.alloc(size, 1) }, { mtime: soon() });
    const killed = startFerryline(['run', 'job', '--bwlimit', '20MiB/s'], { cwd: scene.cwd });
    // enough to resume from: all but the last 32 MiB can be
    await eventually(() => {
      const found = existsSync(scene.here()) ? readdirSync(scene.here()) : [];
      return found.some((name) => statSync(scene.here(name)).size > 36 * 1024 * 1024);
    });
    killed.child.kill('SIGKILL');
    await killed.ended;
    rewrite(scene.there('f'), Buffer.alloc(size, 2), 0);
    expect((await scene.run()).report.files).toMatchObject({ copied: 1 });
    expect(readFileSync(scene.here('f')).equals(Buffer.alloc(size, 2))).toBe(true);
  });

  test('a doubt ends with the first run that finds nothing changed after the second is over', async ({
    scene,
  }) => {
    scene.writeThere({ f: 'one' });
    await scene.run();
    if (doubtful(scene).length > 0)
      await eventually(async () => {
        expect((await scene.run()).report.files).toMatchObject({ copied: 0, unchanged: 1 });
        return doubtful(scene).length === 0;
      });
    expect(doubtful(scene)).toEqual([]);
  });
});

test('files changed long before leave no trace', async ({ scene }) => {
  await scene.jobs({ operation: 'push' });
  scene.writeHere({ f: 'one' }, { mtime: 1_700_000_000.5 });
  await scene.run();
  expect(readdirSync(join(scene.cwd, '.state'))).not.toContain('doubts');
});
