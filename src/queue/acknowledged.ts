/** The requests that were acknowledged and have not ended, as this process remembers them for the case that the store loses them. */
import type { RunRequest } from '../core/request.js';
import type { RunRules } from './request-run.js';

interface Acknowledgement {
  readonly request: RunRequest;
  readonly rules: RunRules;
}

export class Acknowledged {
  readonly #byRun = new Map<string, Acknowledgement>();

  add(request: RunRequest, rules: RunRules): void {
    this.#byRun.set(request.run, { request, rules });
  }

  ended(run: string): void {
    this.#byRun.delete(run);
  }

  /** Forgets the requests that are not among these: their runs have ended. */
  keepOnly(runs: ReadonlySet<string>): void {
    for (const run of this.#byRun.keys()) if (!runs.has(run)) this.#byRun.delete(run);
  }

  all(): Acknowledgement[] {
    return [...this.#byRun.values()];
  }
}
