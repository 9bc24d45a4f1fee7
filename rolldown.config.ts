/**
 * Makes what is run: a few CommonJS files in dist/cli, of which a command loads those it needs. They
 * are not minified, since garbage collection takes longer in minified code. tsc checks the types before.
 */
import { defineConfig, type Plugin } from 'rolldown';

const ssh2Crypto = 'ssh2/lib/protocol/crypto.js';
const addon = 'crypto/build/Release/sshcrypto.node';

/** Text of other packages that is replaced as it is bundled. The build fails where it is not found. */
const replacedInSsh2: readonly (readonly [from: string, to: string])[] = [
  // the native ciphers are built on the machine that they run on, in ssh2's own folder
  [`'./${addon}'`, `'ssh2/lib/protocol/${addon}'`],
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

// PGlite has 27 MB of data beside it; the others are optional, and not there or native
const external = [
  /^@electric-sql\/pglite/,
  'cpu-features',
  'msgpackr-extract',
  'pg-native',
  /\.node$/,
];

// All files are in one folder, so that each finds the others by `./NAME.js` from whatever file holds the code.
const output = {
  dir: 'dist',
  format: 'cjs',
  entryFileNames: 'cli/[name].js',
  chunkFileNames: 'cli/[name]-[hash].js',
  sourcemap: true,
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
    plugins: [replaceInSsh2, ownRequire, saysCommonJs],
    output: { ...output, cleanDir: true },
  },
  // loads the others itself, so it shares no file with them
  { input: { main: 'src/cli/main.ts' }, platform: 'node', output },
]);
