/**
 * Requests in flight, by id. It is no plain Map because of V8: each table that a Map outgrows keeps
 * its contents and points at the next table, so that once one of them is in the old generation,
 * every request stays alive until the next full collection.
 */

export interface NumberedRequest {
  /** The request's place in the order of sending, from 1. */
  readonly order: number;
  /** `order`, cut to 32 bits. */
  readonly id: number;
}

export class InFlight<T extends NumberedRequest> {
  /** By the id's low bits. The length is a power of two and at least twice the number in flight. */
  #slots: (T | undefined)[] = new Array(64).fill(undefined);
  /** Requests evicted from their slot by a newer one with the same low bits. */
  readonly #evicted = new Map<number, T>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): T | undefined {
    const request = this.#slots[this.#slot(id)];
    return request?.id === id ? request : this.#evicted.get(id);
  }

  add(request: T): void {
    if (2 * ++this.#size > this.#slots.length) this.#grow();
    const at = this.#slot(request.id);
    const there = this.#slots[at];
    if (there !== undefined) this.#evicted.set(there.id, there);
    this.#slots[at] = request;
  }

  /** Removes a request, which must be here. */
  remove({ id }: T): void {
    const at = this.#slot(id);
    if (this.#slots[at]?.id === id) this.#slots[at] = undefined;
    else this.#evicted.delete(id);
    this.#size--;
  }

  /** The request that has waited longest. */
  oldest(): T | undefined {
    let oldest: T | undefined;
    for (const request of this.all())
      if (oldest === undefined || request.order < oldest.order) oldest = request;
    return oldest;
  }

  /** All requests, in no particular order. */
  all(): T[] {
    return [...this.#evicted.values(), ...this.#slots.filter((request) => request !== undefined)];
  }

  clear(): void {
    this.#slots.fill(undefined);
    this.#evicted.clear();
    this.#size = 0;
  }

  #slot(id: number): number {
    return id & (this.#slots.length - 1);
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Array(before.length * 2).fill(undefined);
    for (const request of before)
      if (request !== undefined) this.#slots[this.#slot(request.id)] = request;
  }
}
