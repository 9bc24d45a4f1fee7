/** A counting semaphore shared by all processes: what a worker asks for and the queue keeps. */

export interface Permit {
  /** Aborted when another process may have got the permit. */
  readonly lost: AbortSignal;
  /** Whether the permit is certainly ours at this moment. */
  isOurs(): boolean;
  /** Gives it back; a second call does nothing. */
  release(): Promise<void>;
}

/** Waits for one of `count` permits of that name; rejects with the signal's reason. */
export type TakePermit = (name: string, count: number, signal: AbortSignal) => Promise<Permit>;
