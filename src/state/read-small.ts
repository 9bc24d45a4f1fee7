/** Reads small files of the state folder. */
import { readFileSync } from 'node:fs';

/** The text of a file that is small or mostly missing; '' if it is missing or can't be read. It does not yield: Node's threads would take longer than the system. */
export function readSmall(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
