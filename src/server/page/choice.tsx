/** A filter with a few values, which is kept in the address. */
import { route, setFilter } from './route.js';

interface ChoiceProps {
  /** Its name in the address. */
  readonly name: string;
  readonly of: readonly string[];
}

export function Choice({ name, of }: ChoiceProps) {
  return (
    <label>
      {name}{' '}
      <select
        value={route.value.filter.get(name) ?? ''}
        onChange={(event) => setFilter(name, event.currentTarget.value)}
      >
        <option value="">any</option>
        {of.map((one) => (
          <option key={one} value={one}>
            {one}
          </option>
        ))}
      </select>
    </label>
  );
}
