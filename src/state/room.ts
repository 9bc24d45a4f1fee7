/** Whether the disk of the state folder has room for what is kept there: the queue, reports, logs. */
import { statfs } from 'node:fs/promises';
import { formatBytes } from '../core/text.js';

/** With less than this, an embedded queue refuses requests at any moment. */
const leastBytes = 4 * 1024 * 1024;

/** What is wrong and what to do, for people; undefined while there is room, and where the system does not say. */
export async function warningOfNoRoom(state: string): Promise<string | undefined> {
  const disk = await statfs(state).catch(() => undefined);
  if (disk === undefined || disk.blocks === 0) return undefined;
  const free = disk.bavail * disk.bsize;
  if (free >= leastBytes) return undefined;
  return `the disk of the state folder ${state} is full (${formatBytes(free)} free): reports and logs can't be saved, and an embedded queue refuses requests; free some space, and it goes on by itself`;
}
