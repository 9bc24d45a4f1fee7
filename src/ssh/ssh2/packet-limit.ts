/**
 * Lets ssh2 read packets of up to 256 KiB, as OpenSSH does. ssh2 1.17 refuses those above 35,000 bytes,
 * the size that every implementation must take (RFC 4253 §6.1); a server's banner is one packet, and
 * with a longer one nobody could log in. Load this before any other part of ssh2.
 */
import { readFileSync } from 'node:fs';
import Module, { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const file = require.resolve('ssh2/lib/protocol/crypto.js');

/** The part of Node's loader that its types leave out. */
interface LoaderInternals {
  _compile(text: string, file: string): void;
  filename: string;
  paths: string[];
}

if (require.cache[file] === undefined) {
  const text = readFileSync(file, 'utf8');
  const wide = text.replace(/^const MAX_PACKET_SIZE = 35000;$/m, 'const MAX_PACKET_SIZE = 262144;');
  if (wide !== text) {
    const loaded = new Module(file) as Module & LoaderInternals;
    loaded.filename = file;
    loaded.paths = require.resolve.paths(file) ?? [];
    require.cache[file] = loaded;
    loaded._compile(wide, file);
    loaded.loaded = true;
  }
}
