/** Plays a case: a run amid faults and changes, then runs without them until one has nothing to do. */
import type { Asked } from '../kit/servers/hostile-folder.js';
import type { Case } from './case.js';
import { change } from './disk.js';
import { Faults, isOf, pathOf } from './misbehaviour.js';
import { Watch } from './watch.js';
import { type Ended, type SideName, World } from './world.js';

/** Runs that a case may need to converge once the faults stop. */
const runsToConverge = 2;

/** Milliseconds for all runs of a case; nothing in it waits for time to pass. */
const deadlineMs = 60_000;

export interface Played {
  /** Nothing, if all invariants held. */
  readonly wrong: readonly string[];
  /** Faults that happened and changes that were made. */
  readonly events: number;
  /** The plan of the first run, and which faults it met: the same whenever the case is played. Which of two files in flight met one depends on the disk. */
  readonly traces: readonly string[];
}

/** Plays a case from a fresh place to its end. */
export async function play(drawn: Case): Promise<Played> {
  const world = new World(drawn);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Played>((resolve) => {
    timer = setTimeout(() => {
      const last = world.requests.slice(-40).join(', ');
      const wrong = `9 bounded: no end after ${world.requests.length} requests: ${last}`;
      resolve({ wrong: [wrong], events: 0, traces: [] });
    }, deadlineMs);
  });
  try {
    return await Promise.race([playIn(world, drawn), late]);
  } finally {
    clearTimeout(timer);
    world.end();
  }
}

async function playIn(world: World, drawn: Case): Promise<Played> {
  const faults = new Faults(drawn.faults, (path) => world.take(path));
  const watch = new Watch(world, drawn, faults);
  const changes = drawn.changes.map((it, n) => ({ it, n, before: 0 }));
  let made = 0;
  const changeAt = (asked: Asked) => {
    for (const one of [...changes]) {
      if (!isOf(one.it.type, asked) || one.before++ < one.it.nth) continue;
      changes.splice(changes.indexOf(one), 1);
      const path = (one.it.isThere ? pathOf(asked) : undefined) ?? one.it.path;
      const { side } = one.it;
      const act = one.it.act === 'swap' && !world.isLocal(side) ? 'remove' : one.it.act;
      const changed = change(world[side], { ...one.it, act, path }, one.n);
      if (changed === undefined) continue;
      watch.changed({ side, path: changed });
      made++;
    }
  };
  const before = (side: SideName, asked: Asked) => {
    watch.look(asked);
    if (asked.type !== 'INIT') changeAt(asked);
    return faults.at(side, asked);
  };
  world.before = (side, asked) => {
    try {
      return before(side, asked);
    } catch (error) {
      watch.wrong.push(`the test itself: ${(error as Error).stack}`);
      throw error;
    }
  };
  watch.begin();
  const first = await world.run();
  watch.ended(first);
  const plans = first.events.filter((event) => event.event === 'plan');
  const traces = [
    ...plans.map(({ digest }) => digest),
    ...new Set(faults.done.map(({ fault, asked }) => `${fault.what} ${asked.type}`)),
  ];
  faults.end();
  changes.length = 0;
  let last: Ended | undefined;
  for (let run = 0; run <= runsToConverge && watch.wrong.length === 0; run++) {
    watch.begin();
    last = await world.run({ approved: true, deleteAll: true, isDry: false });
    watch.ended(last);
    if (watch.isIdle(last)) break;
  }
  if (last !== undefined && watch.wrong.length === 0) watch.converged(last);
  return { wrong: watch.wrong, events: made + faults.done.length, traces };
}
