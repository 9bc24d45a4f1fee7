/** An mtime in whole seconds, as runs compare it: `2026-01-31T02:00:00Z`; one outside the calendar is shown as a number. */
export function timeText(mtime: number): string {
  const date = new Date(Math.floor(mtime) * 1000);
  return Number.isNaN(date.getTime()) ? `mtime ${mtime}` : date.toISOString().replace('.000Z', 'Z');
}
