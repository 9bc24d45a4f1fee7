/**
 * Makes what is run: a few CommonJS files in dist/cli, of which a command loads those it needs. They
 * are not minified, since garbage collection takes longer in minified code. tsc checks the types before.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig, type Plugin } from 'rolldown';

const packages = join(import.meta.dirname, 'node_modules');
const ssh2Crypto = 'ssh2/lib/protocol/crypto.js';
const addon = 'crypto/build/Release/sshcrypto.node';

/** Text of other packages that is replaced as it is bundled. The build fails where it is not found. */
const replacedInSsh2: readonly (readonly [from: string, to: string])[] = [
  // the native ciphers are one file for each Node, beside the folder of the bundle
  [
    `'./${addon}'`,
    '`../native/sshcrypto-${process.platform}-${process.arch}-${process.versions.modules}.node`',
  ],
  // ssh2 refuses packets above the size that every implementation must take (RFC 4253 §6.1). OpenSSH
  // takes 256 KiB, and a server's banner is one packet: with a longer one nobody could log in.
  ['const MAX_PACKET_SIZE = 35000;', 'const MAX_PACKET_SIZE = 262144;'],
];

const replaceInSsh2: Plugin = {
  name: 'replace-in-ssh2',
  transform: {
    filter: { id: new RegExp(`/${ssh2Crypto.replaceAll('.', '\\.')}$`) },
    handler(code) {
      for (const [from, to] of replacedInSsh2) {
        if (!code.includes(from)) this.error(`${ssh2Crypto} no longer has ${from}`);
        code = code.replaceAll(from, to);
      }
      return { code, map: null };
    },
  },
};

/** CommonJS has a `require`, which the bundler follows: one made by createRequire stays out of its sight. */
const ownRequire: Plugin = {
  name: 'own-require',
  transform: {
    filter: { id: /\/src\/.*\.ts$/, code: 'createRequire' },
    handler: (code) => ({
      code: code
        .replace(/^const require = createRequire\(import\.meta\.url\);$/m, '')
        .replaceAll('createRequire(import.meta.url)', 'require'),
      map: null,
    }),
  },
};

/** package.json says that .js files are ES modules; those of dist are not. */
const saysCommonJs: Plugin = {
  name: 'says-common-js',
  generateBundle() {
    const source = `${JSON.stringify({ type: 'commonjs' })}\n`;
    this.emitFile({ type: 'asset', fileName: 'package.json', source });
  },
};

/** The files that packages read while they run. */
const readWhileRunning: Plugin = {
  name: 'read-while-running',
  generateBundle() {
    for (const name of ['pglite.wasm', 'pglite.data', 'initdb.wasm']) {
      const source = readFileSync(join(packages, '@electric-sql/pglite/dist', name));
      this.emitFile({ type: 'asset', fileName: `cli/${name}`, source });
    }
    // of the Node that installed the packages; without it, ssh2 falls back to JavaScript
    const built = join(packages, 'ssh2/lib/protocol', addon);
    if (!existsSync(built)) return;
    const { platform, arch, versions } = process;
    const fileName = `native/sshcrypto-${platform}-${arch}-${versions.modules}.node`;
    this.emitFile({ type: 'asset', fileName, source: readFileSync(built) });
  },
};

/** The licences of the packages in the bundle, which ask to go with each copy. */
const licences: Plugin = {
  name: 'licences',
  generateBundle(_, bundle) {
    const used = Object.values(bundle)
      .flatMap((part) => (part.type === 'chunk' ? part.moduleIds : []))
      .flatMap((id) => /.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0] ?? []);
    const source = [...new Set(used)].sort().map(licenceOf).join('\n');
    this.emitFile({ type: 'asset', fileName: 'third-party-licences.txt', source });
  },
};

