/** A small file of JSON in the state folder: read back with care, replaced whole. What it holds is the caller's. */
import { readFile, rename, writeFile } from 'node:fs/promises';

/**
 * Names and values of a kept object. What is not as `isValue` wants it, or no JSON at all, is not
 * taken: the file is set aside, with a warning, and the rest of it used. Errors:
 * the system's, when there is a file that can't be read.
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
    if (typeof known !== 'object' || known === null || Array.isArray(known)) why = 'no object';
    else
      for (const [name, value] of Object.entries(known)) {
        if (isValue(value)) found.set(name, value);
        else why = `${JSON.stringify(name)} has no value that makes sense`;
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

const turns = new Map<string, Promise<void>>();

/** Replaces the file, whole or not at all, by what the values are when its turn comes: one write goes after the other. */
export function writeKeptFile(file: string, values: ReadonlyMap<string, unknown>): Promise<void> {
  const write = async () => {
    const text = `${JSON.stringify(Object.fromEntries(values))}\n`;
    await writeFile(`${file}.new`, text, { mode: 0o600 });
    await rename(`${file}.new`, file);
  };
  const turn = (turns.get(file) ?? Promise.resolve()).catch(() => {}).then(write);
  turns.set(file, turn);
  return turn;
}
