/**
 * One check of one job: opens both sides, compares the bytes of every file in scope, and changes
 * nothing. It holds no lock, so a run may begin meanwhile; a file that changes under its eyes is
 * reported as `changed`, not as different.
 */
import { setMaxListeners } from 'node:events';
import type { CheckEvent, CheckReport, Sample } from '../../../core/check.js';
import { asFerryError, Cancelled, exitCodes, FerryError } from '../../../core/errors.js';
import type { Job } from '../../../core/job.js';
import { present } from '../../../core/present.js';
import { openSide } from '../../../endpoints/open.js';
import type { SessionPool } from '../../../endpoints/sftp/pool.js';
import type { Side } from '../../../endpoints/side.js';
import { Scope } from '../../../jobs/plan/filter.js';
import { fileMatcher } from '../../../jobs/plan/patterns.js';
import { planRules, reservedFolders } from '../plan-rules.js';
import { remotesOf } from '../run-job.js';
import { SameNames } from '../scan/same-names.js';
import { bandwidthOf } from '../transfer/bandwidth.js';
import { Checker, type Counts } from './checker.js';

export interface CheckContext {
  /** Receives each difference and unreadable path, progress, and the `check` event last. */
  readonly emit: (event: CheckEvent) => void;
  /** Ends the check; the reason is a `Cancelled` if somebody stops it. */
  readonly signal: AbortSignal;
  readonly pool: SessionPool;
  /** Absent: every file is read. */
  readonly sample?: Sample;
}

/** The exit code of a check that found differences, and nothing worse. */
const differentCode = 10;
/** Milliseconds between two progress events. */
const progressEveryMs = 200;

const noCounts: Counts = { entries: 0, files: 0, read: 0, bytes: 0, equal: 0 };

/** Counts what is emitted. */
class Found {
  different = 0;
  missing = 0;
  extra = 0;
  unreadable = 0;
  skipped = 0;
  vanished = 0;
  counts: Counts = noCounts;
}

/** Checks a job with one target, or one part of a job. Never rejects: every error ends in the report. */
export async function checkJob(job: Job, context: CheckContext): Promise<CheckReport> {
  const { pool, emit, sample } = context;
  const started = new Date();
  const remotes = remotesOf(job);
  const loginsBefore = pool.logins(remotes);
  const stop = new AbortController();
  const timer =
    job.timeout === undefined ? undefined : setTimeout(() => stop.abort(tooLong(job)), job.timeout);
  const signal = AbortSignal.any([context.signal, stop.signal]);
  // every file that waits for something listens to it
  setMaxListeners(0, signal);
  const found = new Found();
  let thrown: unknown;
  try {
    await compareSides(job, context, found, signal);
  } catch (error) {
    thrown = signal.aborted ? signal.reason : error;
    stop.abort(thrown); // folders that are being compared go on otherwise
  } finally {
    clearTimeout(timer);
  }
  const ended = new Date();
  const { counts, ...told } = found;
  const { entries: _, ...read } = counts;
  const report: CheckReport = {
    job: job.name,
    ...present({ target: job.target }),
    from: job.from.label,
    to: job.to.label,
    ...endOf(found, thrown),
    startedAt: started.toISOString(),
    endedAt: ended.toISOString(),
    seconds: (ended.getTime() - started.getTime()) / 1000,
    ...present({ sample }),
    ...read,
    ...told,
    sessions: pool.logins(remotes) - loginsBefore,
  };
  emit({ event: 'check', ...report });
  return report;
}

async function compareSides(
  job: Job,
  { pool, emit, sample }: CheckContext,
  found: Found,
  signal: AbortSignal,
): Promise<void> {
  const opened: Side[] = [];
  const open = async (role: 'from' | 'to') => {
    const side = await openSide(job[role], role, pool, signal, true);
    opened.push(side);
    return side;
  };
  let emittedAt = 0;
  const passOf = bandwidthOf(job, pool, signal, () => {});
  try {
    const destination = await open('to');
    const source = await open('from');
    found.counts = await new Checker({
      source: source.endpoint,
      destination: destination.endpoint,
      only: source.only,
      scope: Scope.of(job.scope, Date.now(), reservedFolders(job)),
      rules: {
        ...planRules(job, source.endpoint.can, destination.endpoint.can),
        compare: 'checksum',
        existing: 'overwrite',
        listEqual: false,
      },
      // names of which the destination has none are missing or a conflict: a difference either way
      sameNames: new SameNames({ destination }),
      isLive: fileMatcher(job.live),
      sample,
      pass: async (bytes) => passOf()?.(bytes),
      signal,
      onDifference(path, kind, message) {
        found[kind === 'missing' || kind === 'extra' ? kind : 'different']++;
        const { name, target } = job;
        emit({ event: 'difference', job: name, ...present({ target }), path, kind, message });
      },
      onUnreadable({ path, kind, message }) {
        found.unreadable++;
        emit({ event: 'file', action: 'fail', path, kind, message });
      },
      onSkip(path, kind, message) {
        found.skipped++;
        emit({ event: 'file', action: 'skip', path, kind, message });
      },
      onVanished(path) {
        found.vanished++;
        emit({ event: 'file', action: 'vanished', path });
      },
      onProgress(counts) {
        found.counts = counts;
        if (performance.now() - emittedAt < progressEveryMs) return;
        emittedAt = performance.now();
        emit({
          event: 'progress',
          phase: 'check',
          scanned: counts.entries,
          files: { done: counts.read, total: 0 },
          bytes: { done: counts.bytes, total: 0 },
        });
      },
    }).check();
  } finally {
    await Promise.all(opened.map((side) => side.endpoint.close()));
  }
}

/** What can't be read outranks what differs. */
function endOf(found: Found, thrown: unknown): Pick<CheckReport, 'exitCode' | 'error'> {
  if (thrown instanceof Cancelled) return { exitCode: thrown.exitCode };
  if (thrown !== undefined) {
    const { kind, message, hint, path } = asFerryError(thrown);
    return { exitCode: exitCodes[kind], error: { kind, message, ...present({ hint, path }) } };
  }
  if (found.unreadable > 0) return { exitCode: exitCodes.io };
  const differs = found.different + found.missing + found.extra > 0;
  return { exitCode: differs ? differentCode : 0 };
}

function tooLong({ timeout = 0 }: Job): FerryError {
  return new FerryError(
    'timeout',
    `the check took longer than the job's timeout of ${timeout / 1000} s`,
    {
      hint: 'raise it with --timeout, or check a part with --sample',
    },
  );
}
