/** The page's own files, as dist/page has them. They hold no data, so anybody may have them. */
import { gzipSync } from 'node:zlib';
import { readOwnFile } from '../../state/own-files.js';
import type { ApiApp } from './caller.js';

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

/** What the page may load and do: its own files, and requests to its own server. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

interface PageFile {
  readonly type: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly packed: Uint8Array<ArrayBuffer>;
}

/** By their path: a request names one of these or nothing, so no path is made of what it says. */
let files: ReadonlyMap<string, PageFile> | undefined;

/** Whether this is the path of one of the files. */
export function isPageFile(path: string): boolean {
  return pageFiles().has(path);
}

/** Adds the files to an app. */
export function addPageFiles(app: ApiApp): void {
  app.get('*', async (context, next) => {
    const { path } = context.req;
    const file = pageFiles().get(path);
    if (file === undefined) return next();
    const isPacked = /\bgzip\b/.test(context.req.header('accept-encoding') ?? '');
    return new Response(isPacked ? file.packed : file.bytes, {
      headers: {
        'content-type': file.type,
        'content-security-policy': policy,
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
        'referrer-policy': 'no-referrer',
        // the names of all but the first have a hash of what they hold
        'cache-control': path === '/' ? 'no-store' : 'public, max-age=31536000, immutable',
        vary: 'accept-encoding',
        ...(isPacked && { 'content-encoding': 'gzip' }),
      },
    });
  });
}

function pageFiles(): ReadonlyMap<string, PageFile> {
  files ??= readFiles();
  return files;
}

/** None in a checkout that was not built: the API answers without a page. */
function readFiles(): ReadonlyMap<string, PageFile> {
  const found = new Map<string, PageFile>();
  let names: readonly string[] = [];
  try {
    names = JSON.parse(readOwnFile('dist/page/files.json').toString());
  } catch {
    return found;
  }
  for (const name of names) {
    const bytes = new Uint8Array(readOwnFile(`dist/page/${name}`));
    const type = types[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream';
    const file = { type, bytes, packed: new Uint8Array(gzipSync(bytes)) };
    found.set(name === 'index.html' ? '/' : `/${name}`, file);
  }
  return found;
}
