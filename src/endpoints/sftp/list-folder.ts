/**
 * Lists a folder on a server, with several READDIRs in flight. Some servers don't expect that: they
 * list the folder once for each, drop the handle at the end of the listing, or lose names. Whatever
 * looks like it is read again, one answer at a time.
 */
import { each, requestsAtOnce } from '../../core/at-once.js';
import type { Entry } from '../../core/entry.js';
import { asFerryError, endsRun, FerryError } from '../../core/errors.js';
import type { SftpChannel } from './client/channel.js';
import { dotsAlone, isTyped, type RawEntry } from './client/wire.js';
import type { HandleLimit } from './handle-limit.js';
import type { Quirks } from './quirks.js';
import { withKind } from './stat.js';

/** READDIR requests in flight for one folder; OpenSSH answers each with at most 100 names. */
export const readdirsAhead = 4;
/** Below this round trip only two READDIRs go out at first, which suffice for most folders: the entries and the end. Above it, an unneeded request costs less than a round trip. */
const shortRoundTripMs = 5;
/** A folder with more entries counts as endless, which is a hostile-peer error. */
const mostEntries = 2_000_000;
/** So many answers in a row without a name, or with `.` and `..` alone, count as endless, too. */
const mostEmptyAnswers = 1000;
/** A folder deeper than this below the root counts as a server that invents folders. */
const mostDepth = 256;

/** How many READDIRs to begin with on a line with this round trip. */
export function firstReaddirs(roundTripMs: number): number {
  return roundTripMs < shortRoundTripMs ? 2 : readdirsAhead;
}

/** Refuses a folder, relative to the root, that is deeper than real ones are. Errors: `hostile-peer`. */
export function checkDepth(folder: string): void {
  if (folder.length < 2 * mostDepth || folder.split('/').length <= mostDepth) return;
  throw new FerryError('hostile-peer', `folders are nested more than ${mostDepth} deep`, {
    path: folder,
    hint: 'the server may show a folder within itself; check it there, or exclude it',
  });
}

/** What a listing needs beside its path. */
export interface Listing {
  readonly channel: SftpChannel;
  readonly handles: HandleLimit;
  readonly quirks: Quirks;
  readonly signal: AbortSignal;
}

/** All entries of the folder at a path on the server, by `first` READDIRs at once, then by `readdirsAhead`. */
export async function readFolder(listing: Listing, at: string, first: number): Promise<RawEntry[]> {
  const { quirks, signal } = listing;
  let listed = quirks.expects('readdirsAhead') ? undefined : await readAhead(listing, at, first);
  if (listed === undefined) {
    signal.throwIfAborted();
    listed = await readOneByOne(listing, at);
    quirks.saw('readdirsAhead');
  }
  if (listed.length === 0 && listed !== dotsAlone) await checkEntered(listing, at);
  return listed;
}

/**
 * Throws if a folder that seems empty can't be entered. OpenSSH lists a folder that may be read and not
 * entered without error, and leaves out every name that it can't look at, `.` and `..` too.
 */
async function checkEntered({ channel, signal }: Listing, at: string): Promise<void> {
  await channel.lstat(`${at}/.`, signal).catch((error) => {
    const { kind, code } = asFerryError(error);
    if (endsRun(kind) || code === 'EACCES') throw error;
  });
}

/** Reads with several READDIRs in flight; undefined if the answers don't add up to one listing. */
function readAhead(listing: Listing, at: string, first: number): Promise<RawEntry[] | undefined> {
  return withFolder(listing, at, async (next) => {
    const batches: RawEntry[][] = [];
    let dots = false;
    const bounds = new Bounds();
    for (let ahead = first; ; ahead = readdirsAhead) {
      const answers = await Promise.all(
        Array.from({ length: ahead }, () => next().catch(asRefusal)),
      );
      let ended = false;
      for (const names of answers) {
        if (names instanceof FerryError) return undefined;
        if (names === undefined) ended = true;
        else {
          if (ended && names.length > 0) return undefined;
          bounds.count(names);
          if (names === dotsAlone) dots = true;
          if (names.length > 0) batches.push(names);
        }
      }
      if (ended) return batches.length === 0 && dots ? dotsAlone : joined(batches);
    }
  });
}

