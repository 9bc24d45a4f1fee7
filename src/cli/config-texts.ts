/** Reads jobs.yml and the files of jobs.d beside it, and watches them. jobs/config/documents.ts puts them together. */
import { readFileSync } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FerryError } from '../core/errors.js';
import { present } from '../core/present.js';
import { escapeText } from '../core/text.js';
import type { ConfigText } from '../jobs/config/documents.js';

/** Files of jobs.d that are read; a folder with more is refused. */
const mostFiles = 1000;
/** Bytes read of a file: more than loadConfig accepts, so that it reports a larger file. */
const maxReadBytes = 2 * 1024 * 1024;
/** The files are looked at this often: by stat, so that links and mounts are no obstacle. */
const lookEveryMs = 2000;
/** A change is taken once the files look the same for this long: an editor may write in several steps. */
const stillForMs = 500;

export interface ConfigTexts {
  readonly text: string;
  readonly mode: number;
  /** The files of jobs.d, in the order of their names. */
  readonly more: readonly ConfigText[];
  /** What was passed over. */
  readonly notes: readonly string[];
}

/** Reads all files. Errors: `config`. */
export async function readTexts(file: string): Promise<ConfigTexts> {
  const main = await readText(file);
  const folder = folderOf(file);
  const entries = await entriesOf(folder);
  const files = entries.filter(isRead);
  if (files.length > mostFiles)
    throw new FerryError('config', `${escapeText(folder)} has ${files.length} files`, {
      hint: `at most ${mostFiles} are read; put several jobs into one`,
    });
  const more: ConfigText[] = [];
  for (const name of files) {
    const path = join(folder, name);
    more.push({ file: path, ...(await readText(path)) });
  }
  const notes = entries
    .filter((name) => name.endsWith('.yaml') && !name.startsWith('.'))
    .map((name) => `${escapeText(join(folder, name))} is not read; its name must end in .yml`);
  return { ...main, more, notes };
}

/**
 * Calls `changed` whenever a file was changed, added or removed since `seen`, which is what looksOf
 * returned before the files were read, and they are no longer being written. Returns a function that
 * ends it.
 */
export function watchTexts(file: string, seen: string, changed: () => void): () => void {
  let last = seen;
  let isPending = false;
  let ended = false;
  let timer: NodeJS.Timeout | undefined;
  const look = async () => {
    const now = await looksOf(file);
    if (ended) return;
    const isStill = now === last;
    if (isStill && isPending) changed();
    isPending = !isStill;
    last = now;
    timer = setTimeout(look, isPending ? stillForMs : lookEveryMs);
    timer.unref();
  };
  void look();
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}

/** `jobs.d` beside `jobs.yml`; a file of another name has a folder of its own. */
function folderOf(file: string): string {
  return `${file.replace(/\.ya?ml$/, '')}.d`;
}

/** Names beginning with a dot are those of editors. */
function isRead(name: string): boolean {
  return name.endsWith('.yml') && !name.startsWith('.');
}

/** The names in a folder, sorted; none when it does not exist. */
async function entriesOf(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw unreadable(folder, thrown, 'let this user read it, or remove it');
  }
}

export async function readText(file: string): Promise<{ text: string; mode: number }> {
  try {
    const handle = await open(file, 'r');
    try {
      const { mode } = await handle.stat();
      const buffer = Buffer.alloc(maxReadBytes);
      let length = 0;
      for (;;) {
        const { bytesRead } = await handle.read(buffer, length, maxReadBytes - length);
        length += bytesRead;
        if (bytesRead === 0) break;
      }
      return { text: textOf(file, buffer.subarray(0, length)), mode: mode & 0o7777 };
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    if (thrown instanceof FerryError) throw thrown;
    throw unreadable(file, thrown, 'name another file with --config FILE or FERRYLINE_CONFIG');
  }
}

/** The text of a file; a mark of UTF-8 at its beginning is left out. A `config` error for any other encoding. */
function textOf(file: string, bytes: Buffer): string {
  // of a file that is too large the end is missing
  const text = bytes.length === maxReadBytes ? bytes.toString('utf8') : utf8Of(bytes);
  if (text !== undefined) return text;
  const hasNul = bytes.includes(0);
  const isUtf16 =
    hasNul || (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  const littleEndian = bytes[0] === 0xff || (bytes[0] !== 0xfe && bytes[1] === 0);
  const encoding = isUtf16 ? (littleEndian ? 'UTF-16LE' : 'UTF-16BE') : 'LATIN1';
  const place = isUtf16 ? '' : `, first in line ${lineOfFirstError(bytes)}`;
  throw new FerryError(
    'config',
    `${escapeText(file)} is not UTF-8${isUtf16 ? ': it looks like UTF-16' : place}`,
    {
      code: 'EILSEQ',
      hint: `save it as UTF-8; \`iconv -f ${encoding} -t UTF-8 FILE\` converts it`,
    },
  );
}

/** Undefined where it is no UTF-8, or holds a NUL, which no text does. */
function utf8Of(bytes: Buffer): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return text.includes('\0') ? undefined : text;
  } catch {
    return undefined;
  }
}

function lineOfFirstError(bytes: Buffer): number {
  let line = 1;
  let start = 0;
  for (;;) {
    const end = bytes.indexOf(0x0a, start);
    const stop = end < 0 ? bytes.length : end;
    if (utf8Of(bytes.subarray(start, stop)) === undefined || end < 0) return line;
    start = end + 1;
    line++;
  }
}

/** The text of a file named in `${file:…}`. Throws for one that can't be read, or is no UTF-8: as a password it would never be right. */
export function readSecretFile(file: string): string {
  const text = utf8Of(readFileSync(file));
  if (text !== undefined) return text;
  throw Object.assign(new Error('not UTF-8'), { code: 'not UTF-8 text' });
}

function unreadable(path: string, cause: unknown, hint: string): FerryError {
  const { code } = cause as NodeJS.ErrnoException;
  const what = code === 'ENOENT' ? 'does not exist' : `cannot be read: ${code}`;
  return new FerryError('config', `${escapeText(path)} ${what}`, {
    ...present({ code }),
    cause,
    hint,
  });
}

/** A text that differs once one of the files does. */
export async function looksOf(file: string): Promise<string> {
  const folder = folderOf(file);
  const names = await readdir(folder).catch(() => []);
  const paths = [file, ...names.filter(isRead).map((name) => join(folder, name))];
  const looks = paths.map(async (path) => {
    const found = await stat(path).catch(() => undefined);
    return [path, found?.mtimeMs, found?.ctimeMs, found?.size, found?.ino];
  });
  return JSON.stringify((await Promise.all(looks)).sort());
}
