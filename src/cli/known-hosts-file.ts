/** known_hosts files on disk: reading them whole, and adding lines. What the lines mean is in endpoints/sftp/known-hosts.ts. */
import { mkdir, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FerryError } from '../core/errors.js';
import { escapeText } from '../core/text.js';

/** The files' texts, in order; a missing one is empty. One that can't be read is a `config` error. */
export function readKnownHosts(
  files: readonly string[],
): Promise<{ readonly file: string; readonly text: string }[]> {
  return Promise.all(files.map(async (file) => ({ file, text: await textOf(file) })));
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return '';
    throw new FerryError('config', `${escapeText(file)} can't be read: ${code}`, { cause: thrown });
  }
}

/**
 * Appends lines (without their newlines) in one write, after a newline where the file lacks its
 * last one; the file is made with mode 0600 and its folder with 0700. Failures are `config` errors.
 */
export async function appendLines(file: string, lines: readonly string[]): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const handle = await open(file, 'a+', 0o600);
    try {
      const { size } = await handle.stat();
      const last = Buffer.alloc(1);
      if (size > 0) await handle.read(last, 0, 1, size - 1);
      const gap = size > 0 && last.toString('latin1') !== '\n' ? '\n' : '';
      await handle.appendFile(`${gap}${lines.join('\n')}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    throw new FerryError('config', `${escapeText(file)} can't be written: ${code}`, {
      ...(code === undefined ? {} : { code }),
      cause: thrown,
      hint: "put the fingerprint into the remote's hostKey instead",
    });
  }
}
