/** Lists a folder on a server, with several READDIRs in flight. */
import type { Entry } from '../../core/entry.js';
import { FerryError } from '../../core/errors.js';
import type { SftpChannel } from './client/channel.js';
import { isTyped, type RawEntry } from './client/wire.js';
import type { HandleLimit } from './handle-limit.js';
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

/** All entries of the folder at a path on the server, by `first` READDIRs at once, then by `readdirsAhead`. */
export async function readFolder(
  channel: SftpChannel,
  handles: HandleLimit,
  at: string,
  first: number,
  signal: AbortSignal,
): Promise<RawEntry[]> {
  const handle = await handles.open(channel, () => channel.opendir(at, signal), signal);
  const all: RawEntry[] = [];
  let empty = 0;
  try {
    for (let ahead = first; ; ahead = readdirsAhead) {
      const answers = await Promise.all(
        Array.from({ length: ahead }, () => channel.readdir(handle, signal)),
      );
      for (const names of answers) {
        if (names === undefined) continue;
        empty = names.length === 0 ? empty + 1 : 0;
        for (const entry of names) all.push(entry);
      }
      if (all.length > mostEntries || empty >= mostEmptyAnswers)
        throw new FerryError('hostile-peer', 'the listing of a folder does not end', {
          hint: `the server has sent ${all.length} names and goes on; check the folder there`,
        });
      if (answers.includes(undefined)) return all;
    }
  } finally {
    channel
      .closeHandle(handle)
      .catch(() => {})
      .finally(() => handles.closed());
  }
}

/** The entries of the folder `at` with their kinds; those without one are looked up. */
export async function withKinds(
  channel: SftpChannel,
  handles: HandleLimit,
  at: string,
  listed: readonly RawEntry[],
  signal: AbortSignal,
): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (const entry of listed) {
    if (isTyped(entry)) entries.push(entry);
    else {
      const below = `${at === '/' ? '' : at}/${entry.name}`;
      const stat = await channel.lstat(below, signal);
      entries.push({ ...entry, ...(await withKind(channel, handles, below, stat, signal)) });
    }
  }
  return entries;
}
