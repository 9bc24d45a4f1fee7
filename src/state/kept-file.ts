/** A small file of JSON in the state folder: checked when read, replaced whole. What it holds is the caller's. */
import { readFile, rename } from 'node:fs/promises';
import { writeWhole } from './write-whole.js';

/**
 * The names and values of a kept object. If the file is no JSON object, or a value is not as
 * `isValue` wants it, the file is set aside with a warning, and the values that make sense are used.
 * No file counts as an empty object. Rejects with the system's error if a file can't be read.
 */
export async function readKeptFile<T>(
  file: string,
  isValue: (value: unknown) => value is T,
  onWarning: (message: string) => void,
): Promise<Map<string, T>> {
  const found = new Map<string, T>();
  let why: string | undefined;
  try {
    const known: unknown = JSON.parse(await readFile(file, 'utf8'));
    if (typeof known !== 'object' || known === null || Array.isArray(known))
      why = 'it holds no object';
    else
      for (const [name, value] of Object.entries(known)) {
        if (isValue(value)) found.set(name, value);
        else why = `the value of ${JSON.stringify(name)} makes no sense`;
      }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return found;
    if (code !== undefined && code !== 'EISDIR') throw error;
    why = message;
  }
  if (why === undefined) return found;
  const aside = `${file}.damaged-${new Date().toISOString().replace(/[:.]/g, '-')}`;
  await rename(file, aside);
  onWarning(`${file} is damaged (${why}); it was set aside as ${aside}`);
  return found;
}

/** The last write of each file that this process began. */
const lastWrites = new Map<string, Promise<void>>();

/** Replaces the file, whole or not at all. Writes of one file follow one another; each takes the values as of its own turn. */
export function writeKeptFile(file: string, values: ReadonlyMap<string, unknown>): Promise<void> {
  const write = () => writeWhole(file, `${JSON.stringify(Object.fromEntries(values))}\n`);
  const turn = (lastWrites.get(file) ?? Promise.resolve()).catch(() => {}).then(write);
  lastWrites.set(file, turn);
  return turn;
}
