/**
 * Row 16 of docs/faults.md, at the server: if it refuses more than a few open files, fewer are opened at
 * once and no path fails for that. The same holds for a server that many open files slow down.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, vi } from 'vitest';
import { statusCode } from '../../src/test-server/sftp-server.js';
import { hostileTest as test } from '../kit/base.js';
import { randomBytes, sameTree } from '../kit/files/tree.js';
import type { Asked, Behave, Behaviour } from '../kit/servers/hostile-server.js';

const failure = { refuse: statusCode.FAILURE, message: 'Failure' } as const;
const opens = (asked: Asked) => asked.type === 'OPEN' || asked.type === 'OPENDIR';

const handleReply = 102;

/** Refuses to have more than `most` files and folders open at once, or more files. */
function atMost(
  most: number,
  refusal: { refuse: number; message: string } = failure,
  also: Behave = () => 'normal',
  counts = opens,
) {
  const seen = { open: 0, most: 0, refused: 0 };
  const folders = new Set<string>();
  const behave: Behave = async (asked) => {
    if (asked.type === 'CLOSE' && !folders.delete(`${asked.channel} ${asked.handle}`)) seen.open--;
    if (!opens(asked)) return 'normal';
    const other = await also(asked);
    if (other !== 'normal') return other;
    if (!counts(asked)) {
      const alter = (reply: Buffer) => {
        folders.add(`${asked.channel} ${reply.toString('latin1', 13)}`);
        return reply;
      };
      return { alter };
    }
    if (seen.open >= most) {
      seen.refused++;
      return refusal;
    }
    return opened(seen);
  };
  return { behave, seen };
}

/** Opens one more; it counts unless opening fails. */
function opened(seen: { open: number; most: number }): Behaviour {
  seen.most = Math.max(seen.most, ++seen.open);
  const alter = (reply: Buffer) => {
    if (reply[4] !== handleReply) seen.open--;
    return reply;
  };
  return { alter };
}

const small = Object.fromEntries(
  Array.from({ length: 300 }, (_, i) => [`folder-${i % 40}/file-${i}`, `content ${i}`]),
);
const large = Object.fromEntries(
  Array.from({ length: 12 }, (_, i) => [`large-${i}`, randomBytes(1_500_000, i)]),
);

