/**
 * Handles a source file once its copy is proven equal: keeps it, deletes it, or moves it to an
 * archive. Failures of other files do not matter; a file that has changed since is left alone.
 */
import { join, nameOf, parentOf, type Stat } from '../../../core/entry.js';
import { FerryError } from '../../../core/errors.js';
import type { Job } from '../../../core/job.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import type { Side } from '../../../endpoints/side.js';
import type { CopyContext } from '../copy/copy-context.js';
import { copyFile } from '../copy/copy-file.js';
import { makeFolders } from './trash.js';

export type AfterAction = (
  path: string,
  from: string,
  source: Pick<Stat, 'size' | 'mtime'>,
) => Promise<void>;

/** Names tried if the name is taken in the archive (`.1`, `.2` …) before the file fails. */
const namesTried = 1000;

/** Returns undefined if the job keeps its source files. `archive` is the opened side of the job's archive, if it has one. */
export function createAfter(
  job: Job,
  source: Side,
  context: CopyContext,
  archive?: Endpoint,
): AfterAction | undefined {
  const { after } = job;
  if (after.kind === 'keep') return undefined;
  const { signal } = context;
  const side = source.endpoint;
  const made = new Map<string, Promise<void>>();

  const unchanged = async (from: string, seen: Pick<Stat, 'size' | 'mtime'>): Promise<boolean> => {
    const now = await side.stat(from, signal);
    return now?.kind === 'file' && now.size === seen.size && now.mtime === seen.mtime;
  };

  return async (path, from, seen) => {
    if (!(await unchanged(from, seen)))
      throw new FerryError('changed', 'it changed after it was copied, so it stays in the source', {
        path: from,
        hint: 'the next run copies it again',
      });
    if (after.kind === 'delete') await side.remove(from, signal);
    else if (archive !== undefined) await move(from, path);
  };

  async function move(from: string, path: string): Promise<void> {
    const to = archive as Endpoint;
    await makeFolders(to, parentOf(path), made, signal);
    const whole = source.elsewhere('/', side.label);
    const sameSide = job.from.remote?.name === (job.after as { to: Job['to'] }).to.remote?.name;
    for (let n = 0; n < namesTried; n++) {
      const name = n === 0 ? path : join(parentOf(path), `${nameOf(path)}.${n}`);
      if ((await to.stat(name, signal)) !== undefined) continue;
      if (sameSide) {
        try {
          await whole.rename(absolute(side, from), absolute(to, name), false, signal);
          return;
        } catch (error) {
          const code = error instanceof FerryError ? error.code : undefined;
          if (code === 'EEXIST') continue;
          if (code !== 'EXDEV' && code !== 'EFAILURE') throw error;
        }
      }
      await copyOver(from, name, to);
      return;
    }
    throw new FerryError('io', `the archive already has ${namesTried} files of this name`, {
      path: from,
      hint: 'move older files out of the archive',
    });
  }

  /** Moves a file to another device or server: copies it, verifies the copy, then removes it. */
  async function copyOver(from: string, name: string, to: Endpoint): Promise<void> {
    const stat = await side.stat(from, signal);
    if (stat === undefined) return;
    await copyFile(
      { path: name, from, source: stat, destination: undefined },
      {
        ...context,
        destination: to,
        rules: { ...context.rules, verify: 'checksum' },
        onBytes: () => {},
        leftovers: new Map(),
        doubts: undefined,
      },
    );
    if (!(await unchanged(from, stat)))
      throw new FerryError(
        'changed',
        'it changed while it was archived, so it stays in the source',
        {
          path: from,
        },
      );
    await side.remove(from, signal);
  }
}

/** An entry's path below `/`. */
function absolute(side: Endpoint, path: string): string {
  return join(side.root.slice(1), path).replace(/\/$/, '');
}
