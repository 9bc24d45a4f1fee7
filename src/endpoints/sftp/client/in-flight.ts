/**
 * Requests on their way, by id. A Map alone would do but for V8: each table that a Map outgrows
 * keeps what was in it and points at the next one, so that once one of them is old, all that is
 * ever in flight stays alive until the next full collection.
 */

export interface Numbered {
  /** How many requests had been made with it, from 1. */
  readonly order: number;
  /** `order`, cut to 32 bits. */
  readonly id: number;
}

export class InFlight<T extends Numbered> {
  /** By the id's low bits: a power of two, and at least twice as many as are in flight. */
  #slots: (T | undefined)[] = new Array(64).fill(undefined);
  /** The few that so many later ones overtook that their slot was wanted. */
  readonly #late = new Map<number, T>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): T | undefined {
    const request = this.#slots[this.#slot(id)];
    return request?.id === id ? request : this.#late.get(id);
  }

  add(request: T): void {
    if (2 * ++this.#size > this.#slots.length) this.#grow();
    const at = this.#slot(request.id);
    const there = this.#slots[at];
    if (there !== undefined) this.#late.set(there.id, there);
    this.#slots[at] = request;
  }

  /** Forgets one that is here. */
  remove({ id }: T): void {
    const at = this.#slot(id);
    if (this.#slots[at]?.id === id) this.#slots[at] = undefined;
    else this.#late.delete(id);
    this.#size--;
  }

  /** The one that waits the longest. */
  oldest(): T | undefined {
    let oldest: T | undefined;
    for (const request of this.all())
      if (oldest === undefined || request.order < oldest.order) oldest = request;
    return oldest;
  }

  /** All of them, in no particular order. */
  all(): T[] {
    return [...this.#late.values(), ...this.#slots.filter((request) => request !== undefined)];
  }

  clear(): void {
    this.#slots.fill(undefined);
    this.#late.clear();
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
