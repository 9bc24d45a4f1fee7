/** Short hashes that tell a job's files and records from others'. */
import { hash } from 'node:crypto';

/** What makes a file's temporary names its own: sixteen hexadecimal digits. */
export function fingerprint(parts: readonly (string | number | undefined)[]): string {
  return hash('sha256', JSON.stringify(parts)).slice(0, 16);
}
