/** The trees of a case on disk: written, read back as short words, and changed as others would. */
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { isOurs } from '../../src/core/entry.js';
import { type Change, linkTargets, mtimes, type Node } from './case.js';

/** What a path holds, in a word: `none`, `folder`, `link`, `special`, or a file's letters with their counts (`a300`). */
export type Word = string;

export function wordOf(path: string): Word {
  const stat = statOf(path);
  if (stat === undefined) return 'none';
  if (stat.isDirectory()) return 'folder';
  if (stat.isSymbolicLink()) return 'link';
  return stat.isFile() ? letters(fs.readFileSync(path, 'latin1')) : 'special';
}

/** The same of a path below a root; nothing is there behind a link. */
export function wordBelow(root: string, path: string): Word {
  for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1))
    if (statOf(join(root, path.slice(0, at)))?.isDirectory() !== true) return 'none';
  return wordOf(join(root, path));
}

/** Undefined also where what is above is no folder. */
function statOf(path: string): fs.Stats | undefined {
  try {
    return fs.lstatSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== undefined && ['ENOENT', 'ENOTDIR', 'ELOOP'].includes(code)) return undefined;
    throw error;
  }
}

export const isFile = (word: Word): boolean =>
  !['none', 'folder', 'link', 'special'].includes(word);

/** Letters with their counts; an empty file is `0`. */
function letters(text: string): Word {
  let word = '';
  for (let at = 0; at < text.length; ) {
    const from = at;
    while (at < text.length && text[at] === text[from]) at++;
    word += `${text[from]}${at - from}`;
  }
  return word === '' ? '0' : word;
}

export interface Found {
  readonly word: Word;
  readonly size: number;
  readonly mtime: number;
  /** The path below the root that a link's target is, if it is one. */
  readonly leadsTo: string | undefined;
}

/** All entries below a folder by their paths, without ferryline's own; `ours` receives those. */
export function found(root: string, ours: string[] = []): Map<string, Found> {
  const entries = new Map<string, Found>();
  const walk = (below: string) => {
    for (const name of fs.readdirSync(join(root, below))) {
      const path = below === '' ? name : `${below}/${name}`;
      if (path === '.ferryline') continue;
      if (isOurs(name)) {
        ours.push(path);
        continue;
      }
      const stat = fs.lstatSync(join(root, path));
      const word = wordOf(join(root, path));
      const leadsTo = stat.isSymbolicLink()
        ? join(dirname(path), fs.readlinkSync(join(root, path)))
        : undefined;
      entries.set(path, { word, size: stat.size, mtime: stat.mtimeMs / 1000, leadsTo });
      if (stat.isDirectory()) walk(path);
    }
  };
  if (fs.existsSync(root)) walk('');
  return entries;
}

export function grow(root: string, nodes: readonly Node[]): void {
  fs.mkdirSync(root, { recursive: true });
  for (const { path, kind, letter, size, mtime } of nodes) {
    const at = join(root, path);
    fs.mkdirSync(dirname(at), { recursive: true });
    if (kind === 'folder') fs.mkdirSync(at, { recursive: true });
    else if (kind === 'link') fs.symlinkSync(linkTargets[size % linkTargets.length] as string, at);
    else write(at, letter.repeat(size), mtimes[mtime] as number);
  }
  for (const name of fs.readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    const at = join(root, name);
    if (!fs.lstatSync(at).isFile()) date(at);
  }
}

/** Dates a folder or link, which is part of a plan's digest, so that a case has the same one again when it is played again. */
function date(at: string): void {
  fs.lutimesSync(at, mtimes[0] as number, mtimes[0] as number);
}

/** Dates what is at a path, if it is a folder, and the folders above it. */
function dateFolders(root: string, path: string): void {
  for (let at = path; at !== '.'; at = dirname(at))
    if (wordOf(join(root, at)) === 'folder') date(join(root, at));
}

function write(at: string, text: string, mtime: number): void {
  fs.writeFileSync(at, text);
  fs.utimesSync(at, mtime, mtime);
}

/** Replaces a file as a careful writer does: whoever has it open, or linked, keeps the old one. */
function replace(at: string, text: string, mtime: number): void {
  write(`${at}~`, text, mtime);
  fs.renameSync(`${at}~`, at);
}

/** Does what somebody else does at a side, and returns the path that it changed; `nth` tells changes apart by their mtimes. */
export function change(root: string, drawn: Change, nth: number): string | undefined {
  const { path, act } = drawn;
  const [top = path] = path.split('/');
  try {
    if (act === 'swap') return swap(root, top, nth) ? top : undefined;
    // not behind a link, and not below a file
    const parent = dirname(path);
    if (parent !== '.' && !['folder', 'none'].includes(wordBelow(root, parent))) return undefined;
    if (statOf(join(root, top))?.isSymbolicLink() && top !== path) return undefined;
    if (!changeAt(join(root, path), drawn, nth)) return undefined;
    dateFolders(root, path);
    return path;
  } catch {
    return undefined; // a file is where a folder would have to be
  }
}

/** Puts a link that leads out of the root in the place of a folder. */
function swap(root: string, folder: string, nth: number): boolean {
  const at = join(root, folder);
  if (wordOf(at) !== 'folder') return false;
  fs.renameSync(at, join(root, `../away-${nth}`));
  fs.symlinkSync('../canary', at);
  return true;
}

function changeAt(at: string, { side, act, letter, size, mtime }: Change, nth: number): boolean {
  const there = wordOf(at);
  if (act === 'remove') {
    if (there === 'none' || there === 'folder') return false;
    fs.unlinkSync(at);
    return true;
  }
  if (act === 'folder') {
    if (there === 'folder') return false;
    if (there !== 'none') fs.unlinkSync(at);
    fs.mkdirSync(at, { recursive: true });
    return true;
  }
  if (there === 'folder' || there === 'link') return false;
  const when = (mtimes[mtime] as number) + 30_000 * (nth + 1);
  const put = side === 'source' ? write : replace;
  const old = there === 'none' ? '' : fs.readFileSync(at, 'latin1');
  fs.mkdirSync(dirname(at), { recursive: true });
  if (act === 'write') put(at, letter.repeat(size), when);
  else if (act === 'append') put(at, old + letter.repeat(size), when);
  else put(at, old.slice(0, old.length / 2), when);
  return true;
}
