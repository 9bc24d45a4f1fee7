/** What a worker needs of permits, whoever keeps them: the right to be one of n over all processes. */

export interface Permit {
  /** Aborted when it may have gone to somebody else. */
  readonly lost: AbortSignal;
  /** Whether it is surely ours at this moment. */
  isOurs(): boolean;
  /** Gives it back; a second call does nothing. */
  release(): Promise<void>;
}

/** Waits for one of `count` permits of that name; rejects with the signal's reason. */
export type TakePermit = (name: string, count: number, signal: AbortSignal) => Promise<Permit>;
