/** How a side stores mtimes where it does not store them as given: to two seconds, or an hour off. Pure. */

export interface MtimeHabit {
  /** Granularity of what is stored, seconds. */
  readonly step: number;
  readonly rounds: 'down' | 'up';
  /** Seconds added to each mtime before it is rounded. */
  readonly shift: number;
}

/** The whole second that such a side stores for an mtime. */
export function storedAs(mtime: number, { step, rounds, shift }: MtimeHabit): number {
  const units = (Math.floor(mtime) + shift) / step;
  return (rounds === 'down' ? Math.floor(units) : Math.ceil(units)) * step;
}

/** `in steps of 2 s`, `3600 s later`. */
export function habitText({ step, rounds, shift }: MtimeHabit): string {
  const steps = step > 1 ? [`in steps of ${step} s, rounded ${rounds}`] : [];
  const shifted = shift === 0 ? [] : [`${Math.abs(shift)} s ${shift > 0 ? 'later' : 'earlier'}`];
  return [...shifted, ...steps].join(', ');
}
