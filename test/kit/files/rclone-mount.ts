/** A folder of this machine on a file system that ignores case and makes no hard links: one that rclone serves. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { temporaryFolder } from './temporary.js';

/** Mounts it at `folder`, which is made if missing; it is unmounted when the test ends. */
export async function mountRclone(folder: string): Promise<void> {
  const own = await temporaryFolder();
  const real = join(own, 'real');
  for (const path of [real, folder]) mkdirSync(path, { recursive: true });
  execFileSync('rclone', [
    ...['mount', real, folder, '--daemon', '--config', '/dev/null', '--vfs-case-insensitive'],
    ...['--vfs-cache-mode', 'writes', '--vfs-write-back', '0s', '--cache-dir', join(own, 'cache')],
    ...['--dir-cache-time', '0s', '--attr-timeout', '0s'],
  ]);
  onTestFinished(() => {
    execFileSync('fusermount', ['-u', '-z', folder]);
  });
}