describe('a server that allows few open files', () => {
  const isFile = (asked: Asked) => asked.type === 'OPEN';
  const denied = { refuse: statusCode.PERMISSION_DENIED, message: 'Permission denied' } as const;

  test.for([
    ['push', 8, 'files and folders', 'Failure', 4],
    ['pull', 8, 'files and folders', 'Failure', 4],
    ['mirror', 8, 'files', 'Too many open files', 4],
    ['push', 1, 'files and folders', 'Failure', 4],
    ['push', 8, 'files', 'Permission denied', 3],
    ['pull', 8, 'files and folders', 'Permission denied', 3],
  ] as const)(
    '%s, %i %s, "%s": slower, and everything arrives',
    async ([operation, most, what, message, refuse], { scene, hostile }) => {
      const refusal = { refuse, message };
      const { behave, seen } = atMost(most, refusal, undefined, what === 'files' ? isFile : opens);
      const tree = { ...small, ...large };
      if (operation === 'pull') scene.writeThere(tree);
      else scene.writeHere(tree);
      const from = `archive:${scene.place}`;
      await scene.jobs({ operation, ...(operation === 'pull' ? { from, to: './data' } : {}) });
      hostile.behave = behave;
      const { code, report, stderr } = await scene.run('-v');
      expect(code, stderr).toBe(0);
      expect(report.files).toMatchObject({ copied: 312, failed: 0 });
      await vi.waitFor(() => expect(seen.open).toBe(0));
      expect(seen.most).toBe(most);
      expect(seen.refused).toBeGreaterThan(0);
      expect(stderr).toMatch(/^archive: the server allows only \d+ open files/m);
      hostile.behave = () => 'normal';
      expect(sameTree(scene.here(), scene.there())).toBe(true);
    },
  );

  // what keeps one file open and needs another one must not wait for what does the same
  test.for([
    ['pull', 3, 'checksum', 0],
    ['within', 3, 'checksum', 0],
    ['within', 2, 'size', 0],
    ['within', 1, 'size', 3],
  ] as const)(
    'large files, %s, %i at once, verify: %s: the run ends, with %i',
    async ([way, most, verify, code], { scene, hostile }) => {
      const { behave, seen } = atMost(most);
      const isWithin = way === 'within';
      const names = Array.from({ length: 12 }, (_, i) => `large-${i}`);
      scene.writeThere(Object.fromEntries(names.map((name) => [name, randomBytes(150_000, 1)])));
      await scene.jobs({
        ...{ operation: isWithin ? 'push' : 'pull', from: `archive:${scene.place}`, verify },
        to: isWithin ? `archive:${scene.place}-copy` : './data',
      });
      hostile.extensions = {};
      hostile.behave = behave;
      const ended = await scene.run();
      expect(ended.code, ended.stderr).toBe(code);
      expect(ended.report.files).toMatchObject(code === 0 ? { copied: 12 } : { failed: 12 });
      expect(seen.open).toBe(0);
      const copy = isWithin ? `${scene.there()}-copy` : scene.here();
      expect(sameTree(scene.there(), copy)).toBe(code === 0);
    },
  );

  test.for([
    ['Failure', failure],
    ['Permission denied', denied],
  ] as const)(
    'a file that it refuses for another reason, "%s", fails, and nothing waits for it',
    async ([_words, refusal], { scene, hostile }) => {
      const isBad = ({ type, path }: Asked) => type === 'OPEN' && path.includes('bad-');
      const { behave } = atMost(8, refusal, (asked) => (isBad(asked) ? refusal : 'normal'));
      const bad = Array.from({ length: 30 }, (_, i) => `bad-${i}`);
      scene.writeHere({ ...small, ...Object.fromEntries(bad.map((name) => [name, name])) });
      await scene.jobs({ operation: 'push' });
      hostile.behave = behave;
      const { code, report } = await scene.run();
      expect([code, report.files.copied, report.files.failed]).toEqual([3, 300, 30]);
      expect(report.failures.map(({ path }: { path: string }) => path).sort()).toEqual(bad.sort());
    },
  );

  test('thousands that no account may read are refused once each, and no limit is looked for', async ({
    scene,
    hostile,
  }) => {
    const names = Array.from({ length: 1000 }, (_, i) => `d${i % 10}/${i}`);
    scene.writeThere(Object.fromEntries(names.map((name) => [name, name])));
    await scene.jobs({ operation: 'pull', from: `archive:${scene.place}`, to: './data' });
    hostile.behave = (asked) => (isFile(asked) && !asked.path.includes('/d0/') ? denied : 'normal');
    const { code, report, stderr } = await scene.run('-v');
    expect([code, report.files.copied, report.files.failed], stderr).toEqual([3, 100, 900]);
    // those on their way before it is known are asked for twice
    expect(hostile.requests.filter(isFile).length).toBeLessThan(1500);
    expect(stderr).not.toContain('open files');
  });

  test('one that allows none at all: 3, in the end', async ({ scene, hostile }) => {
    scene.writeHere(small);
    await scene.jobs({ operation: 'push' });
    hostile.behave = (asked) => (asked.type === 'OPEN' ? failure : 'normal');
    const { code, report } = await scene.run();
    expect([code, report.files.copied, report.files.failed]).toEqual([3, 0, 300]);
  });
});

/** Requests take time with the square of the number of open files: 3 ms with 256, a sixteenth of it with 64. */
function slowedDown() {
  const seen = { open: 0, most: 0 };
  let mostAtFirst = 0;
  let since: number | undefined;
  let due = 0;
  const behave: Behave = async (asked) => {
    due += 3 * (seen.open / 256) ** 2;
    if (due >= 1) {
      const began = performance.now();
      await delay(due);
      due -= performance.now() - began;
    }
    if (asked.type === 'CLOSE') seen.open--;
    if (!opens(asked)) return 'normal';
    const behaviour = opened(seen);
    since ??= performance.now();
    // no limit is tried within the first second
    if (performance.now() - since < 900) mostAtFirst = seen.most;
    return behaviour;
  };
  return { behave, seen, mostAtFirst: () => mostAtFirst };
}

test('a server that many open files slow down gets fewer, and in the next run from the start', async ({
  scene,
  hostile,
}) => {
  const files = (count: number) =>
    Object.fromEntries(
      Array.from({ length: count }, (_, i) => [`folder-${i % 40}/${count}-${i}`, `content ${i}`]),
    );
  scene.writeHere(files(4000));
  await scene.jobs({ operation: 'push' });
  const first = slowedDown();
  hostile.behave = first.behave;
  const { code, stderr } = await scene.run('-v');
  expect(code, stderr).toBe(0);
  expect(first.seen.most).toBeGreaterThan(200);
  // on a busy machine it may find another one later, which it remembers
  const limits = [...stderr.matchAll(/^archive: this server is fastest with (\d+) requests/gm)].map(
    ([, limit]) => Number(limit),
  );
  expect(limits[0]).toBeLessThan(65);

  scene.writeHere(files(200));
  const second = slowedDown();
  hostile.behave = second.behave;
  const { report } = await scene.run();
  expect(report.files).toMatchObject({ copied: 200, unchanged: 4000, failed: 0 });
  expect(second.mostAtFirst()).toBeLessThan(2 * (limits.at(-1) ?? 0));
  expect(sameTree(scene.here(), scene.there())).toBe(true);
}, 120_000);