/** Reads with one READDIR in flight. A name that is listed twice even so counts once, as it was listed last. */
function readOneByOne(listing: Listing, at: string): Promise<RawEntry[]> {
  return withFolder(listing, at, async (next) => {
    const byName = new Map<string, RawEntry>();
    let dots = false;
    const bounds = new Bounds();
    for (let names = await next(); names !== undefined; names = await next()) {
      bounds.count(names);
      if (names === dotsAlone) dots = true;
      for (const entry of names) byName.set(entry.name, entry);
    }
    return byName.size === 0 && dots ? dotsAlone : [...byName.values()];
  });
}

/** Opens a folder, lets `read` ask for its entries, and closes it. */
async function withFolder<T>(
  { channel, handles, signal }: Listing,
  at: string,
  read: (next: () => Promise<RawEntry[] | undefined>) => Promise<T>,
): Promise<T> {
  const handle = await handles.open(channel, () => channel.opendir(at, signal), signal);
  try {
    return await read(() => channel.readdir(handle, signal));
  } finally {
    channel
      .closeHandle(handle)
      .catch(() => {})
      .finally(() => handles.closed());
  }
}

/** All entries of a listing's answers; undefined if a name is in two of them. */
function joined(batches: readonly RawEntry[][]): RawEntry[] | undefined {
  const [only, second] = batches;
  if (only === undefined) return [];
  if (second === undefined && isUnique(only)) return only;
  const all = batches.flat();
  return isUnique(all) ? all : undefined;
}

function isUnique(entries: readonly RawEntry[]): boolean {
  const names = new Set<string>();
  for (const { name } of entries) names.add(name);
  return names.size === entries.length;
}

/** The server's refusal of one request; throws what ends the session or the run. */
function asRefusal(error: unknown): FerryError {
  if (!(error instanceof FerryError) || endsRun(error.kind)) throw error;
  return error;
}

/** Notices a listing that does not end. */
class Bounds {
  #entries = 0;
  #empty = 0;

  count(names: readonly RawEntry[]): void {
    this.#entries += names.length;
    this.#empty = names.length === 0 ? this.#empty + 1 : 0;
    if (this.#entries <= mostEntries && this.#empty < mostEmptyAnswers) return;
    throw new FerryError('hostile-peer', 'the listing of a folder does not end', {
      hint: `the server has sent ${this.#entries} names and goes on; check the folder there`,
    });
  }
}

/** The entries of the folder `at` with their kinds; those without one are looked up, many at once. */
export async function withKinds(
  listing: Listing,
  at: string,
  listed: readonly RawEntry[],
): Promise<Entry[]> {
  const entries: (Entry | undefined)[] = listed.map((entry) =>
    isTyped(entry) ? entry : undefined,
  );
  const missing = [...listed.keys()].filter((i) => entries[i] === undefined);
  const unanswered: number[] = [];
  await each(missing, requestsAtOnce(listing.channel.roundTrip), async (i) => {
    const looked = await lookUp(listing, at, listed[i] as RawEntry);
    entries[i] = looked;
    if (looked === undefined) unanswered.push(i);
  });
  if (unanswered.length > 0) {
    // a name that is no longer listed either is gone; any other one is there, and can't be copied
    const now = new Set((await readOneByOne(listing, at)).map(({ name }) => name));
    for (const i of unanswered) {
      const entry = listed[i] as RawEntry;
      if (now.has(entry.name))
        entries[i] = {
          ...entry,
          kind: 'special',
          problem: 'the server lists it and finds nothing there when it is asked for it',
        };
    }
  }
  return entries.filter((entry) => entry !== undefined);
}

/** The entry with its kind; undefined if the server has nothing of that name. */
async function lookUp(
  { channel, handles, signal }: Listing,
  at: string,
  entry: RawEntry,
): Promise<Entry | undefined> {
  const below = `${at === '/' ? '' : at}/${entry.name}`;
  try {
    const stat = await channel.lstat(below, signal);
    return { ...entry, ...(await withKind(channel, handles, below, stat, signal)) };
  } catch (error) {
    signal.throwIfAborted();
    const { kind, code, message } = asFerryError(error);
    if (endsRun(kind)) throw error;
    if (code === 'ENOENT') return undefined;
    return { ...entry, kind: 'special', problem: `the server does not say what it is: ${message}` };
  }
}
