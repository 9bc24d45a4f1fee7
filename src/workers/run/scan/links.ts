/** Decides what happens to a link at the source: it is followed or preserved if it stays inside the root, otherwise skipped. */
import { type Entry, join, parentOf, type Stat } from '../../../core/entry.js';
import type { Endpoint } from '../../../endpoints/endpoint.js';
import type { SourceEntry } from '../../../jobs/plan/folder-types.js';

/** Links followed in a row; a longer chain counts as leading nowhere. Linux has the same limit. */
const linksInARow = 40;

/**
 * The entry a link resolves to. `folder` is the link's own folder; `trail` holds the folders above
 * it, to which no followed link may lead back.
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
  const outside = { ...link, skipReason: 'the link leads outside the source, or is absolute' };
  if (inside === undefined) return outside;
  if (policy === 'preserve')
    return (await leadsOut(side, folder, target, signal)) ? outside : { ...link, target };
  const end = await chase(side, folder, target, signal);
  if (end === undefined)
    return { ...link, skipReason: 'the link leads nowhere, or outside the source' };
  if (end.stat.kind === 'folder' && trail.includes(end.path))
    return { ...link, skipReason: 'the link leads back to a folder it is in' };
  return { ...end.stat, name: link.name, from: end.path };
}

/** The path below the root of `target`, relative to `folder`; undefined if it leads out of the root. */
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

/** Follows a link's target, relative to `folder`, through all links in it; undefined if it leads out of the root or nowhere. */
export async function chase(side: Endpoint, folder: string, target: string, signal: AbortSignal) {
  const end = await walkTo(side, folder, target, signal);
  return typeof end === 'string' ? undefined : end;
}

/** Whether a link's target, relative to `folder`, leads out of the root through the links in it, whatever its text says. */
export async function leadsOut(
  side: Endpoint,
  folder: string,
  target: string,
  signal: AbortSignal,
): Promise<boolean> {
  return (await walkTo(side, folder, target, signal)) === 'outside';
}

/** Where a target ends; or that it leads out of the root, or nowhere. */
async function walkTo(
  side: Endpoint,
  folder: string,
  target: string,
  signal: AbortSignal,
): Promise<{ readonly path: string; readonly stat: Stat } | 'outside' | 'nowhere'> {
  const rest = target.split('/');
  let at = folder;
  let stat = await side.stat(at, signal);
  for (let links = 0; stat !== undefined; ) {
    const next = rest.shift();
    if (next === undefined) return { path: at, stat };
    if (next === '' || next === '.') continue;
    if (stat.kind !== 'folder') return 'nowhere';
    if (next === '..' && at === '') return 'outside';
    const candidate = next === '..' ? parentOf(at) : join(at, next);
    stat = await side.stat(candidate, signal);
    if (stat?.kind !== 'link') {
      at = candidate;
      continue;
    }
    const onward = await side.readlink(candidate, signal);
    if (onward.startsWith('/') || onward.includes('\0')) return 'outside';
    if (++links > linksInARow) return 'nowhere';
    rest.unshift(...onward.split('/'));
    stat = await side.stat(at, signal);
  }
  // what does not exist yet may be made later
  return within(at, rest.join('/')) === undefined ? 'outside' : 'nowhere';
}
