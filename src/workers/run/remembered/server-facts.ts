/**
 * What runs have found out about a side, kept in the state folder for the next one: of a server, how
 * many requests it should have at once; of one root on it (a file system), how it stores mtimes and which
 * names are one to it. Each fact has its evidence and ends after seven days, since a server may be updated or a disk mounted.
 */
import type { Job } from '../../../core/job.js';
import { habitText, type MtimeHabit } from '../../../core/mtime-habit.js';
import type { Remote } from '../../../core/remote.js';
import { count } from '../../../core/text.js';
import type { Capabilities } from '../../../endpoints/endpoint.js';
import type { Side } from '../../../endpoints/side.js';
import { localFactsFile, serverFactsFile } from '../../../state/layout.js';
import { readSmall } from '../../../state/read-small.js';
import { writeWhole } from '../../../state/write-whole.js';
import { type KeptNameFacts, NameFacts, soundNameFacts } from './name-facts.js';
import type { StoredTimes } from './stored-times.js';

/** How a root stores mtimes, where not as given. */
interface MtimeFact {
  /** Absent: it keeps none, and stores the time of its clock. */
  readonly habit?: MtimeHabit;
  /** Its clock minus ours, seconds. */
  readonly clockOffset: number;
  /** Files that showed it. */
  readonly files: number;
  /** When they did, ms since the epoch. */
  readonly at: number;
}

interface RootFacts {
  readonly mtimes?: MtimeFact;
  readonly names?: KeptNameFacts;
}

interface ServerFacts {
  /** Infinity is written as `null`. */
  readonly requestsAtOnce: number | null;
  /** When the server, which offers hard links, was found not to make them, ms since the epoch. */
  readonly hardLinksLieAt?: number;
  readonly roots: Readonly<Record<string, RootFacts>>;
}

/** Milliseconds after which a fact is no longer believed. */
const believedForMs = 7 * 86_400_000;
/** Roots of one server that are remembered; the ones learnt of last. */
const mostRoots = 200;

/** What probe files have shown of a side. */
export interface Measured {
  readonly mtimes?: MtimeHabit | 'exact' | undefined;
  readonly ignoresCase?: boolean;
}

/** Probe files count as so many files of a run. */
const probeFiles = 3;

interface LearntSide {
  readonly remote: Remote | undefined;
  readonly label: string;
  /** The resolved root. */
  readonly root: string;
  readonly can: Capabilities;
}

/** What is known of a side. */
export class SideFacts {
  readonly #file: string;
  readonly #side: LearntSide;
  readonly #offersLinks: boolean;
  readonly #known: ServerFacts;
  #mtimes: MtimeFact | undefined;
  readonly names: NameFacts;

