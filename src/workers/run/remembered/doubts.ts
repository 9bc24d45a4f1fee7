/**
 * The copies of a job that are in doubt (jobs/plan/doubt.ts), kept from run to run in
 * STATE/doubts/<hash of the job's name>.ndjson. A line is added before a copy gets its final name,
 * so that a process that is killed leaves no doubt untold; the file is written anew when the run
 * ends. It holds what was copied seconds after it was changed, and is mostly not there at all.
 * Losing it costs only this: a copy in doubt counts as right again.
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

export interface Doubts {
  readonly byPath: ReadonlyMap<string, Doubt>;
  /** A complete copy is about to get its final name; call what comes back once it has it. */
  publishing(path: string, reading: Reading): () => void;
  /** Both sides' bytes were found the same, read from `readAt` on, ms since the epoch. */
  same(path: string, readAt: number): void;
  /** Drops each doubt that a look at the source ends. Never rejects; what can't be looked at stays in doubt. */
  lookAgain(source: Endpoint, signal: AbortSignal): Promise<void>;
  /** Ends it: keeps the rest, unless this run is no longer the one to say. */
  close(isOurs: boolean): Promise<void>;
}

/** Files looked at at once. */
const looksAtOnce = 128;

/** Opens the doubts about what the job copied from where it says to where it says; undefined where nothing but size ever decides. */
export async function openDoubts(
  { name, compare, existing, from, to }: Job,
  state: string,
): Promise<Doubts | undefined> {
  if (compare === 'size' || existing === 'keep') return undefined;
  const sides = fingerprint([from.label, from.path, to.label, to.path]);
  const file = doubtsFile(state, fingerprint([name]));
  const byPath = new Map<string, Doubt>();
  const text = await readFile(file, 'utf8').catch(() => '');
  for (const line of text.split('\n').map(lineOf)) {
    if (line?.sides === sides) byPath.set(line.path, line.doubt);
  }
  let changed = false;
  let journal: number | undefined;
  let closed = false;

  /** What can't be written costs something only if this process is killed. */
  const note = (line: Line) => {
    if (closed) return; // the number may be another file's by now
    try {
      if (journal === undefined) {
        mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
        journal = openSync(file, 'a', 0o600);
        writeSync(journal, '\n'); // the last line may have been cut
      }
      writeSync(journal, `${JSON.stringify(line)}\n`);
    } catch {
      // see above
    }
  };

  return {
    byPath,
    publishing(path, reading) {
      const doubt = doubtOf(reading, byPath.get(path));
      if (doubt === undefined)
        return () => {
          changed = byPath.delete(path) || changed;
        };
      // until it stands, the destination holds either this or what was copied before
      const either = { ...doubt, tells: false };
      changed = true;
      byPath.set(path, either);
      note({ sides, path, doubt: either });
      return () => void byPath.set(path, doubt);
    },
    same(path, readAt) {
      const doubt = byPath.get(path);
      if (doubt !== undefined && readAt >= doubt.until) changed = byPath.delete(path);
    },
    async lookAgain(source, signal) {
      const at = Date.now();
      const due = [...byPath].filter(([, { until }]) => until <= at);
      await each(due, looksAtOnce, async ([path, doubt]) => {
        try {
          if (!endsDoubt(doubt, await source.stat(doubt.from, signal), at)) return;
          changed = byPath.delete(path) || changed;
        } catch {
          // it stays in doubt
        }
      });
    },
    async close(isOurs) {
      closed = true;
      if (journal !== undefined) closeSync(journal);
      if (!changed || !isOurs) return;
      const lines = [...byPath].map(
        ([path, doubt]) => `${JSON.stringify({ sides, path, doubt } satisfies Line)}\n`,
      );
      try {
        if (lines.length === 0) return await rm(file, { force: true });
        await writeWhole(file, lines.join(''));
      } catch {
        // the lines that were added still tell of each copy, if not what its source was
      }
    },
  };
}

interface Line {
  readonly sides: string;
  readonly path: string;
  readonly doubt: Doubt;
}

/** Undefined for a line that was cut. */
function lineOf(text: string): Line | undefined {
  if (text === '') return undefined;
  try {
    const { sides, path, doubt } = JSON.parse(text) as Line;
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
