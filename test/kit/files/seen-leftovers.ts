/** What a scene's state folder records of other writers' temporary files. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Scene } from '../scene.js';

/** Makes each of them seen 25 h earlier: the clock of the built program can't be set. */
export function aDayLater(scene: Scene): void {
  const folder = join(scene.cwd, '.state/leftovers');
  for (const name of readdirSync(folder)) {
    const file = join(folder, name);
    const kept = JSON.parse(readFileSync(file, 'utf8'));
    for (const seen of Object.values<{ since: number }>(kept.files)) seen.since -= 25 * 3_600_000;
    writeFileSync(file, JSON.stringify(kept));
  }
}
