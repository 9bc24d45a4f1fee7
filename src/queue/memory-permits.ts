/** The permits of an embedded queue, whose only process counts them in memory. */
import { abortable } from '../core/abort.js';
import type { Permit, Permits } from '../core/permit.js';
import type { Signals } from './signals.js';
import type { Store } from './store/store.js';

/** Of each embedded store: everything that opens its permits counts the same. */
const counts = new WeakMap<Store, Map<string, Count>>();

export function memoryPermits(store: Store, signals: Pick<Signals, 'send' | 'on'>): Permits {
  const all = counts.get(store) ?? new Map<string, Count>();
  counts.set(store, all);
  const closing = new AbortController();
  const held = new Set<Permit>();
  const countOf = (name: string) => {
    const found = all.get(name) ?? new Count();
    all.set(name, found);
    return found;
  };
  const say = (kind: 'wanted' | 'released', permit: string) => void signals.send(kind, { permit });
  const hold = (name: string, of: Count): Permit => {
    let isHeld = true;
    const permit: Permit = {
      lost: new AbortController().signal,
      isOurs: () => isHeld,
      async release() {
        if (!isHeld) return;
        isHeld = false;
        held.delete(permit);
        of.give();
        if (of.isUnused()) all.delete(name);
        say('released', name);
      },
    };
    held.add(permit);
    return permit;
  };
  return {
    async tryTake(name, count) {
      const of = countOf(name);
      if (of.tryTake(count)) return hold(name, of);
      say('wanted', name);
      return undefined;
    },
    async take(name, count, signal) {
      const of = countOf(name);
      if (!of.tryTake(count)) {
        const turn = of.wait(count, AbortSignal.any([signal, closing.signal]));
        say('wanted', name);
        await turn;
      }
      return hold(name, of);
    },
    onReleased: (listener) => signals.on('released', ({ permit }) => listener(permit)),
    async close() {
      closing.abort(new Error('the queue was closed'));
      await Promise.all([...held].map((permit) => permit.release()));
    },
  };
}

/** How many permits of one name are held, and who waits for one. */
class Count {
  #held = 0;
  readonly #takers: { readonly count: number; readonly go: () => void }[] = [];

  isUnused(): boolean {
    return this.#held === 0 && this.#takers.length === 0;
  }

  tryTake(count: number): boolean {
    if (this.#takers.length > 0 || this.#held >= count) return false;
    this.#held++;
    return true;
  }

  /** Resolves when one is held for the caller; they come first that came first. */
  wait(count: number, signal: AbortSignal): Promise<void> {
    return abortable(signal, (go) => {
      const taker = { count, go };
      this.#takers.push(taker);
      return () => {
        const at = this.#takers.indexOf(taker);
        if (at >= 0) this.#takers.splice(at, 1);
      };
    });
  }

  give(): void {
    this.#held--;
    for (let next = this.#takers[0]; next && this.#held < next.count; next = this.#takers[0]) {
      this.#takers.shift();
      this.#held++;
      next.go();
    }
  }
}
