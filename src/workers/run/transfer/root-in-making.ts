/**
 * The root of a destination, made while the first requests in it are on their way. A server that answers in
 * order has made it before it gets to them, and that saves a round trip. Where a request comes first all the
 * same, over another channel or since a folder above was missing too, it waits for the root and is made once more.
 */
import { asFerryError, FerryError } from '../../../core/errors.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import type { Side } from '../../../endpoints/side.js';

export class RootInMaking {
  /** The destination's endpoint, usable once `begin` has resolved. */
  readonly endpoint: Endpoint;
  readonly #side: Side;
  readonly #stop: AbortController;
  #made: Promise<void> = Promise.resolve();
  #isMade = false;

  /** `stop` is aborted with the error if the root can't be made while others work in it. */
  constructor(side: Side, stop: AbortController) {
    this.#side = side;
    this.#stop = stop;
    this.endpoint = this.#needsNoWait ? this.#waiting(side.endpoint) : side.endpoint;
  }

  /** Resolves once the root is made; rejects if it can't be. */
  get made(): Promise<void> {
    return this.#made;
  }

  /** Begins to make the root; resolves as soon as requests in it may be sent. */
  async begin(signal: AbortSignal): Promise<void> {
    this.#made = this.#side.makeRoot(signal);
    if (!this.#needsNoWait) return this.#made;
    this.#made.then(
      () => {
        this.#isMade = true;
      },
      (error) => this.#stop.abort(asFerryError(error)),
    );
  }

  get #needsNoWait(): boolean {
    const { isMissing, endpoint } = this.#side;
    return isMissing && endpoint.can.setStat === 'pipelined';
  }

  #waiting(side: Endpoint): Endpoint {
    const inRoot = <T>(act: () => Promise<T>): Promise<T> => {
      if (this.#isMade) return act();
      return act().catch(async (error) => {
        if (!(error instanceof FerryError) || error.code !== 'ENOENT') throw error;
        await this.#made;
        return act();
      });
    };
    return {
      ...side,
      open: (...given) => inRoot(() => side.open(...given)),
      mkdir: (...given) => inRoot(() => side.mkdir(...given)),
      symlink: (...given) => inRoot(() => side.symlink(...given)),
    };
  }
}
