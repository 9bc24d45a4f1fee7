/**
 * From which file of the source each file at a job's destination was copied (`renames: follow`), by device, inode,
 * birth time, size and full mtime. Kept from run to run in STATE/origins/<hash of the job's name>.ndjson. What is in it is
 * about the destination: a line is forgotten, on the disk too, before the run touches the file there, and a new one is
 * added once the file has its name. So a killed run leaves lines that are true, or none. If it is lost, the files that
 * are renamed next are copied.
 */
import { rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Stat } from '../../../core/entry.js';
import { FerryError } from '../../../core/errors.js';
import type { Job } from '../../../core/job.js';
import { doubtOf, type Reading } from '../../../jobs/plan/doubt.js';
import type { Copy } from '../../../jobs/plan/plan.js';
import { originOf } from '../../../jobs/plan/renames.js';
import { originsFile } from '../../../state/layout.js';
import { fingerprint } from '../fingerprint.js';
import { LastingInodes } from './lasting-inodes.js';
import { PathJournal } from './path-journal.js';

/** Files that are remembered; if further ones are renamed, they are copied. */
const mostFiles = 500_000;
/** Files that are remembered in memory alone: if the process is killed, these are copied when they are renamed. */
const unwrittenFiles = 1000;
/** Milliseconds within which a system may give two files the same inode and birth time, since its clock advances in ticks. */
const clockTickMs = 20;

/** A file at the destination. */
export interface Origin {
  /** As `originOf` says it. */
  readonly of: string;
  /** The mtime it was stored with, whole seconds. */
  readonly mtime: number;
}

/** Opens what is known between a job's present two sides; undefined for a job that does not follow renames, whose runs `writes` says may forget it. */
export function openOrigins(
  { name, from, to, target, renames }: Job,
  state: string,
  writes: boolean,
): Origins | undefined {
  const file = originsFile(state, fingerprint(target === undefined ? [name] : [name, target]));
  if (renames)
    return new Origins(file, fingerprint([from.label, from.path, to.label, to.path]), from.path);
  // this run changes the destination and would not write it down
  if (writes) rmSync(file, { force: true });
  return undefined;
}

export class Origins {
  readonly #file: string;
  readonly #sides: string;
  readonly #inodes: LastingInodes;
  #journal: PathJournal<Origin> | undefined;
  #unwritten = 0;

  /** `source`: the folder that is copied from. */
  constructor(file: string, sides: string, source: string) {
    this.#file = file;
    this.#sides = sides;
    this.#inodes = new LastingInodes(source);
  }

  /** What a file of the source is known by; undefined where its side does not show all of it, or numbers files anew. */
  originOf(file: Stat, path: string): string | undefined {
    const origin = originOf(file);
    const isLasting = origin !== undefined && this.#inodes.has(file.device as number, path);
    return isLasting ? origin : undefined;
  }

  /** Reads what is known, once a run has found something to do: a run that finds nothing needs none of it. */
  open(): ReadonlyMap<string, Origin> {
    this.#journal ??= PathJournal.open(this.#file, this.#sides, lineFormat);
    return this.#journal.byPath;
  }

  /** Forgets the files at these paths of the destination, which the caller is about to change. */
  async forget(paths: Iterable<string>): Promise<void> {
    try {
      this.#journal?.forget(paths);
    } catch (cause) {
      // without the file nothing in it can be wrong
      await this.#journal?.close(false);
      this.#journal = undefined;
      await rm(this.#file, { force: true }).catch(() => {
        throw new FerryError('io', 'the state folder can’t be written', {
          cause,
          hint: `make room there, or delete ${this.#file}`,
        });
      });
    }
  }

  /** Records a file that was copied whole and has its final name. */
  copied(
    { path, from }: Pick<Copy, 'path' | 'from'>,
    source: Stat,
    reading: Reading,
    storedMtime: number | undefined,
  ): void {
    const { readAt } = reading;
    const doubt = doubtOf(reading, undefined);
    const isDoubtful = doubt !== undefined && !doubt.tells;
    if (isDoubtful || readAt - (source.born ?? 0) < clockTickMs) return;
    const of = this.originOf(source, from);
    if (of !== undefined && storedMtime !== undefined)
      this.renamed(path, { of, mtime: Math.floor(storedMtime) });
  }

  /** Records a file that was renamed at the destination. */
  renamed(path: string, origin: Origin): void {
    const journal = this.#journal;
    if (journal === undefined) return;
    if (journal.byPath.size >= mostFiles && !journal.byPath.has(path)) return;
    journal.set(path, origin);
    if (++this.#unwritten < unwrittenFiles) return;
    journal.flush();
    this.#unwritten = 0;
  }

  /** Keeps what is left, unless the run is no longer this process's. */
  async close(isOurs: boolean): Promise<void> {
    await this.#journal?.close(isOurs);
  }
}

const lineFormat = {
  fields: (origin: Origin | undefined) => origin ?? { of: null },
  value({ of, mtime }: { readonly of?: unknown; readonly mtime?: unknown }) {
    if (of === null) return undefined;
    const isWhole = typeof of === 'string' && of.split(':').length === 5;
    if (!isWhole || !Number.isFinite(mtime)) throw new Error('no origin');
    return { of, mtime: Number(mtime) };
  },
};