  constructor(file: string, side: LearntSide, known: ServerFacts) {
    const { can, root } = side;
    this.#file = file;
    this.#side = side;
    this.#known = known;
    this.#offersLinks = can.hardLinks;
    this.#mtimes = current(known.roots[root]?.mtimes);
    this.names = new NameFacts(
      soundNameFacts(known.roots[root]?.names, Date.now() - believedForMs),
    );
    if (this.#mtimes !== undefined) {
      can.mtimeHabit = this.#mtimes.habit;
      can.clockOffset = this.#mtimes.clockOffset;
      if (this.#mtimes.habit === undefined) can.setStat = 'none';
    }
    if (known.hardLinksLieAt !== undefined) can.hardLinks = false;
    // a limit that this process has found itself is newer
    if (can.requestsAtOnce === Number.POSITIVE_INFINITY && known.requestsAtOnce !== null)
      can.requestsAtOnce = known.requestsAtOnce;
  }

  /** What is believed of the root, a sentence each. */
  get sentences(): string[] {
    const phrases = this.names.phrases;
    if (this.#mtimes !== undefined) {
      const { habit, files, at } = this.#mtimes;
      const how = habit === undefined ? 'keeps no mtimes' : `stores mtimes ${habitText(habit)}`;
      const day = new Date(at).toISOString().slice(0, 10);
      phrases.push(`${how} (seen at ${count(files, 'file')} on ${day})`);
    }
    return phrases.map((phrase) => `${this.#side.label} ${phrase}`);
  }

  /** Takes in what a run's copies have shown. `unchanged`: files that the run found equal. */
  learn(times: StoredTimes, unchanged: number): void {
    const { evidence } = times;
    const found = evidence.finding();
    const at = Date.now();
    // files that are equal though nothing was recorded of them show that mtimes are kept
    const keeps = unchanged > times.found;
    if (found?.is === 'habit')
      this.#mtimes = { habit: found.habit, clockOffset: 0, files: found.files, at };
    else if (found?.is === 'none' && !keeps)
      this.#mtimes = { clockOffset: found.clockOffset, files: found.files, at };
    else if (this.#mtimes !== undefined && evidence.contradicts(this.#mtimes.habit))
      this.#mtimes = undefined;
  }

  /** Takes in what probe files have shown: how mtimes are stored (`exact`: as given; absent: no habit explains it), whether names differ in case. */
  measured({ mtimes, ignoresCase }: Measured): void {
    if (mtimes === 'exact') this.#mtimes = undefined;
    else if (mtimes !== undefined)
      this.#mtimes = { habit: mtimes, clockOffset: 0, files: probeFiles, at: Date.now() };
    if (ignoresCase !== undefined) this.names.ignoresCase = ignoresCase;
  }

  /** Writes what has been learnt since; if the state folder can't be written, later runs learn it again. */
  async keep(): Promise<void> {
    const before = JSON.stringify(this.#with(this.#known, this.#known.roots[this.#side.root]));
    const names = this.names.kept;
    const own = {
      ...(this.#mtimes === undefined ? {} : { mtimes: this.#mtimes }),
      ...(Object.keys(names).length === 0 ? {} : { names }),
    };
    if (JSON.stringify(this.#with(this.#known, own)) === before && !this.#isNew()) return;
    // another run may have written meanwhile
    const facts = this.#with(readFacts(this.#file), own);
    await writeWhole(this.#file, `${JSON.stringify(facts)}\n`).catch(() => {});
  }

  /** Whether this run has learnt something of the server as a whole. */
  #isNew(): boolean {
    const { can } = this.#side;
    const limit = Number.isFinite(can.requestsAtOnce) ? can.requestsAtOnce : null;
    const lies = this.#offersLinks && !can.hardLinks;
    return (
      limit !== this.#known.requestsAtOnce || lies !== (this.#known.hardLinksLieAt !== undefined)
    );
  }

  #with(known: ServerFacts, own: RootFacts | undefined): ServerFacts {
    const { can, root } = this.#side;
    const lies = this.#offersLinks && !can.hardLinks;
    const { [root]: _, ...others } = known.roots;
    const roots = Object.entries(others).slice(1 - mostRoots);
    if (own !== undefined && Object.keys(own).length > 0) roots.push([root, own]);
    return {
      requestsAtOnce: Number.isFinite(can.requestsAtOnce) ? can.requestsAtOnce : null,
      ...(lies ? { hardLinksLieAt: known.hardLinksLieAt ?? Date.now() } : {}),
      roots: Object.fromEntries(roots),
    };
  }
}

/** Puts what is believed of a side into its `can`. */
export function recallFacts(state: string, side: LearntSide): SideFacts {
  const { remote } = side;
  const file = remote === undefined ? localFactsFile(state) : serverFactsFile(state, remote);
  return new SideFacts(file, side, readFacts(file));
}

/** Recalls what is believed of a job's source and destination, in that order. */
export function recallSides(
  job: Job,
  source: Pick<Side, 'endpoint'>,
  destination: Pick<Side, 'endpoint'>,
  state: string,
): SideFacts[] {
  const facts: SideFacts[] = [];
  for (const [{ remote }, { endpoint }] of [
    [job.from, source] as const,
    [job.to, destination] as const,
  ]) {
    const { label, root, can } = endpoint;
    facts.push(recallFacts(state, { remote, label, root, can }));
  }
  return facts;
}

function current<F extends { readonly at: number }>(fact: F | undefined): F | undefined {
  return fact !== undefined && Date.now() - fact.at < believedForMs ? fact : undefined;
}

/** The facts in a file. None if it is missing, damaged, or from a version that believed a single file. */
function readFacts(file: string): ServerFacts {
  const none: ServerFacts = { requestsAtOnce: null, roots: {} };
  try {
    const found = JSON.parse(readSmall(file)) as Partial<ServerFacts>;
    const lieAt = found.hardLinksLieAt;
    const lies = lieAt !== undefined && Date.now() - lieAt < believedForMs;
    const roots = Object.entries(found.roots ?? {}).filter(([, { mtimes }]) => isSound(mtimes));
    return {
      requestsAtOnce: Number(found.requestsAtOnce) || null,
      ...(lies ? { hardLinksLieAt: lieAt } : {}),
      roots: Object.fromEntries(roots),
    };
  } catch {
    return none;
  }
}

function isSound(fact: MtimeFact | undefined): boolean {
  if (fact === undefined) return true;
  const { habit, clockOffset, files, at } = fact;
  const numbers = [clockOffset, files, at, ...(habit ? [habit.step, habit.shift] : [])];
  return numbers.every(Number.isFinite) && (habit === undefined || habit.step >= 1);
}
