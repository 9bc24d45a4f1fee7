/** The slots that this process added and does not know to be decided, for the case that the store loses them. */

/** A slot that another process decides is looked at after this time, ms: nearly all are decided at once. */
const lookAfterMs = 60_000;

export class UndecidedSlots<Slot> {
  /** By entry, the one that was looked at last is the last; `at` is on the clock of `performance.now()`. */
  readonly #slots = new Map<string, { readonly request: Slot; readonly at: number }>();
  readonly #isDecided: (id: string) => Promise<boolean>;

  /** `isDecided` asks the store. */
  constructor(isDecided: (id: string) => Promise<boolean>) {
    this.#isDecided = isDecided;
  }

  /** Adds one, and forgets the older ones that other processes have decided. Rejects while the store is out of reach. */
  async add(id: string, request: Slot): Promise<void> {
    this.#keep(id, request);
    for (const [old, { request: asked, at }] of this.#slots) {
      if (performance.now() - at < lookAfterMs) return;
      if (await this.#isDecided(old)) this.#slots.delete(old);
      else this.#keep(old, asked);
    }
  }

  decided(id: string): void {
    this.#slots.delete(id);
  }

  all(): Slot[] {
    return [...this.#slots.values()].map(({ request }) => request);
  }

  #keep(id: string, request: Slot): void {
    this.#slots.delete(id);
    this.#slots.set(id, { request, at: performance.now() });
  }
}
