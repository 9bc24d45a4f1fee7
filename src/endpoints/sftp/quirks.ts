/**
 * What a server was seen to do otherwise than it says, and what ferryline then does instead. A quirk is
 * acted on at once where it is seen; once it was seen several times it is expected, so that no further
 * file or folder costs a failed try. What was expected longest ago is tried anew.
 */
import { count } from '../../core/text.js';

const texts = {
  readdirsAhead: 'answers several READDIRs at once wrongly; folders are read one answer at a time',
  posixRename:
    'offers posix-rename and refuses it; old files are set aside before they are replaced',
  exclusive: 'refuses exclusive creation; names are looked up before they are created',
  disorder: 'carries out requests in another order; each waits for the one before it',
  rename: 'says OK to renames and does nothing; each one is looked at',
  removal: 'says OK to removals and removes nothing; each one is looked at',
} as const;

export type Quirk = keyof typeof texts;

/** How often a quirk was seen, and when it was last, ms since the epoch. */
export interface Sighting {
  readonly seen: number;
  readonly at: number;
}

export type Sightings = Readonly<Partial<Record<Quirk, Sighting>>>;

/** Sightings after which a quirk is expected. */
const expectedAfter: Readonly<Record<Quirk, number>> = {
  readdirsAhead: 3,
  posixRename: 3,
  exclusive: 3,
  rename: 3,
  removal: 3,
  // a request that overtakes another one can put data into the wrong file
  disorder: 1,
};
/** Milliseconds after which a sighting is forgotten: the server may have been updated. */
const rememberedForMs = 7 * 86_400_000;

export class Quirks {
  readonly #log: (text: string) => void;
  readonly #now: () => number;
  readonly #sightings = new Map<Quirk, Sighting>();
  #changed = false;

  /** `log` receives a sentence about each quirk from which on it is expected; `now` returns the time, ms since the epoch. */
  constructor(log: (text: string) => void, now: () => number = Date.now) {
    this.#log = log;
    this.#now = now;
  }

  /** Whether it was seen often enough to act on it before it is seen again. */
  expects(quirk: Quirk): boolean {
    return this.#seen(quirk) >= expectedAfter[quirk];
  }

  /** Counts one more sighting. */
  saw(quirk: Quirk): void {
    const seen = this.#seen(quirk) + 1;
    if (seen > expectedAfter[quirk]) return;
    this.#sightings.set(quirk, { seen, at: this.#now() });
    this.#changed = true;
    if (seen === expectedAfter[quirk]) this.#log(`this server ${texts[quirk]}`);
  }

  /** Takes in what earlier runs saw. Returns a sentence for each quirk that is expected. */
  recall(sightings: Sightings): string[] {
    const sentences: string[] = [];
    for (const quirk of Object.keys(texts) as Quirk[]) {
      const { seen, at } = sightings[quirk] ?? { seen: 0, at: 0 };
      if (!Number.isInteger(seen) || !(at > this.#now() - rememberedForMs)) continue;
      if (seen > this.#seen(quirk)) this.#sightings.set(quirk, { seen, at });
      const day = new Date(at).toISOString().slice(0, 10);
      if (seen >= expectedAfter[quirk])
        sentences.push(`${texts[quirk]} (seen ${count(seen, 'time')} by ${day})`);
    }
    return sentences;
  }

  /** All sightings, if there are any that no earlier call returned. */
  takeNew(): Sightings | undefined {
    if (!this.#changed) return undefined;
    this.#changed = false;
    return Object.fromEntries(this.#sightings);
  }

  #seen(quirk: Quirk): number {
    const sighting = this.#sightings.get(quirk);
    if (sighting === undefined || this.#now() - sighting.at > rememberedForMs) return 0;
    return sighting.seen;
  }
}
