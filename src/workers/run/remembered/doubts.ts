/**
 * Keeps a job's copies in doubt (jobs/plan/doubt.ts) from run to run, in
 * STATE/doubts/<hash of the job's name>.ndjson, for a job with several targets in a file for each. A line is added before a copy gets its final name,
 * so that no doubt is lost if the process is killed; the file is rewritten when the run ends. It
 * lists files that were copied within seconds of a change, and usually does not exist. If it is
 * lost, copies in doubt count as proven.
 */
import { each, requestsAtOnce } from '../../../core/at-once.js';
import type { Job } from '../../../core/job.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import { type Doubt, doubtOf, endsDoubt, type Reading } from '../../../jobs/plan/doubt.js';
import { doubtsFile } from '../../../state/layout.js';
import { fingerprint } from '../fingerprint.js';
import { PathJournal } from './path-journal.js';

/** Opens the doubts about a job's copies between its present two sides; undefined if nothing but the size ever decides. */
export function openDoubts(
  { name, compare, existing, from, to, target }: Job,
  state: string,
): Doubts | undefined {
  if (compare === 'size' || existing === 'skip') return undefined;
  const sides = fingerprint([from.label, from.path, to.label, to.path]);
  const file = doubtsFile(state, fingerprint(target === undefined ? [name] : [name, target]));
  return new Doubts(PathJournal.open(file, sides, lineFormat));
}

export class Doubts {
  readonly #journal: PathJournal<Doubt>;

  constructor(journal: PathJournal<Doubt>) {
    this.#journal = journal;
  }

  get byPath(): ReadonlyMap<string, Doubt> {
    return this.#journal.byPath;
  }

  /** Records that a complete copy is about to get its final name. Call the returned function once it has it. */
  publishing(path: string, reading: Reading): () => void {
    const doubt = doubtOf(reading, this.byPath.get(path));
    // until the rename is done, the destination holds either this copy or the earlier one
    if (doubt !== undefined) this.#journal.add(path, { ...doubt, tells: false });
    return () => this.#journal.set(path, doubt);
  }

  /** Ends the doubt about a file whose bytes are the same on both sides, read from `readAt` on, ms since the epoch. */
  same(path: string, readAt: number): void {
    const doubt = this.byPath.get(path);
    if (doubt !== undefined && readAt >= doubt.until) this.#journal.set(path, undefined);
  }

  /** Ends each doubt that a new stat of the source decides. Never rejects; a file whose stat fails stays in doubt. */
  async checkSource(source: Endpoint, signal: AbortSignal): Promise<void> {
    const now = Date.now();
    const due = [...this.byPath].filter(([, { until }]) => until <= now);
    await each(due, requestsAtOnce(source.can.roundTrip), async ([path, doubt]) => {
      try {
        if (endsDoubt(doubt, await source.stat(doubt.from, signal), now))
          this.#journal.set(path, undefined);
      } catch {
        // it stays in doubt
      }
    });
  }

  /** Keeps what is left, unless the run is no longer this process's. */
  close(isOurs: boolean): Promise<void> {
    return this.#journal.close(isOurs);
  }
}

const lineFormat = {
  fields: (doubt: Doubt | undefined) => ({ doubt: doubt ?? null }),
  value(line: { readonly doubt?: unknown }): Doubt | undefined {
    if (line.doubt === null) return undefined;
    const doubt = line.doubt as Doubt;
    if (typeof doubt.from === 'string' && [doubt.mtime, doubt.until].every(Number.isFinite))
      return doubt;
    throw new Error('no doubt');
  },
};
