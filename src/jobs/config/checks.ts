/** What must hold between several keys of a job, and between jobs. The form of each key is schema.ts's business. */
import type { Operation } from '../../core/events.js';
import type { Job, Location } from '../../core/job.js';
import { escapeText } from '../../core/text.js';
import { overlaps, side, wholePath } from './location.js';
import type { RawRules } from './schema.js';
import { parseDuration, parseSize } from './units.js';

/** Tells what is wrong with the key that a path of keys leads to. */
export type Complain = (keys: readonly (string | number)[], message: string) => void;

/** Rules between operation, from and to. */
export function checkSides(
  operation: Operation,
  from: Location,
  to: Location,
  complain: Complain,
): void {
  if (from.remote === undefined && to.remote === undefined) {
    complain(['to'], 'and "from" are both local; one of them must be on a remote, as NAME:path');
  } else if (operation === 'push' && to.remote === undefined) {
    complain(['to'], 'must be on a remote for a push; did you mean "operation: pull"?');
  } else if (operation === 'pull' && from.remote === undefined) {
    complain(['from'], 'must be on a remote for a pull; did you mean "operation: push"?');
  } else if (overlaps(from, to)) {
    complain(['to'], 'and "from" overlap: one is the other or lies inside it');
  }
}

/** Rules between a job's other keys. */
export function checkRules(
  operation: Operation,
  from: Location,
  rules: RawRules,
  archive: Location | undefined,
  complain: Complain,
): void {
  if (rules.watch !== undefined && rules.watch !== false && from.remote !== undefined) {
    complain(['watch'], 'works on a local "from" only; give a schedule instead');
  }
  if (rules.after !== undefined && rules.after !== 'keep' && operation === 'mirror') {
    complain(
      ['after'],
      'must be keep for a mirror: what leaves the source would be deleted at the destination',
    );
  } else if (archive !== undefined) {
    if (side(archive) !== side(from)) {
      complain(['after', 'archive'], 'must be on the same side as "from"');
    } else if (overlaps(archive, from)) {
      complain(['after', 'archive'], 'and "from" overlap; archive to a folder beside it');
    }
  }
  if (rules.delete?.keep !== undefined && rules.delete.trash === undefined) {
    complain(['delete', 'keep'], 'is there without a trash to keep');
  }
  const { minSize, maxSize, minAge, maxAge } = rules;
  if (exceeds(minSize, maxSize, parseSize)) complain(['maxSize'], 'is less than minSize');
  if (exceeds(minAge, maxAge, parseDuration)) complain(['maxAge'], 'is less than minAge');
}

function exceeds<T>(
  least: T | undefined,
  most: T | undefined,
  parse: (value: T) => number | undefined,
) {
  if (least === undefined || most === undefined) return false;
  return (parse(least) ?? 0) > (parse(most) ?? 0);
}

/** Warnings about jobs whose destinations are one or lie inside each other, one of them a mirror. */
export function sharedDestinations(jobs: Iterable<Job>): string[] {
  const warnings: string[] = [];
  // At each place the first job and the first mirror: one partner is enough to tell a job's trouble.
  const seen = new Map<string, { job: Job; mirror: Job | undefined }>();
  const placeOf = (job: Job, path: string) => `${side(job.to)} ${path}`;
  const partner = (job: Job, path: string) => {
    const found = seen.get(placeOf(job, path));
    const other = job.operation === 'mirror' ? found?.job : found?.mirror;
    return other === job ? undefined : other;
  };
  const all = [...jobs];
  for (const job of all) {
    const path = wholePath(job.to);
    const other = partner(job, path);
    if (other !== undefined) warnings.push(sentence(job, other, 'have one destination'));
    const found = seen.get(placeOf(job, path));
    const mirror = found?.mirror ?? (job.operation === 'mirror' ? job : undefined);
    seen.set(placeOf(job, path), { job: found?.job ?? job, mirror });
  }
  for (const job of all) {
    for (const path of parents(wholePath(job.to))) {
      const other = partner(job, path);
      if (other !== undefined) warnings.push(sentence(job, other, 'have overlapping destinations'));
    }
  }
  return warnings;
}

function sentence(job: Job, other: Job, what: string): string {
  const labels = [...new Set([job.to.label, other.to.label])].map(escapeText).join(' and ');
  return `jobs ${other.name} and ${job.name} ${what} (${labels}), and a mirror deletes what its source lacks`;
}

/** Every folder above a clean path, the nearest first. */
function parents(path: string): string[] {
  const above: string[] = [];
  for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
    above.push(path.slice(0, at));
  }
  if (path.startsWith('/')) return path === '/' ? above : [...above, '/'];
  return path === '' ? above : [...above, ''];
}
