/** The Debian package: the single executable with a unit, a user and its folders. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/** Makes ferryline_VERSION_amd64.deb in `target`. */
export function makeDeb({ project, version, executable, target, work }) {
  const root = join(work, 'deb');
  const put = (from, to) => {
    mkdirSync(dirname(join(root, to)), { recursive: true });
    copyFileSync(from, join(root, to));
    chmodSync(join(root, to), 0o644);
  };
  put(executable, 'usr/bin/ferryline');
  chmodSync(join(root, 'usr/bin/ferryline'), 0o755);
  put(join(project, 'jobs.schema.json'), 'usr/share/ferryline/jobs.schema.json');
  put(join(project, 'jobs.yml'), 'usr/share/doc/ferryline/examples/jobs.yml');
  put(join(project, 'CHANGELOG.md'), 'usr/share/doc/ferryline/CHANGELOG.md');
  const unit = 'ferryline.service';
  put(join(project, 'docs/systemd', unit), `usr/lib/systemd/system/${unit}`);
  const docs = join(root, 'usr/share/doc/ferryline/docs');
  cpSync(join(project, 'docs'), docs, { recursive: true });
  // a checkout has the modes of its owner's umask
  execFileSync('chmod', ['-R', 'u=rwX,go=rX', docs]);
  const read = (name) => readFileSync(join(project, name), 'utf8');
  const licences = [read('LICENSE'), read('dist/third-party-licences.txt')].join('\n');
  writeFileSync(join(root, 'usr/share/doc/ferryline/copyright'), licences, { mode: 0o644 });
  mkdirSync(join(root, 'etc/ferryline'), { recursive: true });

  const control = join(root, 'DEBIAN');
  mkdirSync(control);
  const scripts = join(import.meta.dirname, 'debian');
  for (const name of readdirSync(scripts)) {
    const text = readFileSync(join(scripts, name), 'utf8').replace('@VERSION@', version);
    writeFileSync(join(control, name), text);
    chmodSync(join(control, name), name === 'control' ? 0o644 : 0o755);
  }
  const file = join(target, `ferryline_${version}_amd64.deb`);
  execFileSync('dpkg-deb', ['--root-owner-group', '-Zzstd', '-z12', '--build', root, file], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
