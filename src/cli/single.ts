/**
 * Entry point of the single executable: Node with the files of the bundle in it as assets. A thread, or
 * a process that the program starts of itself, begins here too; the file that it is to run is named by
 * its path in a folder that exists on no disk.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { getRawAsset } from 'node:sea';
import { fileURLToPath } from 'node:url';
import * as threads from 'node:worker_threads';
import { assetFolder } from '../state/asset-folder.js';
import { CodeCache, codeCacheFile } from './code-cache.js';
import { Hangups } from './hangups.js';
import { bundleLoader } from './load-bundle.js';
import { optimiseLater } from './optimise-later.js';

const folder = `${assetFolder}/dist/cli`;
const asset = (name: string) => Buffer.from(getRawAsset(name) as ArrayBuffer);
const isAsset = (name: string) => {
  try {
    getRawAsset(name);
    return true;
  } catch {
    return false;
  }
};

/** Runs a file of the bundle, which a Worker otherwise reads from the disk. */
class AssetWorker extends threads.Worker {
  constructor(file: string | URL, options: threads.WorkerOptions = {}) {
    const path = file instanceof URL ? fileURLToPath(file) : file;
    super(asset('dist/cli/single.js').toString(), { ...options, eval: true, argv: [path] });
  }
}

/** Loads native code, which the system takes only from a file: from a new one that nobody else can write, and that is gone again at once. A folder of /tmp will do, or else that of the code cache. */
function loadNative(name: string): unknown {
  const code = asset(`dist/native/${basename(name)}`);
  const cacheFile = codeCacheFile();
  const caches = cacheFile === undefined ? [] : [dirname(cacheFile)];
  let failure: unknown;
  // a disk may be full, read-only, or run no programs
  for (const place of [tmpdir(), ...caches]) {
    let own: string | undefined;
    try {
      own = mkdtempSync(join(place, 'native-'));
      const file = join(own, basename(name));
      writeFileSync(file, code, { flag: 'wx', mode: 0o700 });
      chmodSync(file, 0o700);
      const module = { exports: {} };
      process.dlopen(module, file);
      return module.exports;
    } catch (error) {
      failure = error;
    } finally {
      if (own !== undefined) rmSync(own, { recursive: true, force: true });
    }
  }
  throw failure;
}

function outside(name: string): unknown {
  if (name.endsWith('.node')) return loadNative(name);
  if (/^(?:node:)?worker_threads$/.test(name)) return { ...threads, Worker: AssetWorker };
  return require(name);
}

/** The file of the bundle to run, which an argument of ours may name; what is left are the arguments of a Node process that runs it. */
function programToRun(): string {
  const [node = '', , named, ...others] = process.argv;
  const isOurs = named !== undefined && dirname(named) === folder;
  if (isOurs) process.argv = [node, named, ...others];
  return isOurs ? basename(named) : 'main.js';
}

function main(): void {
  const program = programToRun();
  const isCommand = program === 'main.js';
  // first of all: by default a SIGHUP ends the process, also a daemon that is only starting
  const hangups = isCommand ? new Hangups() : undefined;
  if (isCommand) optimiseLater();
  const file = isCommand ? codeCacheFile() : undefined;
  const cache = new CodeCache(file && `${file}-single`, (name) => isAsset(`dist/cli/${name}`));
  const read = (name: string) => asset(`dist/cli/${name}`);
  const load = bundleLoader({ folder, read, require: outside }, cache);
  if (hangups === undefined) {
    load(`./${program}`);
    return;
  }
  const { runCommand } = load('./command.js') as typeof import('./command.js');
  void runCommand(hangups, () => cache.save());
}

main();
