/**
 * The versions of what processes put into the queue for each other, so that builds of different age
 * work side by side. An addition that older builds can pass over needs no new version.
 */

export interface Payload {
  /** The version of its form; absent: 1. */
  readonly v?: number;
}

/** Of requests for runs, of slots and of pauses. */
export const payloadVersion = 1;

/** Of requests for runs that earlier builds would carry out as ordinary ones: dry runs, and approved plans. */
export const plannedVersion = 2;

/** What a build can't read waits so long before whichever process takes it next. */
export const leftToNewerMs = 5000;

/** Whether only a newer build knows how to read it. It is left to such a build, and never fails. */
export function isFromNewer({ v = 1 }: Payload): boolean {
  return v > plannedVersion;
}
