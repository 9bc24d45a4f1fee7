/**
 * Files whose mtime the destination stored otherwise than it was sent: what was sent, and what is
 * stored. As long as both sides still say the same, such a file is unchanged, whatever the server
 * does to mtimes; any other mtime on either side shows a change. Kept from run to run in
 * STATE/stored-times/<hash of the job's name>.ndjson, which usually does not exist. If it is lost,
 * those files are copied again.
 */
import type { Job } from '../../../core/job.js';
import type { StoredTime } from '../../../jobs/plan/compare.js';
import { storedTimesFile } from '../../../state/layout.js';
import { fingerprint } from '../fingerprint.js';
import { MtimeEvidence } from './mtime-evidence.js';
import { PathJournal } from './path-journal.js';

/** Files that are remembered; of further ones only what is learnt of the whole side is known, else they are copied again. */
const mostFiles = 500_000;
/** Tries by path that must have failed before no further file costs two round trips more. */
const triesByPath = 3;
/** SFTP carries mtimes from 0 to this, in seconds (draft-ietf-secsh-filexfer-02 §5). */
const latestMtime = 0xffff_ffff;

/** Opens what is known of a job's present two sides. */
export function openStoredTimes({ name, from, to, target }: Job, state: string): StoredTimes {
  const sides = fingerprint([from.label, from.path, to.label, to.path]);
  const file = storedTimesFile(state, fingerprint(target === undefined ? [name] : [name, target]));
  return new StoredTimes(PathJournal.open(file, sides, lineFormat));
}

export class StoredTimes {
  readonly evidence = new MtimeEvidence();
  readonly #journal: PathJournal<StoredTime>;
  readonly #asked = new Set<string>();
  /** Paths that this run has recorded. */
  readonly #fresh = new Set<string>();
  #helped = 0;
  #failed = 0;
  #otherwise = 0;
  #clamped = 0;

  constructor(journal: PathJournal<StoredTime>) {
    this.#journal = journal;
  }

  /** For the plan; undefined if there is nothing to look up. */
  get known(): { get(path: string): StoredTime | undefined } | undefined {
    return this.#journal.byPath.size === 0 ? undefined : this;
  }

  get(path: string): StoredTime | undefined {
    const known = this.#journal.byPath.get(path);
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
    const known = this.#journal.byPath.get(path);
    if (sent === undefined || stored === undefined || Math.floor(sent) === Math.floor(stored)) {
      if (known !== undefined) this.#record(path, undefined);
      return;
    }
    this.#otherwise++;
    if (sent < 0 || sent > latestMtime || (sent > stored && Math.floor(stored) === 0x7fff_ffff))
      this.#clamped++;
    if (known === undefined && this.#journal.byPath.size >= mostFiles) return;
    this.#record(path, { sent: Math.floor(sent), stored: Math.floor(stored) });
  }

  /** Keeps what is left, unless the run is no longer this process's. `whole`: the plan has looked up every file that both sides have. */
  close(isOurs: boolean, whole: boolean): Promise<void> {
    if (whole)
      for (const path of [...this.#journal.byPath.keys()])
        if (!this.#asked.has(path) && !this.#fresh.has(path)) this.#journal.set(path, undefined);
    return this.#journal.close(isOurs);
  }

  /** If this is lost, the file is copied again. */
  #record(path: string, time: StoredTime | undefined): void {
    this.#fresh.add(path);
    this.#journal.add(path, time);
  }
}

const lineFormat = {
  /** `stored` is null where the file's mtime is stored as sent by now. */
  fields: (time: StoredTime | undefined) => time ?? { sent: 0, stored: null },
  value({ sent, stored }: { readonly sent?: unknown; readonly stored?: unknown }) {
    if (stored === null) return undefined;
    if (!Number.isFinite(sent) || !Number.isFinite(stored)) throw new Error('no time');
    return { sent: Number(sent), stored: Number(stored) };
  },
};
