/** A limit in bytes a second, which may depend on the hours of the week. */
import { type Hours, isWithin } from './hours.js';

export interface Bandwidth {
  /** Outside all windows; undefined: no limit. */
  readonly rate: number | undefined;
  /** The first window that holds the moment counts. */
  readonly windows: readonly { readonly hours: Hours; readonly rate: number }[];
}

/** The limit at a moment, given as the wall clock's time (core/zone.ts); undefined: none. */
export function rateAt({ rate, windows }: Bandwidth, wall: number): number | undefined {
  return windows.find(({ hours }) => isWithin(hours, wall))?.rate ?? rate;
}
