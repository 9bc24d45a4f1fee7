/** A limit in bytes a second, which may depend on the hours of the week. */
import { type Hours, isWithin } from './hours.js';

export interface Bandwidth {
  /** The limit outside all windows; undefined: none. */
  readonly rate: number | undefined;
  /** The first window that contains the time applies. */
  readonly windows: readonly { readonly hours: Hours; readonly rate: number }[];
}

/** The limit at a time of the wall clock (core/zone.ts); undefined: none. */
export function rateAt({ rate, windows }: Bandwidth, wall: number): number | undefined {
  return windows.find(({ hours }) => isWithin(hours, wall))?.rate ?? rate;
}
