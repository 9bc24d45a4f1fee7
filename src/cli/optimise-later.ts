/** Has V8 wait a little longer before it optimises a function: most commands end before that pays off. */
import { setFlagsFromString } from 'node:v8';

/**
 * Bytes of its code that a function runs before V8 optimises it: four times V8's own number. 5,000 small files take a
 * sixth less processor time, since fewer functions are compiled on the other processor, which the server needs.
 */
const budgetBytes = 4 * 132 * 1024;

/** To be called first of all. The code cache still counts: V8 11 compares the flags that the process began with. */
export function optimiseLater(version = process.versions.v8): void {
  // later ones have another compiler in between, and other numbers
  if (version.startsWith('11.')) setFlagsFromString(`--interrupt-budget=${budgetBytes}`);
}
