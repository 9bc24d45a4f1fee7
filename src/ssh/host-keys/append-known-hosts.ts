/** Appends lines to a known_hosts file. */
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FerryError } from '../../core/errors.js';
import { present } from '../../core/present.js';
import { escapeText } from '../../core/text.js';

/**
 * Appends lines, given without newlines, in one write; first ends an unfinished last line. Creates
 * the file with mode 0600 and its folder with 0700. Failures are `config` errors.
 */
export async function appendLines(file: string, lines: readonly string[]): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const handle = await open(file, 'a+', 0o600);
    try {
      const { size } = await handle.stat();
      const last = Buffer.alloc(1);
      if (size > 0) await handle.read(last, 0, 1, size - 1);
      const lineEnd = size > 0 && last.toString('latin1') !== '\n' ? '\n' : '';
      await handle.appendFile(`${lineEnd}${lines.join('\n')}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    throw new FerryError('config', `${escapeText(file)} can't be written: ${code}`, {
      ...present({ code }),
      cause: thrown,
      hint: "put the fingerprint into the remote's hostKey instead",
    });
  }
}
