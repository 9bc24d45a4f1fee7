/** Quirks that runs have seen of servers (endpoints/sftp/quirks.ts), kept in the state folder beside the other facts. */
import { readFile } from 'node:fs/promises';
import type { Remote } from '../../../core/remote.js';
import type { SessionPool } from '../../../endpoints/sftp/pool.js';
import type { Sightings } from '../../../endpoints/sftp/quirks.js';
import { serverQuirksFile } from '../../../state/layout.js';
import { writeWhole } from '../../../state/write-whole.js';

/** Recalls the quirks of these remotes' servers; `say` receives a sentence about each that is expected. Returns a function that keeps what was seen since. */
export async function recallQuirks(
  state: string,
  remotes: readonly Remote[],
  pool: SessionPool,
  say: (text: string) => void,
): Promise<() => Promise<void>> {
  const recalled = remotes.map(async (remote) => {
    const known = await readSightings(serverQuirksFile(state, remote));
    for (const text of pool.quirks(remote).recall(known)) say(`${remote.name}: the server ${text}`);
  });
  await Promise.all(recalled);
  return async () => {
    for (const remote of remotes) {
      const seen = pool.quirks(remote).takeNew();
      if (seen === undefined) continue;
      // if the state folder can't be written, the next run sees them again
      const text = `${JSON.stringify(seen)}\n`;
      await writeWhole(serverQuirksFile(state, remote), text).catch(() => {});
    }
  };
}

/** None if the file is missing or damaged. */
async function readSightings(file: string): Promise<Sightings> {
  try {
    const found: unknown = JSON.parse(await readFile(file, 'utf8'));
    return typeof found === 'object' && found !== null ? found : {};
  } catch {
    return {};
  }
}
