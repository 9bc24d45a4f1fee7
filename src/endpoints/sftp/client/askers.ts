/** Who waits for answers: for one, or for those to requests that were made together. */
import type { SftpRequest } from './requests.js';

/** Who gets the answers of requests, each with the request's place among those made together. */
export interface Asker {
  answered(answer: unknown, place: number): void;
  failed(error: unknown, place: number): void;
}

/** Waits for one answer. */
export class One implements Asker {
  readonly answered: (answer: unknown) => void;
  readonly failed: (error: unknown) => void;

  constructor(resolve: (answer: unknown) => void, reject: (error: unknown) => void) {
    this.answered = resolve;
    this.failed = reject;
  }
}

/** Waits for the answers of requests made together; a refusal is an answer. */
export class Several implements Asker {
  readonly #answers: unknown[];
  readonly #requests: readonly SftpRequest[];
  readonly #resolve: (answers: readonly unknown[]) => void;
  readonly #reject: (error: unknown) => void;
  #left: number;

  constructor(
    requests: readonly SftpRequest[],
    resolve: (answers: readonly unknown[]) => void,
    reject: (error: unknown) => void,
  ) {
    this.#answers = new Array(requests.length);
    this.#left = requests.length;
    this.#requests = requests;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  answered(answer: unknown, place: number): void {
    this.#answers[place] = answer;
    if (--this.#left === 0) this.#resolve(this.#answers);
  }

  failed(error: unknown, place: number): void {
    if (this.#requests[place]?.signal?.aborted) this.#reject(error);
    else this.answered(error, place);
  }
}
