/** The demo's files: small and large, text and bytes, in folders. */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Writes a file, making its folder. */
export async function put(folder: string, path: string, content: string | Buffer): Promise<void> {
  const file = join(folder, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
}

/** `data/`: 62 files in scope, and two that jobs.yml excludes. */
export async function makeData(folder: string): Promise<void> {
  for (let i = 1; i <= 48; i++) {
    const name = `${2023 + Math.floor((i - 1) / 12)}-${String(((i - 1) % 12) + 1).padStart(2, '0')}`;
    await put(folder, `reports/${name}.csv`, `month,total\n${name},${i * 731}\n`.repeat(40));
  }
  for (let i = 1; i <= 12; i++)
    await put(folder, `photos/${i}.jpg`, randomBytes(180_000 + i * 999));
  await put(folder, 'database.dump', randomBytes(24 * 1024 * 1024));
  await put(folder, 'Übersicht.txt', 'Names are bytes, and arrive as such.\n');
  await put(folder, 'scratch.tmp', 'excluded by "*.tmp"\n');
  await put(folder, 'cache/page.html', 'excluded by "cache/"\n');
}

/** `dist/`: a small web site. */
export async function makeSite(folder: string, title: string): Promise<void> {
  await put(folder, 'index.html', `<h1>${title}</h1>\n`);
  for (let i = 1; i <= 8; i++) {
    await put(folder, `pages/${i}.html`, `<h1>Page ${i}</h1>\n${'<p>text</p>\n'.repeat(i * 20)}`);
  }
  await put(folder, 'style.css', 'body { margin: 2em }\n');
}

/** Sets the mtime of every file below a folder to now, as a fresh checkout does. */
export async function touchAll(folder: string): Promise<void> {
  for (const path of await filesBelow(folder)) {
    const now = new Date();
    await utimes(join(folder, path), now, now);
  }
}

/** Relative paths of all files below a folder, sorted, without ferryline's own. */
export async function filesBelow(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const files: string[] = [];
  for (const name of names) {
    if (name === '.ferryline' || name.startsWith('.ferryline/')) continue;
    if ((await stat(join(folder, name))).isFile()) files.push(name);
  }
  return files.sort();
}

/** Whether two folders have the same files with the same bytes, apart from those that `except` matches. */
export async function sameFiles(a: string, b: string, except?: RegExp): Promise<boolean> {
  const inScope = async (folder: string) =>
    (await filesBelow(folder)).filter((path) => except?.test(path) !== true);
  const [left, right] = [await inScope(a), await inScope(b)];
  if (left.join('\0') !== right.join('\0')) return false;
  for (const path of left) {
    const [x, y] = [await readFile(join(a, path)), await readFile(join(b, path))];
    if (!x.equals(y)) return false;
  }
  return true;
}
