/** Chooses the files that a check of a part reads. The choice depends on seed and path alone, so that it needs no list and can be made again. */
import { createHash } from 'node:crypto';
import type { Sample } from '../../../core/check.js';

/** A number from 0 up to, but not including, 1; paths spread evenly over it. */
export function lotOf(path: string, seed: string): number {
  const digest = createHash('sha256').update(seed).update('\0').update(path).digest();
  return digest.readUIntBE(0, 6) / 2 ** 48;
}

/** Whether a file with this lot is read. */
export function isChosen(lot: number, { percent }: Sample): boolean {
  return lot * 100 < percent;
}
