/** On which file systems the system reports no changes that others make: their folders are polled. */
import { statfs } from 'node:fs/promises';

/** By `f_type` of statfs(2), from linux/magic.h and the sources of each file system. */
const withoutEvents: ReadonlyMap<number, string> = new Map([
  [0x6969, 'nfs'],
  [0xff534d42, 'cifs'],
  [0xfe534d42, 'smb'],
  [0x517b, 'smb'],
  // sshfs, rclone mount, virtiofs, and whatever else a program serves
  [0x65735546, 'fuse'],
  [0x01021997, '9p'],
  [0x00c36400, 'ceph'],
  [0x0bd00bd0, 'lustre'],
  [0x47504653, 'gpfs'],
  [0x19830326, 'beegfs'],
  [0x5346414f, 'afs'],
  [0x6b414653, 'afs'],
  [0x73757245, 'coda'],
  [0x564c, 'ncp'],
  [0x786f4256, 'vboxsf'],
  [0xbacbacbc, 'vmhgfs'],
  [0x7c7c6673, 'prl_fs'],
]);

/** The name of a file system without events; undefined for any other. `type`: as statfs(2) gives it, also as a signed number of 32 bits. */
export function eventlessName(type: number): string | undefined {
  return withoutEvents.get(type >>> 0);
}

/** The name of the file system that a folder is on, if it reports no changes; undefined if it does, or can't be asked. */
export async function eventlessFileSystem(folder: string): Promise<string | undefined> {
  // elsewhere the numbers mean other things
  if (process.platform !== 'linux') return undefined;
  const found = await statfs(folder).catch(() => undefined);
  return found && eventlessName(found.type);
}
