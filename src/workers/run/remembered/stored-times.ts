/**
 * Files whose mtime the destination stored otherwise than it was sent: what was sent, and what is
 * stored. As long as both sides still say the same, such a file is unchanged, whatever the server
 * does to mtimes; any other mtime on either side shows a change. Kept from run to run in
 * STATE/stored-times/<hash of the job's name>.ndjson, which usually does not exist. If it is lost,
 * those files are copied again.
 */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Job } from '../../../core/job.js';
import type { StoredTime } from '../../../jobs/plan/compare.js';
import { storedTimesFile } from '../../../state/layout.js';
import { writeWhole } from '../../../state/write-whole.js';
import { fingerprint } from '../fingerprint.js';
import { MtimeEvidence } from './mtime-evidence.js';

/** Files that are remembered; of further ones only what is learnt of the whole side is known, else they are copied again. */
const mostFiles = 500_000;
/** Tries by path that must have failed before no further file costs two round trips more. */
const triesByPath = 3;
/** SFTP carries mtimes from 0 to this, in seconds (draft-ietf-secsh-filexfer-02 §5). */
const latestMtime = 0xffff_ffff;

/** Opens what is known of a job's present two sides. */
export async function openStoredTimes(
  { name, from, to, target }: Job,
  state: string,
): Promise<StoredTimes> {
  const sides = fingerprint([from.label, from.path, to.label, to.path]);
  const file = storedTimesFile(state, fingerprint(target === undefined ? [name] : [name, target]));
  const byPath = new Map<string, StoredTime>();
  const text = await readFile(file, 'utf8').catch(() => '');
  for (const line of text.split('\n')) {
    const read = line === '' ? undefined : parseLine(line);
    if (read?.sides !== sides) continue;
    if (read.stored === null) byPath.delete(read.path);
    else byPath.set(read.path, { sent: read.sent, stored: read.stored });
  }
  return new StoredTimes(file, sides, byPath);
}

export class StoredTimes {
  readonly evidence = new MtimeEvidence();
  readonly #file: string;
  /** A fingerprint of the job's two sides, part of each line. */
  readonly #sides: string;
  readonly #byPath: Map<string, StoredTime>;
  readonly #asked = new Set<string>();
  #changed = false;
  /** File descriptor; undefined until the first line is added. */
  #journal: number | undefined;
  #closed = false;
  #helped = 0;
  #failed = 0;
  #otherwise = 0;
  #clamped = 0;

  constructor(file: string, sides: string, byPath: Map<string, StoredTime>) {
    this.#file = file;
    this.#sides = sides;
    this.#byPath = byPath;
  }

  /** For the plan; undefined if there is nothing to look up. */
  get known(): { get(path: string): StoredTime | undefined } | undefined {
    return this.#byPath.size === 0 ? undefined : this;
  }

  get(path: string): StoredTime | undefined {
    const known = this.#byPath.get(path);
    if (known !== undefined) this.#asked.add(path);
    return known;
  }

  /** Files that the plan has looked up and found here. */
  get found(): number {
    return this.#asked.size;
  }

  /** Files of this run whose mtime was stored otherwise, and those whose mtime is beyond what the side stores. */
  get noted(): { readonly otherwise: number; readonly clamped: number } {
    return { otherwise: this.#otherwise, clamped: this.#clamped };
  }

  /** Whether setting an mtime once more, by path, may store it. */
  get mayHelp(): boolean {
    return this.#helped > 0 || this.#failed < triesByPath;
  }

  /** Whether several files got their mtimes by path, and by path alone. */
  get needsPath(): boolean {
    return this.#helped >= triesByPath && this.#failed === 0;
  }

  triedByPath(helped: boolean): void {
    if (helped) this.#helped++;
    else this.#failed++;
  }

  /** Records what became of the mtime of a file that has its final name: seconds as sent and as stored. */
  published(path: string, sent: number | undefined, stored: number | undefined): void {
    const known = this.#byPath.get(path);
    if (sent === undefined || stored === undefined || Math.floor(sent) === Math.floor(stored)) {
      if (known === undefined) return;
      this.#byPath.delete(path);
      this.#append({ path, sent: 0, stored: null });
      return;
    }
    this.#otherwise++;
    if (sent < 0 || sent > latestMtime || (sent > stored && Math.floor(stored) === 0x7fff_ffff))
      this.#clamped++;
    if (known === undefined && this.#byPath.size >= mostFiles) return;
    const time = { sent: Math.floor(sent), stored: Math.floor(stored) };
    this.#byPath.set(path, time);
    this.#append({ path, ...time });
  }

  /** Closes the journal and writes what is left, unless the run is no longer this process's. `whole`: the plan has looked up every file that both sides have. */
  async close(isOurs: boolean, whole: boolean): Promise<void> {
    this.#closed = true;
    if (this.#journal !== undefined) closeSync(this.#journal);
    if (whole && isOurs)
      for (const path of this.#byPath.keys())
        if (!this.#asked.has(path) && !this.#fresh.has(path))
          this.#changed = this.#byPath.delete(path) || this.#changed;
    if (!this.#changed || !isOurs) return;
    const lines = [...this.#byPath].map(
      ([path, time]) => `${JSON.stringify({ sides: this.#sides, path, ...time })}\n`,
    );
    try {
      if (lines.length === 0) return await rm(this.#file, { force: true });
      await writeWhole(this.#file, lines.join(''));
    } catch {
      // the journal's lines still say the same
    }
  }

  /** Paths that this run has recorded. */
  readonly #fresh = new Set<string>();

  /** Adds a line to the journal. If it is lost, the file is copied again. */
  #append(line: Omit<Line, 'sides'>): void {
    this.#changed = true;
    this.#fresh.add(line.path);
    if (this.#closed) return; // the descriptor may belong to another file by now
    try {
      if (this.#journal === undefined) {
        mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 });
        this.#journal = openSync(this.#file, 'a', 0o600);
        writeSync(this.#journal, '\n'); // the last line may be incomplete
      }
      writeSync(this.#journal, `${JSON.stringify({ sides: this.#sides, ...line })}\n`);
    } catch {
      // see above
    }
  }
}

interface Line {
  readonly sides: string;
  readonly path: string;
  readonly sent: number;
  /** Null: the file's mtime is stored as sent by now. */
  readonly stored: number | null;
}

/** Returns undefined for an incomplete line. */
function parseLine(text: string): Line | undefined {
  try {
    const line = JSON.parse(text) as Line;
    const { path, sent, stored } = line;
    const sound =
      typeof path === 'string' &&
      Number.isFinite(sent) &&
      (stored === null || Number.isFinite(stored));
    return sound ? line : undefined;
  } catch {
    return undefined;
  }
}
