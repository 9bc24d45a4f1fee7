/** `ferryline ls REMOTE:path`: lists a folder, or a whole tree, of a server. It changes nothing. */
import { byBytes, type Entry, join, type Stat } from '../../core/entry.js';
import { FerryError } from '../../core/errors.js';
import type { Location } from '../../core/job.js';
import { present } from '../../core/present.js';
import { escapeText } from '../../core/text.js';
import type { Endpoint } from '../../endpoints/endpoint.js';
import { openSide } from '../../endpoints/open.js';
import { readConfigNaming } from '../config-file.js';
import type { Context } from '../context.js';
import type { HostFlags } from '../flags.js';
import { locate, remoteNamed } from '../locate.js';
import { openPool } from '../run-jobs.js';
import { timeText } from '../show/time-text.js';

export interface LsFlags extends HostFlags {
  readonly long?: boolean;
  readonly recursive?: boolean;
}

/** Folders listed ahead of the one that is printed, and links read at once. */
const ahead = 32;

/**
 * Prints a line for each entry, in the order of its names' bytes: the name, a folder's with a slash at its end. Resolves to 3
 * if a part of the tree could not be listed; each such folder is named. Errors: those of the root.
 */
export async function ls(place: string, flags: LsFlags, context: Context): Promise<number> {
  const config = await readConfigNaming(remoteNamed(place), context);
  const location = locate(place, config, flags, context);
  if (location.remote === undefined) {
    const path = escapeText(place);
    throw new FerryError('config', `${path} is a local path; ls lists a folder on a server`, {
      hint: `write HOST:path for a server; \`ls ${path}\` lists a local folder`,
    });
  }
  const signal = context.stopSignal();
  const pool = openPool(context);
  try {
    const { endpoint, only } = await openSide(location, 'from', pool, signal, true);
    const listing = new Listing(endpoint, flags, context, signal);
    if (only === undefined) await listing.print('', await rootOf(endpoint, location, signal));
    else await listing.printOnly(only);
    return listing.exitCode;
  } finally {
    await pool.leave();
  }
}

/** The entries of the folder that was asked for. */
function rootOf(endpoint: Endpoint, { label, remote }: Location, signal: AbortSignal) {
  return endpoint.list('', signal).catch((error) => {
    if (!(error instanceof FerryError) || error.code !== 'ENOENT') throw error;
    const where = `${escapeText(label)} does not exist on ${escapeText(remote?.host ?? '')}`;
    throw new FerryError('io', where, {
      hint: 'list the folder above it; a path without a leading slash begins at the login folder',
      code: error.code,
      cause: error,
    });
  });
}

class Listing {
  readonly #endpoint: Endpoint;
  readonly #flags: LsFlags;
  readonly #context: Context;
  readonly #signal: AbortSignal;
  exitCode = 0;

  constructor(endpoint: Endpoint, flags: LsFlags, context: Context, signal: AbortSignal) {
    this.#endpoint = endpoint;
    this.#flags = flags;
    this.#context = context;
    this.#signal = signal;
  }

  /** A place that is no folder. */
  async printOnly(name: string): Promise<void> {
    const stat = await this.#endpoint.stat(name, this.#signal);
    if (stat !== undefined) this.#show(name, stat, await this.#targetOf(name, stat));
  }

  /** A folder's entries, then what is below its folders. */
  async print(folder: string, entries: readonly Entry[]): Promise<void> {
    const sorted = entries.toSorted((one, other) => byBytes(one.name, other.name));
    const targets = new Ahead(sorted, (entry) => this.#targetOf(join(folder, entry.name), entry));
    for (const entry of sorted) {
      const target = await targets.next();
      this.#show(join(folder, entry.name), entry, target, entry.problem);
    }
    if (this.#flags.recursive !== true) return;
    const folders = sorted.filter(({ kind }) => kind === 'folder');
    const lists = new Ahead(folders, ({ name }) =>
      this.#endpoint.list(join(folder, name), this.#signal),
    );
    for (const { name } of folders) {
      const below = await lists.next().catch((error) => this.#notListed(error));
      if (below !== undefined) await this.print(join(folder, name), below);
    }
  }

  /** A folder below the root that could not be listed is reported, and the others go on. */
  #notListed(thrown: unknown): undefined {
    if (!(thrown instanceof FerryError) || thrown.kind !== 'io') throw thrown;
    this.#context.output.error(thrown);
    this.exitCode = 3;
  }

  /** Where a link leads, if that is to be shown. */
  async #targetOf(path: string, { kind }: Stat): Promise<string | undefined> {
    const isShown = this.#flags.long === true || this.#context.output.json;
    if (kind !== 'link' || !isShown) return undefined;
    return this.#endpoint.readlink(path, this.#signal).catch(() => undefined);
  }

  #show(path: string, stat: Stat, target: string | undefined, problem?: string): void {
    const { output } = this.#context;
    const { kind, size, mtime, mode } = stat;
    if (output.json) {
      const time = new Date().toISOString();
      const facts = present({ size, mtime, mode, target, problem });
      output.record({ event: 'entry', time, path, kind, ...facts });
      return;
    }
    const name = `${escapeText(path)}${kind === 'folder' ? '/' : ''}`;
    const leads = target === undefined ? '' : ` -> ${escapeText(target)}`;
    output.data(this.#flags.long === true ? `${longText(stat)}  ${name}${leads}` : name);
  }
}

/** Mode, bytes and mtime in columns. */
function longText(stat: Stat): string {
  const { kind, size, mtime } = stat;
  const bytes = size === undefined || kind === 'folder' ? '-' : String(size);
  const time = mtime === undefined ? '-' : timeText(mtime);
  return `${modeText(stat)}  ${bytes.padStart(12)}  ${time.padEnd(20)}`;
}

/** The answers for a row of items, in their order: up to `ahead` are asked for at once. */
class Ahead<Item, Answer> {
  readonly #items: Iterator<Item>;
  readonly #ask: (item: Item) => Promise<Answer>;
  readonly #asked: Promise<Answer>[] = [];

  constructor(items: Iterable<Item>, ask: (item: Item) => Promise<Answer>) {
    this.#items = items[Symbol.iterator]();
    this.#ask = ask;
  }

  next(): Promise<Answer> {
    while (this.#asked.length < ahead) {
      const item = this.#items.next();
      if (item.done === true) break;
      const answer = this.#ask(item.value);
      // It is looked at when its turn comes.
      answer.catch(() => {});
      this.#asked.push(answer);
    }
    return this.#asked.shift() as Promise<Answer>;
  }
}

const kindLetters = { file: '-', folder: 'd', link: 'l', special: 's' } as const;

/** As `ls -l` writes it: `drwxr-x---`; set-id and sticky bits where that does. */
function modeText({ kind, mode }: Stat): string {
  if (mode === undefined) return `${kindLetters[kind]}?????????`;
  const letters = [...'rwxrwxrwx'].map((letter, at) => ((mode >> (8 - at)) & 1 ? letter : '-'));
  const special = [
    [0o4000, 2, 's'],
    [0o2000, 5, 's'],
    [0o1000, 8, 't'],
  ] as const;
  for (const [bit, at, letter] of special)
    if ((mode & bit) !== 0) letters[at] = letters[at] === 'x' ? letter : letter.toUpperCase();
  return kindLetters[kind] + letters.join('');
}
