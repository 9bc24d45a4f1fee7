/**
 * Keeps a job's copies in doubt (jobs/plan/doubt.ts) from run to run, in
 * STATE/doubts/<hash of the job's name>.ndjson, for a job with several targets in a file for each. A line is added before a copy gets its final name,
 * so that no doubt is lost if the process is killed; the file is rewritten when the run ends. It
 * lists files that were copied within seconds of a change, and usually does not exist. If it is
 * lost, copies in doubt count as proven.
 */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { each } from '../../../core/at-once.js';
import type { Job } from '../../../core/job.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import { type Doubt, doubtOf, endsDoubt, type Reading } from '../../../jobs/plan/doubt.js';
import { doubtsFile } from '../../../state/layout.js';
import { writeWhole } from '../../../state/write-whole.js';
import { fingerprint } from '../fingerprint.js';

/** Stats of source files in flight when doubts are checked; further ones wait. */
const statsAtOnce = 128;

/** Opens the doubts about a job's copies between its present two sides; undefined if nothing but the size ever decides. */
export async function openDoubts(
  { name, compare, existing, from, to, target }: Job,
  state: string,
): Promise<Doubts | undefined> {
  if (compare === 'size' || existing === 'skip') return undefined;
  const sides = fingerprint([from.label, from.path, to.label, to.path]);
  const file = doubtsFile(state, fingerprint(target === undefined ? [name] : [name, target]));
  const byPath = new Map<string, Doubt>();
  const text = await readFile(file, 'utf8').catch(() => '');
  for (const line of text.split('\n').map(parseLine)) {
    if (line?.sides === sides) byPath.set(line.path, line.doubt);
  }
  return new Doubts(file, sides, byPath);
}

export class Doubts {
  readonly #file: string;
  /** A fingerprint of the job's two sides, part of each line. */
  readonly #sides: string;
  readonly #byPath: Map<string, Doubt>;
  #changed = false;
  /** File descriptor; undefined until the first line is added. */
  #journal: number | undefined;
  #closed = false;

  constructor(file: string, sides: string, byPath: Map<string, Doubt>) {
    this.#file = file;
    this.#sides = sides;
    this.#byPath = byPath;
  }

  get byPath(): ReadonlyMap<string, Doubt> {
    return this.#byPath;
  }

  /** Records that a complete copy is about to get its final name. Call the returned function once it has it. */
  publishing(path: string, reading: Reading): () => void {
    const doubt = doubtOf(reading, this.#byPath.get(path));
    if (doubt === undefined)
      return () => {
        this.#changed = this.#byPath.delete(path) || this.#changed;
      };
    // until the rename is done, the destination holds either this copy or the earlier one
    const either = { ...doubt, tells: false };
    this.#changed = true;
    this.#byPath.set(path, either);
    this.#append({ sides: this.#sides, path, doubt: either });
    return () => void this.#byPath.set(path, doubt);
  }

  /** Ends the doubt about a file whose bytes are the same on both sides, read from `readAt` on, ms since the epoch. */
  same(path: string, readAt: number): void {
    const doubt = this.#byPath.get(path);
    if (doubt !== undefined && readAt >= doubt.until) this.#changed = this.#byPath.delete(path);
  }

  /** Ends each doubt that a new stat of the source decides. Never rejects; a file whose stat fails stays in doubt. */
  async checkSource(source: Endpoint, signal: AbortSignal): Promise<void> {
    const now = Date.now();
    const due = [...this.#byPath].filter(([, { until }]) => until <= now);
    await each(due, statsAtOnce, async ([path, doubt]) => {
      try {
        if (!endsDoubt(doubt, await source.stat(doubt.from, signal), now)) return;
        this.#changed = this.#byPath.delete(path) || this.#changed;
      } catch {
        // it stays in doubt
      }
    });
  }

  /** Closes the journal and writes what is left, unless the run is no longer this process's. */
  async close(isOurs: boolean): Promise<void> {
    this.#closed = true;
    if (this.#journal !== undefined) closeSync(this.#journal);
    if (!this.#changed || !isOurs) return;
    const lines = [...this.#byPath].map(
      ([path, doubt]) =>
        `${JSON.stringify({ sides: this.#sides, path, doubt } satisfies DoubtLine)}\n`,
    );
    try {
      if (lines.length === 0) return await rm(this.#file, { force: true });
      await writeWhole(this.#file, lines.join(''));
    } catch {
      // the journal's lines still name each copy in doubt
    }
  }

  /** Adds a line to the journal. A failure matters only if this process is killed. */
  #append(line: DoubtLine): void {
    if (this.#closed) return; // the descriptor may belong to another file by now
    try {
      if (this.#journal === undefined) {
        mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 });
        this.#journal = openSync(this.#file, 'a', 0o600);
        writeSync(this.#journal, '\n'); // the last line may be incomplete
      }
      writeSync(this.#journal, `${JSON.stringify(line)}\n`);
    } catch {
      // see above
    }
  }
}

interface DoubtLine {
  readonly sides: string;
  readonly path: string;
  readonly doubt: Doubt;
}

/** Returns undefined for an incomplete line. */
function parseLine(text: string): DoubtLine | undefined {
  if (text === '') return undefined;
  try {
    const { sides, path, doubt } = JSON.parse(text) as DoubtLine;
    const sound =
      typeof path === 'string' &&
      typeof doubt.from === 'string' &&
      Number.isFinite(doubt.mtime) &&
      Number.isFinite(doubt.until);
    return sound ? { sides, path, doubt } : undefined;
  } catch {
    return undefined;
  }
}
