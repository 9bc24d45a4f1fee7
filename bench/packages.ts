/** What the benchmark needs of the system, and the peers' versions. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

/** A file that stands for a package of Debian. */
const needed: readonly (readonly [file: string, packageName: string])[] = [
  ['/usr/sbin/sshd', 'openssh-server'],
  ['/usr/lib/openssh/sftp-server', 'openssh-sftp-server'],
  ['/usr/bin/sftp', 'openssh-client'],
  ['/usr/bin/rsync', 'rsync'],
  ['/usr/bin/rclone', 'rclone'],
  ['/usr/bin/lftp', 'lftp'],
  ['/usr/bin/time', 'time'],
  ['/usr/bin/lsyncd', 'lsyncd'],
  ['/usr/bin/redis-server', 'redis-server'],
  ['/usr/bin/redis-cli', 'redis-tools'],
  ['/usr/lib/postgresql', 'postgresql'],
  ['/usr/bin/psql', 'postgresql-client'],
  ['/usr/bin/faketime', 'faketime'],
];

// No package may start a daemon meanwhile, unless the machine has a policy of its own.
const install = `
set -e
if [ ! -e /usr/sbin/policy-rc.d ]; then
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
  chmod 755 /usr/sbin/policy-rc.d
fi
apt-get update
apt-get install -y --no-install-recommends "$@"
`;

/** Installs what is missing when root; otherwise throws with the command to type. */
export function installMissing(): void {
  const missing = needed.filter(([file]) => !existsSync(file)).map(([, name]) => name);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0) {
    throw new Error(
      `the benchmark needs ${missing.join(', ')}. Install with: sudo apt-get install ${missing.join(' ')}`,
    );
  }
  console.error(`installing ${missing.join(', ')} …`);
  execFileSync('sh', ['-c', install, 'install', ...missing], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
}

/** The machine and all versions that matter, as one line. */
export function machineFacts(): string {
  const processors = cpus();
  return [
    `${processors.length} × ${processors[0]?.model.trim() ?? 'unknown processor'}`,
    `${Math.round(totalmem() / 2 ** 30)} GiB`,
    `Linux ${release()}`,
    `Node ${process.versions.node}`,
    ...Object.keys(asked).map((program) => `${program} ${versionOf(program)}`),
  ].join(' · ');
}

/** How each program of the peers is asked for its version, and where that is in the first line of the answer. */
const asked: Readonly<Record<string, readonly [program: string, flag: string, at: RegExp]>> = {
  OpenSSH: ['ssh', '-V', /^OpenSSH_([^ ,]+)/],
  rsync: ['rsync', '--version', /version +(\S+)/],
  rclone: ['rclone', 'version', /v(\S+)/],
  lftp: ['lftp', '--version', /Version (\S+)/],
};

/** The version of one of the peers' programs; ssh says it on stderr. */
export function versionOf(name: string): string {
  const [program = name, flag = '--version', at = /(.*)/] = asked[name] ?? [];
  const { stdout, stderr } = spawnSync(program, [flag], { encoding: 'utf8' });
  return at.exec(`${stdout}${stderr}`.split('\n')[0] ?? '')?.[1] ?? 'of unknown version';
}
