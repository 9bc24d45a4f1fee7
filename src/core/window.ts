/** A job's window: when its runs may start and go on. Pure; the clock is an argument, in ms since the epoch. */
import { type Hours, isWithin, nextChange } from './hours.js';
import type { Job } from './job.js';
import { zoneNamed } from './zone.js';

/** What a window is read from. */
export type Windowed = Pick<Job, 'window'> & {
  readonly starts: { readonly timezone: string | undefined };
};

export function isOpen({ window, starts }: Windowed, at: number): boolean {
  return window === undefined || isWithin(window, zoneNamed(starts.timezone).wall(at));
}

/** When the window opens or closes next; undefined: never. */
export function nextEdge({ window, starts }: Windowed, at: number): number | undefined {
  return window && nextChange(window, zoneNamed(starts.timezone), at);
}

/** Why a slot makes no run. */
export function outsideWindow({ text }: Hours): string {
  return `outside the window ${text}`;
}

/** The code of the error of a run that its window's end has stopped. */
export const windowClosed = 'WINDOW';
