/**
 * The sides of a job, as pairs of from and to: several when `to` is a list, or when one of them names a
 * group of remotes. `{remote}` in `to` becomes the name of the remote that the files come from, or, from a
 * local folder, of the one that they go to.
 */
import type { Operation } from '../../core/events.js';
import type { JobPart, Location } from '../../core/job.js';
import { escapeText } from '../../core/text.js';
import { parents, type ReportProblem } from './checks.js';
import { type LocationContext, parseLocation, side, wholePath } from './location.js';
import type { JobRules } from './merge.js';
import type { Path } from './problems.js';
import { listOf } from './shapes.js';

/** From and to, each one folder. */
export type Sides = Pick<JobPart, 'from' | 'to'>;

/** Targets of one job; a job with more is refused. */
const mostTargets = 200;

const remoteMark = '{remote}';

/** Every pair, in the order of the file; undefined when one has errors, which are reported, or already were. */
export function pairsOf(
  from: string,
  to: string | readonly string[],
  context: LocationContext,
  report: ReportProblem,
): Sides[] | undefined {
  if (from.includes(remoteMark)) {
    report(['from'], `has ${remoteMark}, which only "to" may have`);
    return undefined;
  }
  const targets = listOf(to);
  const pairs: Sides[] = [];
  let valid = true;
  for (const source of each(from, context)) {
    const found = locate(['from'], source, context, report);
    for (const [n, text] of targets.entries()) {
      const keys = Array.isArray(to) ? ['to', n] : ['to'];
      for (const target of each(filled(text, found), context)) {
        const own = filled(target, { remote: { name: remoteName(target) } });
        const location = locate(keys, own, context, report);
        if (found === undefined || location === undefined) valid = false;
        else pairs.push({ from: found, to: location });
      }
    }
  }
  if (pairs.length > mostTargets) {
    report(['to'], `makes ${pairs.length} targets, more than the limit of ${mostTargets}`);
    return undefined;
  }
  return valid ? pairs : undefined;
}

/** The location a text means. Undefined when it means none, which is reported, or when its remote has errors, which already are. */
export function locate(
  keys: Path,
  text: string,
  context: LocationContext,
  report: ReportProblem,
): Location | undefined {
  const found = parseLocation(text, context);
  if (typeof found !== 'string') return found;
  report(keys, found);
  return undefined;
}

/** A location of one source: of a group, the member that the source is on. */
export function beside(text: string, from: Location, { groups }: LocationContext): string {
  const name = remoteName(text);
  const member = from.remote?.name;
  const own = member !== undefined && groups?.get(name)?.includes(member) === true;
  return filled(own ? `${member}${text.slice(name.length)}` : text, from);
}

/** The texts for the members of a group; the text itself when it names none. */
function each(text: string, { groups }: LocationContext): readonly string[] {
  const name = remoteName(text);
  const members = groups?.get(name);
  return members?.map((member) => `${member}${text.slice(name.length)}`) ?? [text];
}

/** The text before the colon; empty for a local path. */
function remoteName(text: string): string {
  const colon = text.indexOf(':');
  const slash = text.indexOf('/');
  return colon < 0 || (slash >= 0 && slash < colon) ? '' : text.slice(0, colon);
}

function filled(
  text: string,
  from: { readonly remote: { readonly name: string } | undefined } | undefined,
): string {
  const name = from?.remote?.name ?? '';
  return name === '' ? text : text.replaceAll(remoteMark, name);
}

/** Rules between the pairs of one job. */
export function checkPairs(
  operation: Operation,
  pairs: readonly Sides[],
  { after, existing }: JobRules,
  report: ReportProblem,
): void {
  if (new Set(pairs.map(({ from }) => from.label)).size < pairs.length) {
    if (after !== undefined && after !== false && after !== 'keep') {
      const why = 'a file would be gone before the others have it';
      report(['after'], `must be keep where one source has several targets: ${why}`);
    }
  }
  const { nested, equal } = clashes(pairs);
  if (nested !== undefined) {
    const [a, b] = nested.map(({ to }) => escapeText(to.label));
    report(['to'], `has one target inside the other: ${a} and ${b}; name folders side by side`);
  } else if (equal !== undefined) {
    const [one, other] = equal;
    const [a, b] = equal.map(({ to }) => escapeText(to.label));
    const sources = equal.map(({ from }) => escapeText(from.label)).join(' and ');
    if (one.from === other.from) {
      report(['to'], a === b ? `names ${a} twice` : `names one folder twice: ${a} and ${b}`);
    } else if (operation === 'mirror') {
      const what = `would make ${a} equal to ${sources} in turn`;
      report(['to'], `${what}; write ${remoteMark} in it, so that each gets a folder of its own`);
    } else if (existing !== 'skip') {
      const what = `would put ${sources} into one folder, where files of one name replace each other`;
      report(['to'], `${what}; write ${remoteMark} in it, or set existing: skip, which only adds`);
    }
  }
}

type Clash = readonly [Sides, Sides] | undefined;

/** The first two pairs with nested targets, and the first two with the same. */
function clashes(pairs: readonly Sides[]): { readonly nested: Clash; readonly equal: Clash } {
  const keyOf = (to: Location, path: string) => `${side(to)} ${path}`;
  const seen = new Map<string, Sides>();
  let nested: Clash;
  let equal: Clash;
  for (const pair of pairs) {
    const key = keyOf(pair.to, wholePath(pair.to));
    const other = seen.get(key);
    if (other === undefined) seen.set(key, pair);
    else equal ??= [other, pair];
  }
  for (const pair of pairs)
    for (const path of parents(wholePath(pair.to))) {
      const other = seen.get(keyOf(pair.to, path));
      if (other !== undefined) nested ??= [other, pair];
    }
  return { nested, equal };
}

/** Whether several pairs write to one folder, so that they must not run at the same time. */
export function shareTargets(pairs: readonly Sides[]): boolean {
  return clashes(pairs).equal !== undefined;
}

/** What a pair is called in messages and reports: its target, with the source where that is not enough. */
export function targetOf(pair: Sides, pairs: readonly Sides[]): string {
  const same = pairs.filter(({ to }) => to.label === pair.to.label);
  return same.length === 1 ? pair.to.label : `${pair.from.label} -> ${pair.to.label}`;
}
