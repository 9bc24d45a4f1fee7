/** Rules between several keys of a job, and between jobs. schema.ts checks each key by itself. */
import type { Operation } from '../../core/events.js';
import { type Job, type Location, partsOf } from '../../core/job.js';
import { escapeText } from '../../core/text.js';
import { overlaps, side, wholePath } from './location.js';
import type { JobRules } from './merge.js';
import { parseDuration, parseSize } from './units.js';

/** Reports what is wrong with a key, given as its path below the job or remote. */
export type ReportProblem = (keys: readonly (string | number)[], message: string) => void;

/** Rules between operation, from and to. `remotes`: the names of remotes and groups. */
export function checkSides(
  operation: Operation,
  from: Location,
  to: Location,
  remotes: readonly string[],
  report: ReportProblem,
): void {
  if (from.remote === undefined && to.remote === undefined) {
    const both = '"from" and "to" are both local; one of them must be on a remote, as NAME:path';
    const name = [to, from].map(({ label }) => label).find((label) => remotes.includes(label));
    const meant = `${escapeText(name ?? '')} is a remote: did you mean "${escapeText(name ?? '')}:", its root or login folder?`;
    report(['to'], name === undefined ? both : `${both}; ${meant}`);
  } else if (operation === 'push' && to.remote === undefined) {
    report(['to'], 'must be on a remote for a push; did you mean "operation: pull"?');
  } else if (operation === 'pull' && from.remote === undefined) {
    report(['from'], 'must be on a remote for a pull; did you mean "operation: push"?');
  } else if (overlaps(from, to)) {
    report(['to'], 'overlaps "from": they are the same folder, or one contains the other');
  }
}

/** Rules between a job's other keys. */
export function checkRules(
  {
    operation,
    from,
    rules,
    archive,
  }: {
    readonly operation: Operation;
    readonly from: Location;
    readonly rules: JobRules;
    /** The location of `after: { archive: … }`. */
    readonly archive: Location | undefined;
  },
  report: ReportProblem,
): void {
  const isWatched = rules.watch !== undefined && rules.watch !== false;
  if (isWatched && from.remote !== undefined) {
    report(['watch'], 'needs a local "from"; use a schedule instead');
  }
  if (!isWatched && rules.settle !== undefined && rules.settle !== false) {
    report(['settle'], 'needs "watch" in this version; add watch: true or remove it');
  }
  const after = rules.after === false ? 'keep' : (rules.after ?? 'keep');
  if (after !== 'keep' && operation === 'mirror') {
    report(
      ['after'],
      'must be keep for a mirror: files that leave the source are deleted at the destination',
    );
  } else if (archive !== undefined) {
    if (side(archive) !== side(from)) {
      report(['after', 'archive'], 'must be on the same side as "from"');
    } else if (overlaps(archive, from)) {
      report(['after', 'archive'], 'overlaps "from"; archive to a folder beside it');
    }
  }
  if (rules.renames === 'follow') {
    if (from.remote !== undefined)
      report(['renames'], 'needs a local "from": SFTP shows neither inodes nor birth times');
    if (after !== 'keep') report(['renames'], 'can\'t be used with "after"');
    if (rules.existing === 'skip') report(['renames'], "can't be used with existing: skip");
  }
  const { minSize, maxSize, minAge, maxAge } = rules;
  if (exceeds(minSize, maxSize, parseSize)) report(['maxSize'], 'is less than minSize');
  if (exceeds(minAge, maxAge, parseDuration)) report(['maxAge'], 'is less than minAge');
}

function exceeds<T>(
  least: T | false | undefined,
  most: T | false | undefined,
  parse: (value: T) => number | undefined,
) {
  if (least === undefined || least === false || most === undefined || most === false) return false;
  return (parse(least) ?? 0) > (parse(most) ?? 0);
}

/** Warnings about jobs with the same or nested destinations, where one of them is a mirror. */
export function sharedDestinations(jobs: Iterable<Job>): string[] {
  const warnings = new Set<string>();
  // The first job and the first mirror of each destination: one partner is enough for a warning.
  const seen = new Map<string, { job: Job; mirror: Job | undefined }>();
  const keyOf = (job: Job, path: string) => `${side(job.to)} ${path}`;
  const partner = (job: Job, path: string) => {
    const found = seen.get(keyOf(job, path));
    const other = job.operation === 'mirror' ? found?.job : found?.mirror;
    return other?.name === job.name ? undefined : other;
  };
  const all = [...jobs].flatMap(partsOf);
  for (const job of all) {
    const path = wholePath(job.to);
    const other = partner(job, path);
    if (other !== undefined) warnings.add(sentence(job, other, 'have the same destination'));
    const found = seen.get(keyOf(job, path));
    const mirror = found?.mirror ?? (job.operation === 'mirror' ? job : undefined);
    seen.set(keyOf(job, path), { job: found?.job ?? job, mirror });
  }
  for (const job of all) {
    for (const path of parents(wholePath(job.to))) {
      const other = partner(job, path);
      if (other !== undefined) warnings.add(sentence(job, other, 'have overlapping destinations'));
    }
  }
  return [...warnings];
}

function sentence(job: Job, other: Job, what: string): string {
  const labels = [...new Set([job.to.label, other.to.label])].map(escapeText).join(' and ');
  return `jobs ${other.name} and ${job.name} ${what} (${labels}); the mirror deletes files that its source does not have`;
}

/** Every folder above a clean path, nearest first. */
export function parents(path: string): string[] {
  const above: string[] = [];
  for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
    above.push(path.slice(0, at));
  }
  if (path.startsWith('/')) return path === '/' ? above : [...above, '/'];
  return path === '' ? above : [...above, ''];
}
