/**
 * Row 20 of docs/faults.md at every step of a copy: small and large files are rewritten, grown and shrunk
 * right before one request of their copy. What is seen is sent again in the same run; what comes too late
 * for that is whole, and the next run sends it.
 */
import { mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { hostileTest as test } from '../kit/base.js';
import { sameTree } from '../kit/files/tree.js';
import { runsHere } from '../kit/run-here.js';
import { isRename } from '../kit/servers/hostile-replies.js';
import type { Asked } from '../kit/servers/hostile-server.js';

const sizes = { small: 3000, large: 700_000 };
const kinds = { rewritten: 0, grown: 5000, shrunk: -1000 };
const names = Object.keys(sizes).flatMap((size) =>
  Object.keys(kinds).map((kind) => `${kind}-${size}`),
);

/** A file's content: filled with one byte a version, so that a mixture shows. */
function content(name: string, version: number): Buffer {
  const [kind, size] = name.split('-') as [keyof typeof kinds, keyof typeof sizes];
  return Buffer.alloc(sizes[size] + (version > 1 ? kinds[kind] : 0), version);
}

function write(folder: string, name: string, version: number): void {
  writeFileSync(join(folder, name), content(name, version));
  utimesSync(join(folder, name), 1_500_000_000 + version * 1000, 1_500_000_000 + version * 1000);
}

type Point = readonly [step: string, when: (asked: Asked) => boolean, late?: 'late'];
const isOf = (type: Asked['type'], name: RegExp) => (asked: Asked) =>
  asked.type === type && name.test(asked.at);
/** Of the copy at the server, or of the source there: a path without our form. */
const part = /ferrypart$/;
const plain = /(?:small|large)$/;
const writing: readonly Point[] = [
  ['its copy is made', isOf('OPEN', part)],
  ['its first bytes are written', isOf('WRITE', part)],
  ['its last bytes are written', (asked) => isOf('WRITE', part)(asked) && asked.offset > 500_000],
  ['its attributes are set', isOf('FSETSTAT', part), 'late'],
  ['its copy is closed', isOf('CLOSE', part), 'late'],
  ['it gets its name', isRename, 'late'],
];
const reading: readonly Point[] = [
  ['it is opened', isOf('OPEN', plain)],
  ['its first bytes are read', isOf('READ', plain)],
  ['its last bytes are read', (asked) => isOf('READ', plain)(asked) && asked.offset > 500_000],
  ['it is looked at again', isOf('FSTAT', plain)],
];
const rows = (['size', 'checksum'] as const).flatMap((verify) =>
  (
    [
      ['up', writing],
      ['down', reading],
      ['between two folders of a server', reading],
    ] as const
  ).map(([way, points]) => [way, verify, points] as const),
);

test.for(rows)(
  'row 20: a change at each step, %s, verify: %s: whole, and sent, by this run or the next',
  async ([way, verify, points], { scene, hostile }) => {
    const archive = (path: string) => `archive:${scene.place}/${path}`;
    const [from, to, sides] =
      way === 'up'
        ? [scene.here(), scene.there(), {}]
        : way === 'down'
          ? [scene.there('out'), scene.here(), { from: archive('out'), to: './data' }]
          : [scene.there('out'), scene.there('in'), { from: archive('out'), to: archive('in') }];
    /** A small local file is read before its copy is made. */
    const isReadFirst = (name: string) => way === 'up' && name.endsWith('small');
    const run = await runsHere(scene, {
      operation: 'push',
      ...(way === 'down' && { operation: 'pull' }),
      ...sides,
      verify,
    });
    for (const [step, when, late] of points) {
      for (const folder of [from, to]) {
        rmSync(folder, { recursive: true, force: true });
        mkdirSync(folder, { recursive: true });
        for (const name of names) write(folder, name, folder === from ? 1 : 0);
      }
      const left = new Set(names);
      hostile.behave = (asked) => {
        const name = [...left].find((it) => `${asked.at} ${asked.to}`.includes(it));
        if (name !== undefined && when(asked)) {
          left.delete(name);
          write(from, name, 2);
        }
        return 'normal';
      };
      const { exitCode, failures } = await run();
      expect([step, exitCode, failures]).toEqual([step, 0, []]);
      for (const name of names) {
        const there = readFileSync(join(to, name));
        const [version = 0] = there;
        expect([step, name, there.equals(content(name, version))]).toEqual([step, name, true]);
        expect([1, 2]).toContain(version);
        if (late === undefined && !left.has(name) && !isReadFirst(name))
          expect([step, name, version]).toEqual([step, name, 2]);
      }
      expect([step, ...left]).toEqual([
        step,
        ...(step.includes('last bytes') ? names.slice(0, 3) : []),
      ]);
      hostile.behave = () => 'normal';
      expect((await run()).exitCode).toBe(0);
      expect([step, sameTree(from, to)]).toEqual([step, true]);
    }
  },
);
