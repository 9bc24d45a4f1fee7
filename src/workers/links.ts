/** What becomes of a link at the source: followed or preserved while it stays inside the root, else passed over. */
import { type Entry, join } from '../core/entry.js';
import type { Endpoint } from '../endpoints/endpoint.js';
import type { SourceEntry } from '../jobs/folder-plan.js';

/** Links in a row that are followed; Linux gives up after 40 too. */
const longestChain = 40;

/**
 * The entry a link stands for. `folder` is the link's own folder, `trail` the folders on the way
 * to it, to which no followed link may lead back.
 */
export async function resolveLink(
  side: Endpoint,
  folder: string,
  link: Entry,
  policy: 'follow' | 'preserve',
  trail: readonly string[],
  signal: AbortSignal,
): Promise<SourceEntry> {
  const target = await side.readlink(join(folder, link.name), signal);
  const inside = within(folder, target);
  if (inside === undefined)
    return { ...link, passed: 'the link leads outside the source, or is absolute' };
  if (policy === 'preserve') return { ...link, target };
  const end = await chase(side, inside, signal);
  if (end === undefined)
    return { ...link, passed: 'the link leads nowhere, or outside the source' };
  if (end.stat.kind === 'folder' && trail.includes(end.path))
    return { ...link, passed: 'the link leads back to a folder it is in' };
  return { ...end.stat, name: link.name, from: end.path };
}

/** Where `target`, seen from `folder`, lies below the root; undefined when that is not below it. */
export function within(folder: string, target: string): string | undefined {
  if (target.startsWith('/') || target.includes('\0')) return undefined;
  const at = folder === '' ? [] : folder.split('/');
  for (const segment of target.split('/')) {
    if (segment === '' || segment === '.') continue;
    if (segment !== '..') at.push(segment);
    else if (at.pop() === undefined) return undefined;
  }
  return at.join('/');
}

/** Follows a path through all links in it, never leaving the root. */
async function chase(side: Endpoint, path: string, signal: AbortSignal) {
  let rest = path === '' ? [] : path.split('/');
  let at = '';
  for (let links = 0; ; ) {
    const stat = await side.stat(at, signal);
    if (stat === undefined) return undefined;
    if (stat.kind === 'link') {
      if (++links > longestChain) return undefined;
      const slash = at.lastIndexOf('/');
      const folder = slash < 0 ? '' : at.slice(0, slash);
      const inside = within(folder, await side.readlink(at, signal));
      if (inside === undefined) return undefined;
      rest = [...(inside === '' ? [] : inside.split('/')), ...rest];
      at = '';
      continue;
    }
    const next = rest.shift();
    if (next === undefined) return { path: at, stat };
    at = join(at, next);
  }
}
