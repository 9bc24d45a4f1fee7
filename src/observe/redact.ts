/**
 * The last safeguard for secrets: removes known ones from text that leaves the process. No message
 * is meant to contain one in the first place.
 */
import { learntSecrets } from '../core/learnt-secrets.js';
import { escapeText, secretMark } from '../core/text.js';

export type Redact = (text: string) => string;

/** Shorter ones are not removed: they hide nothing, and every line would be garbled. */
const shortestSecretChars = 4;
/** A line of a secret of several lines is removed by itself if it has this many characters. */
const shortestLineChars = 16;

/**
 * A function that replaces each secret, as it is, escaped or percent-encoded, by `secretMark`; also those
 * that logins have learnt by then.
 */
export function redactor(secrets: readonly string[]): Redact {
  let version = learntSecrets.version;
  let replace = replacer([...secrets, ...learntSecrets.values]);
  return (text) => {
    if (version !== learntSecrets.version) {
      version = learntSecrets.version;
      replace = replacer([...secrets, ...learntSecrets.values]);
    }
    return replace(text);
  };
}

function replacer(secrets: readonly string[]): Redact {
  const forms = new Set<string>();
  for (const secret of secrets) {
    if (secret.length < shortestSecretChars) continue;
    forms.add(secret);
    forms.add(escapeText(secret));
    forms.add(percentEncoded(secret));
    // a line of a longer text (a private key, say) may appear alone
    for (const line of secret.split(/\r?\n/)) if (line.length >= shortestLineChars) forms.add(line);
  }
  if (forms.size === 0) return (text) => text;
  // the longest first, so that no rest of a longer one remains
  const pattern = [...forms]
    .sort((a, b) => b.length - a.length)
    .map((form) => form.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
    .join('|');
  const all = new RegExp(pattern, 'g');
  return (text) => text.replace(all, secretMark);
}

/** The keys of an event that hold free text; the others hold ferryline's own words, which must not change. */
const freeText: ReadonlySet<string> = new Set([
  'path',
  'message',
  'hint',
  'reason',
  'text',
  'description',
]);

/** A copy of an event with secrets removed from its free text, at every depth. */
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
    // half of a surrogate pair has no encoding
    return text;
  }
}
