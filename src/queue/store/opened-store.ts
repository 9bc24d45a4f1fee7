/** What each kind of store gives, and what it reports. */
import type { QueueBaseOptions } from 'bullmq';

export type StoreKind = 'embedded' | 'redis' | 'postgres';

/** A store that is connected, with what BullMQ's classes need to run on it. */
export interface OpenedStore {
  readonly kind: StoreKind;
  /** Which store it is, without secrets: two of one address are the same. */
  readonly address: string;
  /** Options for a queue, a worker or a listener. */
  options(): QueueBaseOptions;
  /** BullMQ's backend for this store. */
  // biome-ignore lint/suspicious/noExplicitAny: BullMQ's classes are typed by the backend they default to
  readonly backend: any;
  /** Rejects when the store can't be used at the moment. */
  ping(): Promise<void>;
  /** Its clock, ms since the epoch: what orders things between processes goes by it, never by a machine's own. */
  now(): Promise<number>;
  /** The same clock without asking: as it was when it was last read, and the time since. Pings read it. */
  clock(): number;
  close(): Promise<void>;
}

export interface StoreListener {
  /** Called with the reason when the store can't be used any more, and with undefined when it can again. */
  readonly onTrouble: (trouble: Error | undefined) => void;
  readonly onWarning: (message: string) => void;
  readonly onNote?: (message: string) => void;
  /** Called once when an embedded store can't be used any more; opening it again helps. */
  readonly onBroken?: (why: string) => void;
}
