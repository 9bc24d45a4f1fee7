/** The digest of the plans of several targets together. Pure. */
import { createHash } from 'node:crypto';

/** SHA-256 over the digests of all targets, in the order of the job; undefined for one that has none. */
export function digestOfTargets(
  digests: readonly (readonly [target: string, digest: string | undefined])[],
): string {
  return createHash('sha256').update(JSON.stringify(digests)).digest('hex');
}
