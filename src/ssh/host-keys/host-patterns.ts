/** The wildcard patterns that known_hosts and ssh_config share (ssh_config(5) PATTERNS). Nothing of files or keys. */

/** Whether `text` matches `pattern`: `*` any run of characters, `?` exactly one. Case counts; time is linear in text times pattern. */
export function matchesPattern(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let resume = 0;
  while (t < text.length) {
    const c = pattern[p];
    if (c === '*') {
      star = p++;
      resume = t;
    } else if (c !== undefined && (c === '?' || c === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

/**
 * Whether `text` matches a list: some pattern matches it and no pattern after a `!` does
 * (ssh_config(5) PATTERNS, sshd(8) SSH_KNOWN_HOSTS FILE FORMAT).
 */
export function matchesList(patterns: readonly string[], text: string): boolean {
  let matched = false;
  for (const pattern of patterns) {
    if (pattern.startsWith('!')) {
      if (matchesPattern(pattern.slice(1), text)) return false;
    } else if (matchesPattern(pattern, text)) {
      matched = true;
    }
  }
  return matched;
}
