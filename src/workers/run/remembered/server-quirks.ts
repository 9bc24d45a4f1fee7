/** Quirks that runs have seen of servers (endpoints/sftp/quirks.ts), kept in the state folder beside the other facts. */
import type { Remote } from '../../../core/remote.js';
import type { SessionPool } from '../../../endpoints/sftp/pool.js';
import type { Sightings } from '../../../endpoints/sftp/quirks.js';
import { serverQuirksFile } from '../../../state/layout.js';
import { readSmall } from '../../../state/read-small.js';
import { writeWhole } from '../../../state/write-whole.js';

/** Recalls the quirks of these remotes' servers; `say` receives a sentence about each that is expected. Returns a function that keeps what was seen since. */
export function recallQuirks(
  state: string,
  remotes: readonly Remote[],
  pool: SessionPool,
  say: (text: string) => void,
): () => Promise<void> {
  for (const remote of remotes) {
    const known = readSightings(serverQuirksFile(state, remote));
    for (const text of pool.quirks(remote).recall(known)) say(`${remote.name}: the server ${text}`);
  }
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
function readSightings(file: string): Sightings {
  try {
    const found: unknown = JSON.parse(readSmall(file));
    return typeof found === 'object' && found !== null ? found : {};
  } catch {
    return {};
  }
}
