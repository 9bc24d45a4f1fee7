/** Loads the files of the bundle: CommonJS, compiled by way of the code cache. */
import type { CodeCache } from './code-cache.js';

/** What a file of CommonJS is called with. */
type Body = (
  exports: unknown,
  require: (name: string) => unknown,
  module: { exports: unknown },
  file: string,
  folder: string,
) => void;

/** Where the files of the bundle are. */
export interface Bundle {
  readonly folder: string;
  read(name: string): Buffer;
  /** Loads what is not a file of the bundle. */
  require(name: string): unknown;
}

/** Returns the `require` of the bundle's files: their own names begin with `./`, all others are Node's or packages'. */
export function bundleLoader(bundle: Bundle, cache: CodeCache): (name: string) => unknown {
  const loaded = new Map<string, { exports: unknown }>();
  const load = (name: string): unknown => {
    if (!name.startsWith('./')) return bundle.require(name);
    const known = loaded.get(name);
    if (known !== undefined) return known.exports;
    const own = name.slice(2);
    const file = `${bundle.folder}/${own}`;
    const body = cache.compile(file, bundle.read(own)).runInThisContext() as Body;
    const module = { exports: {} };
    loaded.set(name, module);
    body.call(module.exports, module.exports, load, module, file, bundle.folder);
    return module.exports;
  };
  return load;
}
