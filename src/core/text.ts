/** Text for people: escaped for terminals and logs; sizes, times and counts in words. */

/** Shown in place of a secret. */
export const secretMark = '[secret]';

/**
 * Characters that a terminal interprets or that mislead a reader: C0, DEL and C1 (CSI among them),
 * soft hyphen, line and paragraph separators, bidirectional controls, invisible characters, the byte
 * order mark, and halves of surrogate pairs. Every output of ferryline escapes exactly these.
 */
const unsafe =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are exactly what must not reach a terminal
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const printable = /^[\x20-\x7e]*$/;

/**
 * A message as one line that is safe on a terminal: unsafe characters become `\n`, `\x1b`, `\u202e`.
 * Backslashes are kept, since names in a message are escaped already (`escapeText`).
 */
export function terminalSafe(message: string): string {
  return printable.test(message) ? message : message.replace(unsafe, escaped);
}

/** A name or other text from outside as part of a message: as `terminalSafe`, with backslashes doubled, so that no two names look the same. */
export function escapeText(text: string): string {
  const doubled = text.includes('\\') ? text.replaceAll('\\', '\\\\') : text;
  return terminalSafe(doubled);
}

/** A value as one line of JSON that is safe on a terminal; parsing it returns the value. */
export function jsonLine(value: unknown): string {
  const text = JSON.stringify(value) ?? 'null';
  return printable.test(text) ? text : text.replace(unsafe, (c) => `\\u${hex(c, 4)}`);
}

function escaped(c: string): string {
  if (c === '\n') return '\\n';
  if (c === '\r') return '\\r';
  if (c === '\t') return '\\t';
  return c < '\u0100' ? `\\x${hex(c, 2)}` : `\\u${hex(c, 4)}`;
}

function hex(c: string, digits: number): string {
  return c.charCodeAt(0).toString(16).padStart(digits, '0');
}

/** Bytes for people: `999 B`, `1.5 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0
    ? `${value} B`
    : `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** Milliseconds for people: `350 ms`, `4.2 s`, `3 min 12 s`, `2 h 5 min`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 60) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(s % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `12,345`; Intl would take 12 ms to load. */
export function grouped(n: number): string {
  return String(n).replace(/\B(?=(?:\d{3})+$)/g, ',');
}

/** `1 file`, `2 files`. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${grouped(n)} ${n === 1 ? one : many}`;
}
