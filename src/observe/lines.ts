/** Text as one line, for a person's terminal or as JSON. What of it is secret is redact.ts. */
import { escapeText } from '../core/text.js';

// What core/text.ts escapes, the backslash aside: C0, DEL, C1, line and paragraph separators,
// bidirectional controls, zero-width characters, BOM.
const unsafe =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are exactly what must not reach a terminal
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** A message as one line that is safe on a terminal. A path in it is escaped already, so its backslashes stay. */
export function oneLine(message: string): string {
  return message.replace(unsafe, escapeText);
}

/** A value as one line of JSON that is safe on a terminal, too; parsed, it is the value again. */
export function jsonLine(value: object): string {
  return JSON.stringify(value).replace(
    unsafe,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
