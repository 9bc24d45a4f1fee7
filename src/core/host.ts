/** Host names and addresses as people write them. Pure. */

/** A host without the brackets around an IPv6 address. */
export function bareHost(text: string): string {
  const inside = /^\[(.+)\]$/.exec(text)?.[1];
  return inside?.includes(':') ? inside : text;
}

/** Whether a text is an IPv6 address, with or without a zone (RFC 4007 §11). */
export function isIPv6(text: string): boolean {
  if (!text.includes(':')) return false;
  return URL.canParse(`http://[${text.replace(/%[\w.-]+$/, '')}]/`);
}
