/**
 * `renames: follow` at random: files of few sizes and mtimes are moved, swapped, rotated, built anew under old names and
 * rewritten, runs are cut at any request, and no name ever gets another file's bytes. What size and mtime can't
 * tell apart under one path stays as it was, unless `compare` is `checksum`.
 */
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { random, readTree } from '../kit/files/tree.js';
import { allExtensions, type Case } from './case.js';
import { asked } from './settings.js';
import { type Ended, World } from './world.js';

const { seed, milliseconds } = asked(4000);
const names = ['a', 'b', 'c', 'd/a', 'd/b', 'e/f/a', 'log', 'log.1', 'log.2', 'log.3'];
const times = [1_600_000_000, 1_600_000_000.25, 1_600_000_100];
/** Milliseconds after which a new file has another birth time than the one before: two of the system's ticks. */
const tickMs = 25;

type Chance = () => number;
const one = <T>(list: readonly T[], chance: Chance) =>
  list[Math.floor(chance() * list.length)] as T;

function drawn(chance: Chance): Case {
  const isOpenSsh = chance() < 0.5;
  const options: Case['options'] & { readonly renames: true } = {
    compare: one(['auto', 'checksum'] as const, chance),
    existing: 'overwrite',
    verify: 'size',
    trash: chance() < 0.5,
    after: 'keep',
    modes: 'source',
    symlinks: 'skip',
    fsync: false,
    include: [],
    exclude: [],
    deleteAll: true,
    approved: true,
    maxFiles: 0,
    live: [],
    isDry: false,
    renames: true,
  };
  const all = chance() < 0.7;
  const extensions = all ? allExtensions : allExtensions.filter(() => chance() < 0.5);
  return {
    ...{ shape: 'up', operation: 'mirror', source: [], destination: [], faults: [], changes: [] },
    server: { isOpenSsh, extensions, most: 261_120, channels: 2, quirks: [] },
    options,
  };
}

/** Something done to the source; resolves to whether a file was made. */
function act(folder: string, chance: Chance, text: string, mayHide: boolean): boolean {
  const at = (name: string) => join(folder, name);
  const there = names.filter((name) => fs.existsSync(at(name)));
  const [from, to] = [one(there, chance), one(names, chance)];
  fs.mkdirSync(dirname(at(to)), { recursive: true });
  const kind = chance();
  if (from === undefined || kind < 0.35) {
    // another file under a name that may be an old one's
    fs.rmSync(at(to), { force: true });
    fs.writeFileSync(at(to), text.slice(0, one([3, 4], chance)));
    const time = one(times, chance);
    fs.utimesSync(at(to), time, time);
    return true;
  }
  if (kind < 0.6) fs.renameSync(at(from), at(to));
  else if (kind < 0.8) {
    const other = one(there, chance);
    fs.renameSync(at(from), at('-'));
    if (other !== from) fs.renameSync(at(other), at(from));
    fs.renameSync(at('-'), at(other));
  } else if (kind < 0.9) {
    for (const [i, name] of ['log.2', 'log.1', 'log'].entries())
      if (fs.existsSync(at(name))) fs.renameSync(at(name), at(`log.${3 - i}`));
  } else if (mayHide) {
    const { mtimeMs } = fs.statSync(at(from));
    fs.writeFileSync(at(from), text.slice(0, 3));
    fs.utimesSync(at(from), mtimeMs / 1000, mtimeMs / 1000);
  } else fs.rmSync(at(from));
  return false;
}

/** The bytes, size and mtime of each file. */
function look(folder: string) {
  if (!fs.existsSync(folder)) return new Map<string, { text: string; time: number }>();
  const all = Object.entries(readTree(folder)).filter(([path]) => !/(^|\/)\./.test(path));
  return new Map(
    all
      .filter(([, text]) => typeof text === 'string')
      .map(([path, text]) => {
        const time = Math.floor(fs.statSync(join(folder, path)).mtimeMs / 1000);
        return [path, { text: text as string, time }] as const;
      }),
  );
}

type Files = ReturnType<typeof look>;

/** Names at the destination with bytes that neither it had there before nor the source has there now. */
function wrongNow(source: Files, before: Files, now: Files): string[] {
  return [...now]
    .filter(([path, { text }]) => ![source.get(path)?.text, before.get(path)?.text].includes(text))
    .map(([path, { text }]) => `${path} has ${text}`);
}

/** Names that differ after a run that succeeded, but for those that looked the same before. */
function wrongAfter(source: Files, before: Files, now: Files, isByContent: boolean): string[] {
  return [...new Set([...source.keys(), ...now.keys()])].filter((path) => {
    const [ours, old, there] = [source, before, now].map((files) => files.get(path));
    if (ours?.text === there?.text) return false;
    const looksSame = old?.time === ours?.time && old?.text.length === ours?.text.length;
    return isByContent || !looksSame || there?.text !== old?.text;
  });
}

test('renames at random, cut at any request', { timeout: milliseconds + 120_000 }, async () => {
  const counts = { rounds: 0, renamed: 0, cuts: 0 };
  const end = performance.now() + milliseconds;
  for (let n = seed; performance.now() < end; n++) {
    const chance = random(n);
    const it = drawn(chance);
    const isByContent = it.options.compare === 'checksum';
    const world = new World(it);
    fs.mkdirSync(world.source, { recursive: true });
    try {
      for (let round = 0; round < 6; round++) {
        let isNew = false;
        for (let i = 0; i < (round === 0 ? 8 : 4); i++) {
          const text = `${n}${round}${i}`.slice(-4).padStart(4, 'x');
          isNew =
            act(world.source, chance, text.split('').reverse().join(''), isByContent) || isNew;
        }
        if (isNew) await delay(tickMs);
        // a mirror of nothing is refused
        fs.writeFileSync(join(world.source, 'z'), 'z');
        const where = `seed ${n}, round ${round}`;
        const source = look(world.source);
        let before = look(world.destination);
        // each a request of the run, which goes on after it
        const cuts = new Set([0, 1].map(() => Math.floor(chance() * 120)));
        let request = 0;
        world.before = () => {
          if (!cuts.has(request++)) return 'normal';
          counts.cuts++;
          return chance() < 0.5 ? 'cut' : 'cut-after-doing';
        };
        let ended: Ended | undefined;
        for (let tries = 0; tries < 4 && ended?.report.exitCode !== 0; tries++) {
          const first = before;
          ended = await world.run();
          before = look(world.destination);
          expect([where, wrongNow(source, first, before)]).toEqual([where, []]);
          if (ended.report.exitCode === 0)
            expect([where, wrongAfter(source, first, before, isByContent)]).toEqual([where, []]);
          counts.renamed += ended.report.files.renamed ?? 0;
        }
        expect([where, ended?.report]).toMatchObject([where, { exitCode: 0 }]);
        counts.rounds++;
      }
    } finally {
      world.end();
    }
  }
  console.log(`torture: seed ${seed}: ${JSON.stringify(counts)}`);
  expect(counts.renamed).toBeGreaterThan(10);
});
