/** Stack traces that name the lines of the sources: what runs is bundled, with source maps beside it. */
import { readFileSync } from 'node:fs';
import { SourceMap, type SourceMapPayload } from 'node:module';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assetFolder } from '../state/asset-folder.js';
import { isSingle, readOwnFile } from '../state/own-files.js';

/** `stack` with each place in a file that has a source map beside it replaced by the place in its source. */
export function sourceLines(stack: string): string {
  const maps = new Map<string, SourceMap | undefined>();
  return stack.replace(
    /((?:file:\/\/)?\/[^\s():]+\.js):(\d+):(\d+)/g,
    (place, name: string, line: string, column: string) => {
      const file = name.startsWith('file:') ? fileURLToPath(name) : name;
      if (!maps.has(file)) maps.set(file, mapOf(file));
      const origin = maps.get(file)?.findOrigin(Number(line), Number(column));
      if (origin === undefined || !('fileName' in origin)) return place;
      return `${resolve(dirname(file), origin.fileName)}:${origin.lineNumber}:${origin.columnNumber}`;
    },
  );
}

function mapOf(file: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(readFile(`${file}.map`).toString()) as SourceMapPayload);
  } catch {
    return undefined;
  }
}

function readFile(path: string): Buffer {
  return isSingle ? readOwnFile(path.slice(assetFolder.length + 1)) : readFileSync(path);
}
