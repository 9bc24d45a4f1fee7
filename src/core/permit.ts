/** A counting semaphore shared by all processes: what a worker asks for and the queue keeps. */

export interface Permit {
  /** Aborted when another process may have got the permit. */
  readonly lost: AbortSignal;
  /** Whether the permit is certainly ours at this moment. */
  isOurs(): boolean;
  /** Gives it back; a second call does nothing. */
  release(): Promise<void>;
}

/** The permits of all processes on a store. */
export interface Permits {
  /** Takes one of `count` permits of that name now, or not at all. Takers that wait come first. Errors: `network`. */
  tryTake(name: string, count: number): Promise<Permit | undefined>;
  /** Waits for one of `count` permits of that name, first come first served within this process. Rejects with the signal's reason. */
  take(name: string, count: number, signal: AbortSignal): Promise<Permit>;
  /** Calls `listener` with the name of each permit that was released, in whichever process, as far as this one heard. */
  onReleased(listener: (name: string) => void): void;
  close(): Promise<void>;
}

/** Waits for one of `count` permits of that name; rejects with the signal's reason. */
export type TakePermit = (name: string, count: number, signal: AbortSignal) => Promise<Permit>;

/** Takes one of `count` permits of that name now; undefined if none is free. */
export type TryPermit = (name: string, count: number) => Promise<Permit | undefined>;
