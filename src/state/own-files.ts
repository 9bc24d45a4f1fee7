/** The program's own files: those of its package, or what a single executable has in it. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { getRawAsset, isSea } from 'node:sea';
import { fileURLToPath } from 'node:url';

/** In the sources and in dist alike, the root is two folders above this folder. */
const packageFolder = new URL('../../', import.meta.url);

/** The built program, which `process.execPath` runs. */
export const builtProgram = fileURLToPath(new URL('./main.js', import.meta.url));

/** Whether this is a single executable, which has Node and all files in it. */
export const isSingle = isSea();

/** Reads one of the package's files, such as `jobs.yml`. Throws where there is none of that name. */
export function readOwnFile(name: string): Buffer {
  if (isSingle) return Buffer.from(getRawAsset(name) as ArrayBuffer);
  return readFileSync(new URL(name, packageFolder));
}

/** The path of the JSON schema, for editors; undefined for a single executable that was not installed with it. */
export function schemaFile(): string | undefined {
  if (!isSingle) return fileURLToPath(new URL('jobs.schema.json', packageFolder));
  const beside = join(dirname(process.execPath), '../share/ferryline/jobs.schema.json');
  return existsSync(beside) ? beside : undefined;
}
