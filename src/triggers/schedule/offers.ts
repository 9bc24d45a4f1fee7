/**
 * What becomes of the slots since a job's last one: those that are due, those that are made up for,
 * and the rest, which was missed. Pure; times are milliseconds since the epoch.
 */
import { formatDuration } from '../../core/text.js';
import { outsideWindow } from '../../core/window.js';
import {
  isInside,
  lastOpenSlot,
  type MissedRules,
  nextSlot,
  period,
  slotsBetween,
} from './slots.js';

/** Missed slots that make no run, as one record. */
export interface Gap {
  /** The first and the last of them. */
  readonly from: number;
  readonly to: number;
  /** Counted to 10,000. */
  readonly count: number;
  /** How many of them neither `catchUp: none` nor the window left out. */
  readonly missed: number;
  readonly why: string;
}

export type Offer =
  | { readonly slot: number; readonly how: 'due' | 'catch-up' }
  | { readonly gap: Gap }
  /** All slots up to this one are handled once what came before is stored. */
  | { readonly handled: number };

/** A slot this late is still due; a later one is missed. */
export const lateMs = 60_000;
const dayMs = 86_400_000;
/** More missed slots than this are counted as this many. */
const mostCounted = 10_000;

/**
 * What to do about the slots in (handledUntil, now], one by one. With `catchUp: all` each comes in
 * its order. Otherwise the slot that is to run now comes first, then one record of what was missed;
 * `offered` are those that were stored already when storing a later one failed. Slots outside the
 * window are never made up for, nor do they make up for others.
 */
export function offers(
  rules: MissedRules,
  handledUntil: number,
  now: number,
  offered: ReadonlySet<number> = new Set(),
): Generator<Offer> {
  return rules.catchUp.slots === 'all'
    ? offerAll(rules, handledUntil, now)
    : offerLatest(rules, handledUntil, now, offered);
}

function* offerLatest(
  rules: MissedRules,
  handledUntil: number,
  now: number,
  offered: ReadonlySet<number>,
): Generator<Offer> {
  const dueAfter = Math.max(handledUntil, now - lateMs - 1);
  const due = slotsBetween(rules, dueAfter, now, Number.POSITIVE_INFINITY);
  const runs = due.some((slot) => isInside(rules, slot));
  const madeUp =
    rules.catchUp.slots === 'none' || runs
      ? undefined
      : lastOpenSlot(rules, Math.max(handledUntil, oldestOf(rules, now) - 1), dueAfter);
  if (madeUp !== undefined && !offered.has(madeUp)) yield { slot: madeUp, how: 'catch-up' };
  for (const slot of due) if (!offered.has(slot)) yield { slot, how: 'due' };
  const passed = slotsBetween(rules, handledUntil, dueAfter, mostCounted);
  const missed = passed.filter((slot) => slot !== madeUp && !offered.has(slot));
  const gap = gapOf(rules, missed, now);
  if (gap !== undefined && passed.length === mostCounted)
    yield { gap: { ...gap, from: nextSlot(rules, handledUntil) ?? gap.from } };
  else if (gap !== undefined) yield { gap };
  const last = due.at(-1) ?? passed.at(-1);
  if (last !== undefined) yield { handled: last };
}

function* offerAll(rules: MissedRules, handledUntil: number, now: number): Generator<Offer> {
  const oldest = oldestOf(rules, now);
  let missed = slotsBetween(rules, handledUntil, Math.min(oldest - 1, now), mostCounted);
  function* record(): Generator<Offer> {
    const gap = gapOf(rules, missed, now);
    missed = [];
    if (gap === undefined) return;
    yield { gap };
    yield { handled: gap.to };
  }
  yield* record();
  const begin = Math.max(handledUntil, oldest - 1);
  for (let slot = nextSlot(rules, begin); slot !== undefined && slot <= now; ) {
    const isDue = now - slot <= lateMs;
    if (isDue || isInside(rules, slot)) {
      yield* record();
      yield { slot, how: isDue ? 'due' : 'catch-up' };
      yield { handled: slot };
    } else missed.push(slot);
    slot = nextSlot(rules, slot);
  }
  yield* record();
}

/** The record of missed slots, which are in order; undefined for none. */
function gapOf(rules: MissedRules, missed: readonly number[], now: number): Gap | undefined {
  const [from] = missed;
  const to = missed.at(-1);
  if (from === undefined || to === undefined) return undefined;
  const within = withinOf(rules, now);
  const tooOld = `older than ${formatDuration(within)} (catchUp.within)`;
  const whys = new Set(
    missed.map((slot) => whyMissed(rules, slot) ?? (now - slot > within ? tooOld : madeUpLater)),
  );
  const unmeant = missed.filter((slot) => whyMissed(rules, slot) === undefined).length;
  return { from, to, count: missed.length, missed: unmeant, why: [...whys].join('; ') };
}

/** Why a slot is never made up for, however long ago it was; undefined where its time decides. */
function whyMissed(rules: MissedRules, slot: number): string | undefined {
  if (rules.catchUp.slots === 'none') return 'catchUp: none';
  if (rules.window !== undefined && !isInside(rules, slot)) return outsideWindow(rules.window);
  return undefined;
}

const madeUpLater = 'a later slot makes up for it (catchUp: latest)';

/** The oldest moment whose slot is still made up for. */
function oldestOf(rules: MissedRules, now: number): number {
  return now - withinOf(rules, now);
}

/** `catchUp.within`; by default a day or the schedule's period, whichever is shorter, and for `all` a week. */
function withinOf(rules: MissedRules, now: number): number {
  const { slots, within } = rules.catchUp;
  if (within !== undefined) return within;
  return slots === 'all' ? 7 * dayMs : Math.min(dayMs, period(rules, now) ?? dayMs);
}
