/** The endpoint suite over SFTP: our in-process server, OpenSSH as it is and stripped, ProFTPD, rclone. */

import { startHostileServer } from '../../kit/servers/hostile-server.js';
import { startInProcess } from '../../kit/servers/in-process.js';
import { startProftpd } from '../../kit/servers/proftpd.js';
import { startRclone } from '../../kit/servers/rclone.js';
import type { RealServer } from '../../kit/servers/real-server.js';
import { connect } from '../../kit/servers/remote.js';
import { startSshd } from '../../kit/servers/sshd.js';
import { endpointSuite, outsideOf } from '../../suites/endpoint-suite.js';
import type { Lack, Opened } from '../../suites/endpoint-under-test.js';

async function open(server: RealServer): Promise<Opened> {
  const { endpoint, close } = await connect(server);
  return {
    endpoint,
    outside: outsideOf(server.folder),
    async close() {
      await close();
      await server.stop();
    },
  };
}

async function sshd(options: Parameters<typeof startSshd>[0]): Promise<RealServer> {
  const server = await startSshd(options);
  return { ...server, hostKeyFingerprint: server.hostKeyFingerprint, folder: server.root };
}

/** SFTP v3 can't ask a server not to follow a link when it opens a file. */
const version3: readonly Lack[] = ['read-refuses-links'];

/** rclone 1.60. */
const rclone: readonly Lack[] = [
  'update',
  'update-needs-file',
  'links',
  'modes',
  'exclusive-create',
  'rename-refuses',
  'mkdir-refuses',
  'hard-links',
  'remove-looks',
  'odd-names',
];

const servers: readonly (readonly [string, () => Promise<RealServer>, readonly Lack[]])[] = [
  ['in-process ssh2 server', () => startInProcess(), version3],
  ['a server without any extension', () => startHostileServer({ extensions: {} }), version3],
  ['OpenSSH', () => sshd({}), version3],
  ['OpenSSH, in-process sftp', () => sshd({ internal: true }), version3],
  [
    'OpenSSH without posix-rename, fsync, limits',
    () => sshd({ sftpServer: ['-P', 'posix-rename,fsync,limits'] }),
    version3,
  ],
  ['ProFTPD mod_sftp', () => startProftpd(), [...version3, 'lstat', 'link-text']],
  ['rclone serve sftp', () => startRclone(), [...rclone, 'offset-writes']],
  ['rclone serve sftp, with a cache', () => startRclone({ cache: 'writes' }), rclone],
];

for (const [name, start, lacks] of servers)
  endpointSuite(name, async () => open(await start()), lacks);
