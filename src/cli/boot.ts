/** What main.ts starts: everything but this file is loaded by way of the code cache. The process's rules are in command.ts. */
import { CodeCache, codeCacheFile } from './code-cache.js';
import { Hangups } from './hangups.js';
import { bundleLoader } from './load-bundle.js';

// first of all: by default a SIGHUP ends the process, also a daemon that is only starting
const hangups = new Hangups();
const cache = new CodeCache(codeCacheFile(), import.meta.dirname);
const load = bundleLoader(import.meta.dirname, cache);
const { runCommand } = load('./command.js') as typeof import('./command.js');
void runCommand(hangups, () => cache.save());
