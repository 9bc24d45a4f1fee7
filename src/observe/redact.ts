/**
 * The last net under secrets: takes known ones out of text on its way out. No message is meant to
 * hold one in the first place.
 */
import { escapeText, secretMark } from '../core/text.js';

export type Redact = (text: string) => string;

/** Shorter ones are no secrets, and taking them out would garble every line. */
const shortest = 4;

/** A function that replaces each secret, as it is, escaped or percent-encoded, by `secretMark`. */
export function redactor(secrets: readonly string[]): Redact {
  const forms = new Set<string>();
  for (const secret of secrets) {
    if (secret.length < shortest) continue;
    forms.add(secret);
    forms.add(escapeText(secret));
    forms.add(percentEncoded(secret));
    // A line of a longer text (a key, say) may appear alone.
    for (const line of secret.split(/\r?\n/)) if (line.length >= 16) forms.add(line);
  }
  if (forms.size === 0) return (text) => text;
  // The longest first, so that no rest of a longer one stays.
  const pattern = [...forms]
    .sort((a, b) => b.length - a.length)
    .map((form) => form.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
    .join('|');
  const all = new RegExp(pattern, 'g');
  return (text) => text.replace(all, secretMark);
}

/** What of an event is free text; the rest are ferryline's own words, which must stay what they are. */
const freeText: ReadonlySet<string> = new Set(['path', 'message', 'hint', 'reason', 'text']);

/** An event's free text redacted, however deep. */
export function redactEvent<T>(value: T, redact: Redact, key = ''): T {
  if (typeof value === 'string') return (freeText.has(key) ? redact(value) : value) as T;
  if (Array.isArray(value)) return value.map((item) => redactEvent(item, redact)) as T;
  if (typeof value !== 'object' || value === null) return value;
  const copy = { ...value } as Record<string, unknown>;
  for (const name of Object.keys(copy)) copy[name] = redactEvent(copy[name], redact, name);
  return copy as T;
}

function percentEncoded(text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    // Half of a surrogate pair has no encoding.
    return text;
  }
}
