/**
 * What happens to a source file once its destination is proven equal: kept, deleted, or moved to
 * an archive. Other files' failures don't hold it up; a file that changed meanwhile is left alone.
 */
import { join, nameOf, parentOf, type Stat } from '../../../core/entry.js';
import { FerryError } from '../../../core/errors.js';
import type { Job } from '../../../core/job.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import type { Side } from '../../../endpoints/open.js';
import type { CopyContext } from '../copy/copy-context.js';
import { copyFile } from '../copy/copy-file.js';
import { makeFolders } from './trash.js';

export type AfterAction = (
  path: string,
  from: string,
  source: Pick<Stat, 'size' | 'mtime'>,
) => Promise<void>;

/** Names tried when one is taken in the archive: `.1`, `.2` … */
const mostNames = 1000;

/** `archive` is the side the archive is on, opened, where the job has one. */
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
      throw new FerryError('changed', 'it changed after it was sent, so it is kept', {
        path: from,
        hint: 'the next run sends it again',
      });
    if (after.kind === 'delete') await side.remove(from, signal);
    else if (archive !== undefined) await move(from, path);
  };

  async function move(from: string, path: string): Promise<void> {
    const to = archive as Endpoint;
    await makeFolders(to, parentOf(path), made, signal);
    const whole = source.elsewhere('/', side.label);
    const sameSide = job.from.remote?.name === (job.after as { to: Job['to'] }).to.remote?.name;
    for (let n = 0; n < mostNames; n++) {
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
    throw new FerryError('io', `the archive has ${mostNames} files of this name`, { path: from });
  }

  /** Onto another device or server: copied, verified, then removed. */
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
      throw new FerryError('changed', 'it changed while it was archived, so it is kept', {
        path: from,
      });
    await side.remove(from, signal);
  }
}

/** An entry's path below `/`. */
function absolute(side: Endpoint, path: string): string {
  return join(side.root.slice(1), path).replace(/\/$/, '');
}
