/**
 * Finds out whether names that are equal but for case and Unicode form are one name to the destination.
 * Where it lists one of them, a look at the other says so, for these very names and in their own folder:
 * what is there though no listing has it is the listed entry. Where it lists none, a file of ours shows it,
 * written and removed; a run that changes nothing goes by what earlier ones learnt, else the names are a
 * conflict. Nothing is looked at, or written, unless a folder has such names.
 */
import { each, requestsAtOnce } from '../../../core/at-once.js';
import { join, parentOf } from '../../../core/entry.js';
import { asFerryError, endsRun } from '../../../core/errors.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import type { Side } from '../../../endpoints/side.js';
import type { Scope } from '../../../jobs/plan/filter.js';
import type {
  FolderPair,
  FolderPlan,
  PlanRules,
  SameName,
  Twins,
} from '../../../jobs/plan/folder-types.js';
import { sameButForm } from '../../../jobs/plan/pair.js';
import { planFolder } from '../../../jobs/plan/plan-folder.js';
import { agrees } from '../copy/agrees.js';
import { markOf, temporaryPath } from '../copy/temporary-names.js';
import { NameFacts } from '../remembered/name-facts.js';

type Destination = Pick<Side, 'endpoint' | 'elsewhere'>;

export interface SameNamesParts {
  readonly destination: Destination;
  /** What is known already; takes in what is learnt. */
  readonly known?: NameFacts;
  /** Who writes a file of ours; absent: none may be written. */
  readonly writer?: string | undefined;
}

export class SameNames {
  readonly #parts: SameNamesParts;
  readonly #known: NameFacts;
  #probed: Promise<SameName | undefined> | undefined;

  constructor(parts: SameNamesParts) {
    this.#parts = parts;
    this.#known = parts.known ?? new NameFacts();
  }

  /** Plans a folder, with what is found out of its twins if it has any. Rejects only with an error that ends the run. */
  async plan(
    pair: FolderPair,
    scope: Scope,
    rules: PlanRules,
    signal: AbortSignal,
  ): Promise<FolderPlan> {
    const planned = planFolder(pair, scope, rules);
    if (planned.twins.length === 0) return planned;
    const sameNames = await this.#decideAll(pair.at ?? pair.path, planned.twins, signal);
    return planFolder({ ...pair, sameNames }, scope, rules);
  }

  async #decideAll(
    folder: string,
    twins: readonly Twins[],
    signal: AbortSignal,
  ): Promise<(key: string) => SameName | undefined> {
    const found = new Map<string, SameName | undefined>();
    const { roundTrip } = this.#parts.destination.endpoint.can;
    await each(twins, requestsAtOnce(roundTrip), async (group) => {
      try {
        found.set(group.key, await this.#decide(folder, group, signal));
      } catch (thrown) {
        signal.throwIfAborted();
        const error = asFerryError(thrown);
        if (endsRun(error.kind)) throw error; // else nothing is known of it
      }
    });
    return (key) => found.get(key);
  }

  #decide(folder: string, { source, destination }: Twins, signal: AbortSignal) {
    const [first = ''] = source;
    if (destination !== undefined) return this.#look(folder, source, destination, signal);
    // two forms of one name are never two files
    if (source.every((name) => sameButForm(name, first))) return 'apart';
    this.#probed ??= this.#ofCase(signal);
    return this.#probed;
  }

  /** Looks for the source's names beside the one that the destination lists. */
  async #look(
    folder: string,
    names: readonly string[],
    listed: NonNullable<Twins['destination']>,
    signal: AbortSignal,
  ): Promise<SameName | undefined> {
    const side = this.#parts.destination.endpoint;
    const isForm = names.every((name) => sameButForm(name, listed.name));
    if (isForm && this.#known.ignoresForm) return 'one';
    let isOne = false;
    for (const name of names) {
      if (name === listed.name) continue;
      const there = await side.stat(join(folder, name), signal);
      if (there === undefined) continue;
      const isIt = listed.kind === 'folder' ? there.kind === 'folder' : agrees(there, listed);
      // something else has arrived there
      if (!isIt) return undefined;
      isOne = true;
    }
    if (isOne && isForm) this.#known.sawForm();
    return isOne ? 'one' : 'apart';
  }

  async #ofCase(signal: AbortSignal): Promise<SameName | undefined> {
    const { destination, writer } = this.#parts;
    // what was learnt is for runs that may not write; a new file is surer, and rarely needed
    const shown = writer === undefined ? undefined : await probe(destination, writer, signal);
    if (shown !== undefined) this.#known.ignoresCase = shown;
    const { ignoresCase } = this.#known;
    if (ignoresCase === undefined) return undefined;
    return ignoresCase ? 'one' : 'apart';
  }
}

/** Whether a side ignores case: makes a file of ours, and asks for it in upper case. Undefined if that fails. */
async function probe(
  side: Destination,
  writer: string,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  try {
    const folder = await nearestFolder(side, signal);
    const path = temporaryPath('case', markOf(writer, ['case']), Date.now());
    const handle = await folder.open(path, 'create', 0o600, signal);
    try {
      await handle.close();
      const [there, other] = await Promise.all(
        [path, path.replace('case', 'CASE')].map((at) => folder.stat(at, signal)),
      );
      return there === undefined ? undefined : other !== undefined;
    } finally {
      // one that stays is removed with what other runs leave behind
      await folder.remove(path, signal).catch(() => {});
    }
  } catch (thrown) {
    signal.throwIfAborted();
    const error = asFerryError(thrown);
    if (endsRun(error.kind)) throw error;
    return undefined;
  }
}

/** The side's root, or the nearest folder above it that exists. */
async function nearestFolder(side: Destination, signal: AbortSignal): Promise<Endpoint> {
  const { endpoint, elsewhere } = side;
  if ((await endpoint.stat('', signal)) !== undefined) return endpoint;
  const whole = elsewhere('/', endpoint.label);
  let at = parentOf(endpoint.root.slice(1));
  while (at !== '' && (await whole.stat(at, signal)) === undefined) at = parentOf(at);
  return elsewhere(`/${at}`, endpoint.label);
}
