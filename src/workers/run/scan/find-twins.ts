/** Finds out which files that the plan would copy the destination has under another name (`renames: follow`). */
import { each, requestsAtOnce } from '../../../core/at-once.js';
import { byBytes } from '../../../core/entry.js';
import { asFerryError, endsRun } from '../../../core/errors.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import type { Action, Copy } from '../../../jobs/plan/plan.js';
import {
  goingFile,
  sizeAndTime,
  sizeAndTimeOf,
  withoutDevice,
} from '../../../jobs/plan/renames.js';
import { agrees } from '../copy/agrees.js';
import type { Origins } from '../remembered/origins.js';

/** Pairs of files whose contents are compared at once; further ones wait. */
const comparedAtOnce = 128;

interface Search {
  readonly actions: readonly Action[];
  readonly origins: Origins;
  readonly source: Endpoint;
  /** Whether a file that is replaced may be one: it needs a second name before. */
  readonly links: boolean;
  /** Paths whose copy does not prove what is there. */
  readonly doubts: ReadonlyMap<string, unknown> | undefined;
  /** Whether a copy's source holds the bytes that the destination has at a path; absent: its origin says so. */
  readonly isSame?: (copy: Copy, at: string) => Promise<boolean>;
  readonly signal: AbortSignal;
}

/** By the path of a copy, where the destination has its bytes. */
export async function findTwins(search: Search): Promise<ReadonlyMap<string, string>> {
  const { actions, origins, source, isSame, signal } = search;
  const twins = new Map<string, string>();
  const places = placesOf(search);
  if (places.size === 0) return twins;
  const sizes = new Set([...places.keys()].map(sizeAndTimeOf));
  const copies = actions.filter(
    (action): action is Copy => action.action === 'copy' && sizes.has(sizeAndTime(action.source)),
  );
  const found = new Map<Copy, string>();
  await each(copies, requestsAtOnce(source.can.roundTrip), async (copy) => {
    try {
      const now = await source.stat(copy.from, signal);
      const origin = now && origins.originOf(now, copy.from);
      if (origin !== undefined && places.has(origin)) found.set(copy, origin);
    } catch (error) {
      // its copy will say what is wrong
      if (endsRun(asFerryError(error).kind)) throw error;
    }
  });
  const pairs: { readonly copy: Copy; readonly at: string }[] = [];
  // the same twins for the same trees, in whatever order they were listed
  for (const copy of copies.sort((a, b) => byBytes(a.path, b.path))) {
    const all = places.get(found.get(copy) ?? '');
    const at = all?.find((path) => path !== copy.path);
    if (at === undefined) continue;
    pairs.push({ copy, at });
    all?.splice(all.indexOf(at), 1);
  }
  await each(pairs, comparedAtOnce, async ({ copy, at }) => {
    if ((await isSame?.(copy, at)) !== false) twins.set(copy.path, at);
  });
  return twins;
}

/** By their origins, where the destination's files are that a rename may move. */
function placesOf({ actions, origins, links, doubts }: Search): Map<string, string[]> {
  const places = new Map<string, string[]>();
  const going = actions.flatMap((action) => {
    const seen = goingFile(action);
    return seen === undefined || !(links || action.action === 'delete')
      ? []
      : [{ path: action.path, seen }];
  });
  if (going.length === 0) return places;
  const known = origins.open();
  for (const { path, seen } of going.sort((a, b) => byBytes(a.path, b.path))) {
    const origin = known.get(path);
    if (origin === undefined || doubts?.has(path)) continue;
    const size = Number.parseInt(sizeAndTimeOf(origin.of), 10);
    if (!agrees(seen, { kind: 'file', size, mtime: origin.mtime })) continue;
    places.set(origin.of, [...(places.get(origin.of) ?? []), path]);
  }
  for (const origin of ambiguousAmong(places, known)) places.delete(origin);
  return places;
}

/** Origins that differ from a recorded one in the device alone: devices may have changed their numbers since. */
function ambiguousAmong(
  places: ReadonlyMap<string, unknown>,
  known: ReturnType<Origins['open']>,
): string[] {
  const byRest = new Map(
    [...places.keys()].map((origin) => [withoutDevice(origin), new Set<string>()]),
  );
  if (byRest.size > 0) for (const { of } of known.values()) byRest.get(withoutDevice(of))?.add(of);
  return [...places.keys()].filter((origin) => (byRest.get(withoutDevice(origin))?.size ?? 0) > 1);
}
