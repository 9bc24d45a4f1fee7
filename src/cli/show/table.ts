/** Columns of text, and times in the system's time zone. */

/** Rows as lines with aligned columns, two spaces apart. */
export function tableLines(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** A time (ISO 8601) as `ls` shows it: `Nov 24 02:00` in the current year, else `2025-11-24`. */
export function localTime(iso: string, now: Date): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return '?';
  const two = (n: number) => String(n).padStart(2, '0');
  if (date.getFullYear() !== now.getFullYear()) {
    return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  }
  const day = `${months[date.getMonth()]} ${String(date.getDate()).padStart(2)}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** A time (ISO 8601) to the second, as a log shows it: `2025-11-24 02:00:07`; `?` for what is none. */
export function localSecond(iso: string): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return '?';
  const two = (n: number) => String(n).padStart(2, '0');
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-');
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')}`;
}

/** The offset of a zone's clock from UTC, given in ms: `+01:00`. */
export function offsetText(offset: number): string {
  const minutes = Math.round(offset / 60_000);
  const size = Math.abs(minutes);
  const parts = [Math.floor(size / 60), size % 60].map((n) => String(n).padStart(2, '0'));
  return `${minutes < 0 ? '-' : '+'}${parts.join(':')}`;
}