function licenceOf(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const files = readdirSync(folder).filter((file) => /^(?:licen[cs]e|notice)/i.test(file));
  const texts = files.map((file) => readFileSync(join(folder, file), 'utf8').trim());
  return [`== ${name} ${version} (${license ?? 'see below'})`, ...texts, ''].join('\n\n');
}

const pageSources = join(import.meta.dirname, 'src/server/page');

/** The page's style, picture and first file, which names the others by the hash of what they hold; and a list of all. */
const pageFiles: Plugin = {
  name: 'page-files',
  generateBundle(_, bundle) {
    const add = (name: string, source: string) => {
      const hash = createHash('sha256').update(source).digest('hex').slice(0, 8);
      const fileName = `assets/${name.replace('.', `-${hash}.`)}`;
      this.emitFile({ type: 'asset', fileName, source });
      return fileName;
    };
    const read = (name: string) => readFileSync(join(pageSources, name), 'utf8');
    const names: Record<string, string> = {
      style: add(
        'style.css',
        `${read('style.css')}\n${readFileSync(join(packages, 'uplot/dist/uPlot.min.css'), 'utf8')}`,
      ),
      icon: add('icon.svg', read('icon.svg')),
    };
    for (const part of Object.values(bundle))
      if (part.type === 'chunk' && part.isEntry) names.script = part.fileName;
    const html = read('index.html').replace(
      /%(\w+)%/g,
      (_all, name) => names[name] ?? this.error(`index.html names ${name}`),
    );
    this.emitFile({ type: 'asset', fileName: 'index.html', source: html });
    const files = [
      ...Object.keys(bundle).filter((name) => name.endsWith('.js')),
      ...[names.style, names.icon],
      'index.html',
    ];
    this.emitFile({ type: 'asset', fileName: 'files.json', source: JSON.stringify(files) });
  },
};

// optional parts of packages, which are not there or native
const external = ['cpu-features', 'msgpackr-extract', 'pg-native', /\.node$/];

// All files are in one folder, so that each finds the others by `./NAME.js` from whatever file holds the code.
const output = {
  dir: 'dist',
  format: 'cjs',
  entryFileNames: 'cli/[name].js',
  chunkFileNames: 'cli/[name]-[hash].js',
  // code from the cache can't import()
  dynamicImportInCjs: false,
  sourcemap: true,
  // a stack trace needs the lines, not the text
  sourcemapExcludeSources: true,
} as const;

export default defineConfig([
  {
    input: {
      command: 'src/cli/command.ts',
      'list-worker': 'src/endpoints/local/list-worker.ts',
      'check-worker': 'src/queue/store/check-worker.ts',
      'config-worker': 'src/cli/config-worker.ts',
      'index-worker': 'src/state/index-worker.ts',
      'make-pglite': 'src/queue/store/make-pglite.ts',
    },
    platform: 'node',
    external,
    // PGlite's, which it does without here
    checks: { eval: false },
    plugins: [replaceInSsh2, ownRequire, saysCommonJs, readWhileRunning, licences],
    output: { ...output, cleanDir: true },
  },
  // loads the others itself, so it shares no file with them
  { input: { boot: 'src/cli/boot.ts' }, platform: 'node', output },
  { input: { single: 'src/cli/single.ts' }, platform: 'node', output },
  // any Node that is too old must be able to read it
  {
    input: { main: 'src/cli/main.ts' },
    platform: 'node',
    external: ['./boot.js'],
    transform: { target: 'es2015' },
    output: { ...output, dir: 'dist/cli', entryFileNames: '[name].js' },
  },
  // the page, for browsers
  {
    input: { page: 'src/server/page/main.ts' },
    platform: 'browser',
    transform: { target: 'es2022', jsx: { runtime: 'automatic', importSource: 'preact' } },
    plugins: [pageFiles, licences],
    output: {
      dir: 'dist/page',
      format: 'esm',
      minify: true,
      cleanDir: true,
      entryFileNames: 'assets/[name]-[hash].js',
      chunkFileNames: 'assets/[name]-[hash].js',
    },
  },
]);
