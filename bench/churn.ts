/** A destination that lags a little behind its source: some files changed, some new, some gone. */
import { rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** One file of this many; of a work of 100,000 files: 500 changed, 100 new, 100 gone. */
const [changedEach, newEach, goneEach] = [200, 1000, 1000];

/** Makes `to`, equal to the work at `from` with these files, into one that lags behind it. The same each time. */
export function churn(files: readonly string[], from: string, to: string): void {
  const touched = new Set<string>();
  for (const [i, path] of files.entries()) {
    const file = join(to, path);
    // Each a little beside the other, so that no file is changed twice.
    if (i % changedEach === 0) writeFileSync(file, `what it was before, ${path}`);
    else if (i % newEach === 1) rmSync(file);
    else if (i % goneEach === 2) writeFileSync(join(dirname(file), `gone-${i}.bin`), path);
    else continue;
    touched.add(dirname(path));
  }
  // A run leaves some folders with times of its own, which rsync would mend.
  for (const folder of touched) {
    const { atime, mtime } = statSync(join(from, folder));
    utimesSync(join(to, folder), atime, mtime);
  }
}
