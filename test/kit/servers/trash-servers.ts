/** Servers that keep an old file in each of the ways there are, for tests of the trash and of `restore`. */
import { openScene, type Scene } from '../scene.js';
import { startInProcess } from './in-process.js';
import { startProftpd } from './proftpd.js';
import { startRclone } from './rclone.js';
import type { RealServer } from './real-server.js';
import { startSshd } from './sshd.js';

async function sshd(...lacks: string[]): Promise<RealServer> {
  const server = await startSshd({ sftpServer: lacks.length === 0 ? [] : ['-P', lacks.join(',')] });
  return { ...server, hostKeyFingerprint: server.hostKeyFingerprint, folder: server.root };
}

export const trashServers: Readonly<Record<string, () => Promise<RealServer>>> = {
  OpenSSH: () => sshd(),
  'OpenSSH without hard links': () => sshd('hardlink'),
  'OpenSSH without hard links and copies': () => sshd('hardlink', 'copy-data'),
  'OpenSSH without posix-rename': () => sshd('posix-rename'),
  'OpenSSH without posix-rename and hard links': () => sshd('posix-rename', 'hardlink'),
  ProFTPD: () => startProftpd(),
  'the in-process server': () => startInProcess(),
  'rclone serve sftp': () => startRclone({ cache: 'writes' }),
};

/** A scene on such a server, whose job has a trash. */
export async function openTrashScene(server: RealServer, job: object): Promise<Scene> {
  const scene = await openScene(server);
  await scene.jobs({ trash: true, delete: { max: '100%' }, ...job });
  return scene;
}
