/** Loads the files of the bundle: CommonJS, compiled by way of the code cache. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { CodeCache } from './code-cache.js';

/** What a file of CommonJS is called with. */
type Body = (
  exports: unknown,
  require: (name: string) => unknown,
  module: { exports: unknown },
  file: string,
  folder: string,
) => void;

/** Returns the `require` of the files in `folder`: their own names begin with `./`, all others are Node's or packages'. */
export function bundleLoader(folder: string, cache: CodeCache): (name: string) => unknown {
  const outside = createRequire(join(folder, 'main.js'));
  const loaded = new Map<string, { exports: unknown }>();
  const load = (name: string): unknown => {
    if (!name.startsWith('./')) return outside(name);
    const known = loaded.get(name);
    if (known !== undefined) return known.exports;
    const file = join(folder, name);
    const body = cache.compile(file, readFileSync(file)).runInThisContext() as Body;
    const module = { exports: {} };
    loaded.set(name, module);
    body.call(module.exports, module.exports, load, module, file, folder);
    return module.exports;
  };
  return load;
}
