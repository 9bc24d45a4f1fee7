/**
 * V8's compiled code of the bundle, kept from one command to the next in a file of the user's own.
 *
 * V8 accepts damaged code, and code of another text of the same length. So each part is kept with the
 * SHA-256 of text and code, and the file counts only if nobody else could write it. Whatever is wrong
 * with it costs time and nothing else.
 */
import { createHash, type Hash } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Script } from 'node:vm';
import { homeFolder } from '../ssh/ssh-config/home-folder.js';

/** V8 compiles a function when it is first called: code is kept anew after this many commands that ran it, so that it holds what they use. */
const timesKept = 3;
/** A larger list of parts is not ours. */
const largestListBytes = 64 * 1024;

/** A part as the file lists it. */
interface Kept {
  /** Of the text, then the code. */
  readonly sha256: string;
  /** Where the code begins, in bytes from the end of the list, and how long it is. */
  readonly at: number;
  readonly length: number;
  /** How often it was kept. */
  readonly times: number;
}

interface Compiled {
  readonly script: Script;
  /** Of the text. */
  readonly hash: Hash;
  /** 0 where no kept code was used. */
  readonly times: number;
}

/** The file, by Node's version; undefined where there is no place for it. */
export function codeCacheFile(): string | undefined {
  if (process.env.NODE_DISABLE_COMPILE_CACHE !== undefined) return undefined;
  const given = process.env.XDG_CACHE_HOME;
  const caches = given?.startsWith('/') ? given : join(homeFolder(), '.cache');
  return join(caches, 'ferryline', `code-${process.version}-${process.arch}`);
}

export class CodeCache {
  readonly #file: string | undefined;
  readonly #isPart: (name: string) => boolean;
  readonly #compiled = new Map<string, Compiled>();
  #kept = new Map<string, Kept>();
  #handle: number | undefined;
  /** Where the list ends. */
  #listEnd = 0;

  /** `isPart` says whether the bundle has a file of that name. */
  constructor(file: string | undefined, isPart: (name: string) => boolean) {
    this.#file = file;
    this.#isPart = isPart;
    if (file === undefined) return;
    try {
      this.#open(file);
    } catch {
      // it is not there, or of no use
      this.#kept = new Map();
    }
  }

  /** A script whose result is the function of a CommonJS file. */
  compile(file: string, text: Buffer): Script {
    const name = basename(file);
    const hash = createHash('sha256').update(text);
    const kept = this.#kept.get(name);
    const code = kept && this.#codeOf(kept);
    const isSound = code !== undefined && digest(hash, code) === kept?.sha256;
    const head = '(function (exports, require, module, __filename, __dirname) { ';
    const script = new Script(`${head}${text.toString()}\n})`, {
      filename: file,
      columnOffset: -head.length,
      ...(isSound && { cachedData: code }),
    });
    const times = isSound && script.cachedDataRejected === false ? kept.times : 0;
    this.#compiled.set(name, { script, hash, times });
    return script;
  }

  /** Keeps the code of what was compiled, unless that was done often enough. Never throws. */
  save(): void {
    if (this.#file === undefined) return;
    if ([...this.#compiled.values()].every(({ times }) => times >= timesKept)) return;
    try {
      this.#write(this.#file);
    } catch {
      // it can't be written: the next command compiles again
    }
  }

  #open(file: string): void {
    if (!isOurs(lstatSync(dirname(file)))) return;
    this.#handle = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
    const found = fstatSync(this.#handle);
    if (!found.isFile() || !isOurs(found)) return;
    const length = Number.parseInt(this.#read(0, 8).toString(), 16);
    if (!(length <= largestListBytes)) return;
    const list = JSON.parse(this.#read(8, length).toString()) as Record<string, Kept>;
    this.#kept = new Map(Object.entries(list));
    this.#listEnd = 8 + length;
  }

  #codeOf({ at, length }: Kept): Buffer | undefined {
    try {
      return this.#read(this.#listEnd + at, length);
    } catch {
      return undefined;
    }
  }

  #read(at: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    return bytes.subarray(0, readSync(this.#handle as number, bytes, 0, length, at));
  }

  #write(file: string): void {
    const list: Record<string, Kept> = {};
    const codes: Buffer[] = [];
    let at = 0;
    const add = (name: string, code: Buffer, sha256: string, times: number) => {
      list[name] = { sha256, at, length: code.length, times };
      codes.push(code);
      at += code.length;
    };
    for (const [name, kept] of this.#kept) {
      if ((this.#compiled.get(name)?.times ?? timesKept) < timesKept) continue;
      // one of an older bundle
      if (!this.#isPart(name)) continue;
      const code = this.#codeOf(kept);
      if (code !== undefined) add(name, code, kept.sha256, kept.times);
    }
    for (const [name, { script, hash, times }] of this.#compiled) {
      if (times >= timesKept) continue;
      const code = script.createCachedData();
      add(name, code, digest(hash, code), times + 1);
    }
    const text = Buffer.from(JSON.stringify(list));
    const length = Buffer.from(text.length.toString(16).padStart(8, '0'));
    makeFolders(dirname(file));
    const unfinished = `${file}.${process.pid}`;
    try {
      writeFileSync(unfinished, Buffer.concat([length, text, ...codes]), {
        flag: 'wx',
        mode: 0o600,
      });
      renameSync(unfinished, file);
    } catch (error) {
      rmSync(unfinished, { force: true });
      throw error;
    }
    if (this.#handle !== undefined) closeSync(this.#handle);
  }
}

function digest(text: Hash, code: Buffer): string {
  return text.copy().update(code).digest('hex');
}

/** Whether nobody else can change it. */
function isOurs({ uid, mode }: Stats): boolean {
  return uid === process.geteuid?.() && (mode & 0o022) === 0;
}

/** Makes the folder and the one above it, for this user alone. On a file system that refuses with ENOENT, a recursive mkdir of Node 24 never ends. */
function makeFolders(folder: string): void {
  for (const level of [dirname(folder), folder])
    if (!existsSync(level)) mkdirSync(level, { mode: 0o700 });
  if (!isOurs(lstatSync(folder))) throw new Error('the folder is not ours');
}
