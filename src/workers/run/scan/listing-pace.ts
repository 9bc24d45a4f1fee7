/** How many folders are listed at once. */
import type { Endpoint } from '../../../endpoints/endpoint.js';

/**
 * Limits of the folders listed at once, by the round trip in ms: enough to fill the connection, but
 * no more, since entries wait in memory for the other side's. `first` applies to the first
 * `foldersToJudge` folders, after which `entries` and the folders' mean size decide.
 */
const listingsAtOnce = {
  most: 512,
  first: (roundTripMs: number) => Math.max(32, 10 * roundTripMs),
  entries: (roundTripMs: number) => Math.max(20_000, 5_000 * roundTripMs),
  foldersToJudge: 16,
};
/** Below this depth few folders are listed at once, so that a tree without end is soon at the depth that ends the run. */
const deep = 32;
const deepListingsAtOnce = 8;

export class ListingPace {
  readonly #source: Endpoint['can'];
  readonly #destination: Endpoint['can'];
  #entries = 0;
  #folders = 0;
  #isDeep = false;

  constructor(source: Endpoint, destination: Endpoint) {
    this.#source = source.can;
    this.#destination = destination.can;
  }

  /** Entries of all folders so far. */
  get entries(): number {
    return this.#entries;
  }

  /** The folder at this path, with this many entries, has been listed. */
  listed(path: string, entries: number): void {
    this.#isDeep = path.length > 2 * deep && path.split('/').length > deep;
    this.#entries += entries;
    this.#folders++;
  }

  /** How many folders may be listed at once, given the size of those listed so far. */
  atOnce(): number {
    const { most, first, entries, foldersToJudge } = listingsAtOnce;
    const handles = Math.min(this.#source.maxHandles, this.#destination.maxHandles);
    const roundTripMs = Math.max(this.#source.roundTrip, this.#destination.roundTrip);
    const wanted =
      this.#folders < foldersToJudge
        ? first(roundTripMs)
        : (entries(roundTripMs) * this.#folders) / (this.#entries + 1);
    const atMost = this.#isDeep ? deepListingsAtOnce : most;
    return Math.max(1, Math.min(Math.floor(wanted), atMost, handles));
  }
}
