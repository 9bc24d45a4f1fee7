/** What runs have found out about the names of a root: whether it ignores their case, and their Unicode form. */

/** As kept in the state folder; `at` is when it was found out, ms since the epoch. */
export interface KeptNameFacts {
  /** Shown by a file of ours. */
  readonly case?: { readonly ignored: boolean; readonly at: number };
  /** Names that it lists in another form than it was asked for. */
  readonly form?: { readonly names: number; readonly at: number };
}

/** Names that must have shown it before the form is known to be ignored without a look at each. */
const severalNames = 3;

export class NameFacts {
  #kept: KeptNameFacts;

  constructor(kept: KeptNameFacts = {}) {
    this.#kept = kept;
  }

  get kept(): KeptNameFacts {
    return this.#kept;
  }

  /** Undefined: not known. */
  get ignoresCase(): boolean | undefined {
    return this.#kept.case?.ignored;
  }

  set ignoresCase(ignored: boolean | undefined) {
    const { case: _, ...rest } = this.#kept;
    this.#kept = ignored === undefined ? rest : { ...rest, case: { ignored, at: Date.now() } };
  }

  get ignoresForm(): boolean {
    return (this.#kept.form?.names ?? 0) >= severalNames;
  }

  /** Counts one more name that the side found in a form that it does not list. */
  sawForm(): void {
    const names = this.#kept.form?.names ?? 0;
    if (names < severalNames)
      this.#kept = { ...this.#kept, form: { names: names + 1, at: Date.now() } };
  }

  /** What is believed, for `explain` and `-v`: after the side's label, a phrase each. */
  get phrases(): string[] {
    const day = (at: number) => new Date(at).toISOString().slice(0, 10);
    const phrases: string[] = [];
    const { case: ofCase, form } = this.#kept;
    if (ofCase !== undefined)
      phrases.push(
        `${ofCase.ignored ? 'ignores the case of names' : 'tells names in another case apart'} (shown by a file of ours on ${day(ofCase.at)})`,
      );
    if (form !== undefined && this.ignoresForm)
      phrases.push(
        `lists names in another Unicode form than it was given (${form.names} names, by ${day(form.at)})`,
      );
    return phrases;
  }
}

/** Facts as read from a file: those that make sense and are not older than `oldest`, ms since the epoch. */
export function soundNameFacts(found: KeptNameFacts | undefined, oldest: number): KeptNameFacts {
  const { case: ofCase, form } = found ?? {};
  return {
    ...(typeof ofCase?.ignored === 'boolean' && ofCase.at > oldest ? { case: ofCase } : {}),
    ...(Number.isInteger(form?.names) && (form?.at ?? 0) > oldest ? { form } : {}),
  } as KeptNameFacts;
}
