/**
 * Runs once before all tests and installs the system packages that are missing if the tester is root;
 * otherwise the run fails with the command to type. No test is ever skipped because a server is missing.
 * Nothing here keeps running: an installation starts no daemon.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isRoot, makeTestUser, testUser } from './account.js';

/** A file that shows that a package (of Debian 12 and its descendants) is installed; `*` is one folder. */
export const needed: readonly (readonly [file: string, packageName: string])[] = [
  ['/usr/sbin/sshd', 'openssh-server'],
  ['/usr/lib/openssh/sftp-server', 'openssh-sftp-server'],
  ['/usr/bin/ssh-keygen', 'openssh-client'],
  ['/usr/bin/rclone', 'rclone'],
  ['/usr/sbin/proftpd', 'proftpd-core'],
  ['/usr/lib/proftpd/mod_sftp.so', 'proftpd-mod-crypto'],
  ['/usr/bin/openssl', 'openssl'],
  ['/usr/bin/redis-server', 'redis-server'],
  ['/usr/bin/redis-cli', 'redis-tools'],
  ['/usr/bin/bindfs', 'bindfs'],
  ['/usr/bin/strace', 'strace'],
  ['/bin/fusermount', 'fuse'],
  ['/usr/lib/postgresql/*/bin/postgres', 'postgresql'],
  ['/usr/sbin/pgbouncer', 'pgbouncer'],
  ['/usr/bin/zsh', 'zsh'],
  ['/usr/bin/fish', 'fish'],
  ['/usr/bin/chromium', 'chromium'],
  ['/usr/bin/promtool', 'prometheus'],
];

function missingPackages(): string[] {
  return needed.filter(([file]) => !present(file)).map(([, name]) => name);
}

function present(file: string): boolean {
  const [above = '', below] = file.split('*');
  if (below === undefined) return existsSync(file);
  return existsSync(above) && readdirSync(above).some((it) => existsSync(`${above}${it}${below}`));
}

// One installation at a time: others wait for flock and then find nothing left to do. Meanwhile a policy
// of ours keeps packages from starting daemons, and a setting of ours keeps postgresql from making a
// cluster, unless the machine has such a policy or setting already.
const install = `
set -e
missing=
for pair in "$@"; do
  ls -d \${pair%%=*} > /dev/null 2>&1 || missing="$missing \${pair#*=}"
done
[ -n "$missing" ] || exit 0
if [ ! -e /usr/sbin/policy-rc.d ]; then
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
  chmod 755 /usr/sbin/policy-rc.d
fi
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
  mkdir -p /etc/postgresql-common
  echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
fi
apt-get update
apt-get install -y --no-install-recommends $missing
`;

export default function setup(): void {
  const missing = missingPackages();
  if (missing.length > 0) installPackages(missing);
  if (!isRoot) return;
  if (!hasTestUser()) {
    try {
      makeTestUser();
    } catch (error) {
      // Another run may have made it at the same moment.
      if (!hasTestUser()) throw error;
    }
  }
}

function installPackages(missing: readonly string[]): void {
  const command = `sudo apt-get update && sudo apt-get install -y ${missing.join(' ')}`;
  if (!isRoot) {
    throw new Error(`the tests need ${missing.join(', ')}. Install with: ${command}`);
  }
  console.log(`test set-up: installing ${missing.join(', ')} …`);
  try {
    execFileSync(
      'flock',
      [
        join(tmpdir(), 'ferryline-test-setup.lock'),
        'sh',
        '-c',
        install,
        'sh',
        ...needed.map((pair) => pair.join('=')),
      ],
      {
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
  } catch (error) {
    const { stderr } = error as { stderr?: Buffer };
    throw new Error(
      `the tests need ${missing.join(', ')}, and installing them failed. Install with: ${command}\n${stderr ?? error}`,
    );
  }
  const still = missingPackages();
  if (still.length > 0) {
    throw new Error(`installed, yet still missing: ${still.join(', ')}. Install with: ${command}`);
  }
}

function hasTestUser(): boolean {
  try {
    execFileSync('getent', ['passwd', testUser], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
