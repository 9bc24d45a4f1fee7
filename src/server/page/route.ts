/** Which view is shown, with which filters: `#/runs?job=nightly`. All of it is in the address, so that it can be sent to others. */
import { signal } from '@preact/signals';

export interface Route {
  readonly view: string;
  /** Of one job, run or remote: its name. */
  readonly name: string | undefined;
  readonly filter: URLSearchParams;
}

export const route = signal(read());

addEventListener('hashchange', () => {
  route.value = read();
});

function read(): Route {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  const [view = '', name] = path.split('/');
  return { view: view || 'now', name: name && decode(name), filter: new URLSearchParams(query) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The address of a view. */
export function to(
  view: string,
  name?: string,
  filter: Record<string, string | undefined> = {},
): string {
  const set = Object.entries(filter).filter(([, value]) => value !== undefined && value !== '');
  const query = new URLSearchParams(set as [string, string][]).toString();
  const path = name === undefined ? view : `${view}/${encodeURIComponent(name)}`;
  return `#/${path}${query === '' ? '' : `?${query}`}`;
}

/** Changes one filter of the view; typing leaves no trail in the history. */
export function setFilter(key: string, value: string): void {
  const { view, name, filter } = route.value;
  const changed = { ...Object.fromEntries(filter), [key]: value };
  history.replaceState(null, '', to(view, name, changed));
  route.value = read();
}
