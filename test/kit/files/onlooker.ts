/** An onlooker reads the final names again and again during a run: they may only have whole old or whole new bytes. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';

/** The allowed contents of each path; undefined means that it may be missing. */
export type Allowed = Readonly<Record<string, readonly (Buffer | string | undefined)[]>>;

export interface Onlooker {
  /** Stops. Resolves to the contents that were not allowed, and to how often all paths were read. */
  stop(): Promise<{ readonly wrong: readonly string[]; readonly looks: number }>;
}

export function lookOn(folder: string, allowed: Allowed): Onlooker {
  const paths = Object.entries(allowed).map(([path, contents]) => ({
    path,
    may: new Set(contents.map((bytes) => (bytes === undefined ? 'nothing' : digest(bytes)))),
  }));
  const wrong: string[] = [];
  let looks = 0;
  let stopped = false;
  const looking = (async () => {
    for (let over = false; !over; ) {
      over = stopped;
      for (const { path, may } of paths) {
        const seen = await look(join(folder, path));
        if (!may.has(seen)) wrong.push(`${path}: ${seen}`);
      }
      looks++;
      await turn();
    }
  })();
  return {
    async stop() {
      stopped = true;
      await looking; // one whole look after the end, too
      return { wrong: [...new Set(wrong)], looks };
    },
  };
}

async function look(file: string): Promise<string> {
  try {
    return digest(await readFile(file));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return 'nothing';
    throw error;
  }
}

function digest(bytes: Buffer | string): string {
  return `${bytes.length} bytes, ${createHash('sha256').update(bytes).digest('hex').slice(0, 12)}`;
}
