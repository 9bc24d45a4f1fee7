/**
 * A table of thousands of rows, of which only those that are seen are drawn. Assistive technology hears how
 * many there are, and which row it is at. All rows are of one height, which the style has as `--row`.
 */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

export interface Column<T> {
  readonly name: string;
  readonly cell: (item: T) => ComponentChildren;
}

interface LongListProps<T> {
  /** What the table is of, for those who don't see it. */
  readonly label: string;
  readonly items: readonly T[];
  readonly columns: readonly Column<T>[];
  readonly keyOf: (item: T) => string;
  /** The widths of the columns, as CSS has them. */
  readonly widths: string;
  /** The list goes on: called when its end comes near. */
  readonly more?: (() => void) | undefined;
}

/** Rows that are drawn beyond those that are seen. */
const beyond = 10;

export function LongList<T>(props: LongListProps<T>) {
  const { label, items, columns, keyOf, widths, more } = props;
  const body = useRef<HTMLDivElement>(null);
  const { from, to } = useSeen(body, items.length);
  const isNearEnd = to >= items.length;
  useEffect(() => {
    if (isNearEnd) more?.();
  });
  const count = more === undefined ? items.length + 1 : -1;
  return (
    <div
      role="table"
      class="long"
      aria-label={label}
      aria-rowcount={count}
      style={{ '--cols': widths }}
    >
      <div role="rowgroup">
        <div role="row" class="head" aria-rowindex={1}>
          {columns.map(({ name }) => (
            <span role="columnheader" key={name}>
              {name}
            </span>
          ))}
        </div>
      </div>
      <div
        role="rowgroup"
        class="rows"
        ref={body}
        style={{ height: `calc(var(--row) * ${items.length})` }}
      >
        {items.slice(from, to).map((item, at) => (
          <div
            role="row"
            key={keyOf(item)}
            aria-rowindex={from + at + 2}
            style={{ top: `calc(var(--row) * ${from + at})` }}
          >
            {columns.map(({ name, cell }) => (
              <span role="cell" key={name} data-name={name}>
                {cell(item)}
              </span>
            ))}
          </div>
        ))}
      </div>
      {items.length === 0 && <p>none</p>}
    </div>
  );
}

/** Which rows are seen, as far as the window is scrolled. */
function useSeen(body: { readonly current: HTMLElement | null }, length: number) {
  const [seen, setSeen] = useState({ from: 0, to: 40 });
  useEffect(() => {
    const look = () => {
      const box = body.current?.getBoundingClientRect();
      if (box === undefined || length === 0) return;
      const row = box.height / length;
      const from = Math.max(0, Math.floor(-box.top / row) - beyond);
      const to = Math.min(length, Math.ceil((innerHeight - box.top) / row) + beyond);
      setSeen((before) => (before.from === from && before.to === to ? before : { from, to }));
    };
    look();
    addEventListener('scroll', look, { passive: true });
    addEventListener('resize', look);
    return () => {
      removeEventListener('scroll', look);
      removeEventListener('resize', look);
    };
  }, [length, body]);
  return seen;
}
