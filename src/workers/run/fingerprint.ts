/** Short hashes that distinguish a job's temporary files and records from those of others. */
import { hash } from 'node:crypto';

/** Sixteen hexadecimal digits that depend on all the parts. */
export function fingerprint(parts: readonly (string | number | undefined)[]): string {
  return hash('sha256', JSON.stringify(parts)).slice(0, 16);
}
