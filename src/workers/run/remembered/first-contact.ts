/**
 * First contact: a mirror deletes nothing until it has once succeeded against its destination, so that
 * a wrong `to` or a foreign disk under the right path costs nothing. The proof is a mark below the
 * destination's root, `.ferryline/mirrored/JOB-HASH.json`, written after a whole run that succeeded.
 * Where the destination refuses it, the state folder keeps the mark instead.
 *
 * The state folder also remembers that the mark was seen at the destination. That proves nothing, but
 * saves looking for it: a run that deletes nothing makes no request, and one that deletes makes one.
 */
import { readFile } from 'node:fs/promises';
import { join, reservedFolder } from '../../../core/entry.js';
import { asFerryError, endsRun, FerryError } from '../../../core/errors.js';
import type { Job } from '../../../core/job.js';
import { escapeText } from '../../../core/text.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import { mirroredFile } from '../../../state/layout.js';
import { writeWhole } from '../../../state/write-whole.js';
import { fingerprint } from '../fingerprint.js';
import { makeFolders } from '../trash/own-folders.js';

/** Who keeps the mark. */
type Keeper = 'destination' | 'state';

/** Tries to write the mark: a new file is not made again by itself after the connection was lost. */
const triesToWrite = 4;

const marksFolder = join(reservedFolder, 'mirrored');

/** What a mark is named by. */
interface MarkedJob {
  readonly name: string;
  readonly to: Pick<Job['to'], 'label'>;
}

/** The path of a job's mark below its destination's root. */
export function markPath({ name, to }: MarkedJob): string {
  return join(marksFolder, `${name}-${fingerprint([name, to.label])}.json`);
}

export interface Contact {
  readonly job: Pick<Job, 'name' | 'from' | 'to'>;
  readonly destination: Endpoint;
  /** Whether the scan saw a folder `.ferryline` at the destination: without one there is no mark. */
  readonly hasReserved: boolean;
  /** The state folder. */
  readonly state: string;
}

export class FirstContact {
  readonly #contact: Contact;
  readonly #path: string;
  readonly #file: string;
  #remembered: Promise<Keeper | undefined> | undefined;
  /** Whether the mark is at the destination; undefined: this run has not looked. */
  #isThere: boolean | undefined;
  /** Whether the run deletes something. */
  #matters = false;

  constructor(contact: Contact) {
    const { job, destination, hasReserved, state } = contact;
    const { remote } = job.to;
    this.#contact = contact;
    this.#path = markPath(job);
    // unlike the mark, this file lies in no place of its own, so its name says which server is meant
    const server = remote === undefined ? [] : [remote.host, remote.port, remote.username];
    const mirror = fingerprint([job.name, job.to.label, destination.root, ...server]);
    this.#file = mirroredFile(state, mirror);
    if (!hasReserved) this.#isThere = false;
  }

  /** Undefined if the mirror has once succeeded against this destination; else why that is not known. Changes nothing. */
  async doubt(signal: AbortSignal): Promise<'never' | 'gone' | undefined> {
    this.#matters = true;
    if (await this.#look(signal)) return undefined;
    const keeper = await this.#recall();
    if (keeper === 'state') return undefined;
    return keeper === 'destination' ? 'gone' : 'never';
  }

  /**
   * Keeps the mark after a whole run that succeeded. Resolves to a message if nobody could keep it.
   * Rejects only with an error that ends the run.
   */
  async succeeded(run: string, signal: AbortSignal): Promise<string | undefined> {
    const keeper = await this.#recall();
    // nothing shows that the destination has changed, and finding out would cost every run a round trip
    if (keeper === 'destination' && this.#isThere === undefined) return undefined;
    if (keeper === 'state' && !this.#matters) return undefined;
    if (await this.#look(signal)) return this.#remember('destination');
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#write(run, signal);
        return this.#remember('destination');
      } catch (thrown) {
        signal.throwIfAborted();
        const error = asFerryError(thrown);
        if (error.kind === 'network' && attempt < triesToWrite) continue;
        if (endsRun(error.kind)) throw error;
        return this.#remember('state');
      }
    }
  }

  #recall(): Promise<Keeper | undefined> {
    this.#remembered ??= readKeeper(this.#file);
    return this.#remembered;
  }

  /** Whether the mark is at the destination; a link on the way to it is not followed. */
  async #look(signal: AbortSignal): Promise<boolean> {
    this.#isThere ??= await this.#isMarked(signal);
    return this.#isThere;
  }

  async #isMarked(signal: AbortSignal): Promise<boolean> {
    const { destination } = this.#contact;
    try {
      const [ours, marks, mark] = await Promise.all(
        [reservedFolder, marksFolder, this.#path].map((path) => destination.stat(path, signal)),
      );
      return ours?.kind === 'folder' && marks?.kind === 'folder' && mark?.kind === 'file';
    } catch (thrown) {
      signal.throwIfAborted();
      const error = asFerryError(thrown);
      if (endsRun(error.kind)) throw error;
      return false;
    }
  }

  /** Writes the mark whole: under another name first. */
  async #write(run: string, signal: AbortSignal): Promise<void> {
    const { destination, job } = this.#contact;
    await makeFolders(destination, marksFolder, 0o777, new Map(), signal);
    const data = Buffer.from(
      `${JSON.stringify({ job: job.name, from: job.from.label, to: job.to.label, run })}\n`,
    );
    const temporary = `${this.#path}.new`;
    await remove(destination, temporary, signal);
    const handle = await destination.open(temporary, 'create', 0o644, signal);
    try {
      const stored = await handle.finish({ data, attributes: {}, sync: false }, signal);
      if (stored?.kind !== 'file' || (stored.size ?? data.length) !== data.length)
        throw new FerryError('io', 'it was not stored as it was written', { path: temporary });
      await destination.rename(temporary, this.#path, true, signal);
    } catch (error) {
      await handle.close().catch(() => {});
      if (!signal.aborted) await remove(destination, temporary, signal).catch(() => {});
      throw error;
    }
  }

  /** Keeps in the state folder who has the mark. Resolves to a message if that matters and fails. */
  async #remember(keeper: Keeper): Promise<string | undefined> {
    if ((await this.#recall()) === keeper) return undefined;
    const { job, destination } = this.#contact;
    const text = `${JSON.stringify({ job: job.name, to: job.to.label, root: destination.root, keeper })}\n`;
    try {
      await writeWhole(this.#file, text);
      return undefined;
    } catch (error) {
      if (keeper === 'destination') return undefined; // the next run looks again
      return `neither ${escapeText(job.to.label)} nor the state folder could keep the mark of this success (${(error as Error).message}), so a later run that deletes will be refused as first contact`;
    }
  }
}

/** A file that makes no sense counts as missing. */
async function readKeeper(file: string): Promise<Keeper | undefined> {
  try {
    const { keeper } = JSON.parse(await readFile(file, 'utf8')) as { keeper?: unknown };
    return keeper === 'destination' || keeper === 'state' ? keeper : undefined;
  } catch {
    return undefined;
  }
}

async function remove(side: Endpoint, path: string, signal: AbortSignal): Promise<void> {
  await side.remove(path, signal).catch((error) => {
    if (!(error instanceof FerryError && error.code === 'ENOENT')) throw error;
  });
}
