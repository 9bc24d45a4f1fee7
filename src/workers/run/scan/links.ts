/** What becomes of a link at the source: followed or preserved while it stays inside the root, else passed over. */
import { type Entry, join, parentOf } from '../../../core/entry.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import type { SourceEntry } from '../../../jobs/plan/folder-types.js';

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
  const end = await chase(side, folder, target, signal);
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

/** Follows a link's target, seen from `folder`, through all links in it and never out of the root; undefined when that is not possible. */
async function chase(side: Endpoint, folder: string, target: string, signal: AbortSignal) {
  const rest = target.split('/');
  let at = folder;
  let stat = await side.stat(at, signal);
  for (let links = 0; stat !== undefined; ) {
    const next = rest.shift();
    if (next === undefined) return { path: at, stat };
    if (next === '' || next === '.') continue;
    if (stat.kind !== 'folder' || (next === '..' && at === '')) return undefined;
    const above = next === '..' ? parentOf(at) : join(at, next);
    stat = await side.stat(above, signal);
    if (stat?.kind !== 'link') {
      at = above;
      continue;
    }
    const leads = await side.readlink(above, signal);
    if (++links > longestChain || leads.startsWith('/') || leads.includes('\0')) return undefined;
    rest.unshift(...leads.split('/'));
    stat = await side.stat(at, signal);
  }
  return undefined;
}
