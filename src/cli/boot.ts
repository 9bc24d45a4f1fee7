/** What main.ts starts: everything but this file is loaded by way of the code cache. The process's rules are in command.ts. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { CodeCache, codeCacheFile } from './code-cache.js';
import { Hangups } from './hangups.js';
import { bundleLoader } from './load-bundle.js';
import { optimiseLater } from './optimise-later.js';

// first of all: by default a SIGHUP ends the process, also a daemon that is only starting
const hangups = new Hangups();
optimiseLater();
const folder = import.meta.dirname;
const fileOf = (name: string) => `${folder}/${name}`;
const cache = new CodeCache(codeCacheFile(), (name) => existsSync(fileOf(name)));
const load = bundleLoader(
  {
    folder,
    read: (name) => readFileSync(fileOf(name)),
    require: createRequire(fileOf('main.js')),
  },
  cache,
);
const { runCommand } = load('./command.js') as typeof import('./command.js');
void runCommand(hangups, () => cache.save());
