/** The search field of a view. What is typed is in the address. */
import { route, setFilter } from './route.js';

interface SearchProps {
  readonly label: string;
  /** How much was found, in words. */
  readonly found?: string;
}

export function Search({ label, found }: SearchProps) {
  return (
    <div class="filters">
      <label>
        {label}{' '}
        <input
          type="search"
          value={route.value.filter.get('q') ?? ''}
          aria-keyshortcuts="/"
          onInput={(event) => setFilter('q', event.currentTarget.value)}
        />
      </label>
      {found !== undefined && <span role="status">{found}</span>}
    </div>
  );
}
