/** Who did what, newest first. */
import { useLong, useSettled } from '../answers.js';
import { Choice } from '../choice.js';
import { type Column, LongList } from '../long-list.js';
import { ProblemText, RunLink } from '../parts.js';
import { route } from '../route.js';
import { Search } from '../search.js';
import { countText, Time } from '../times.js';

interface AuditLine {
  readonly time: string;
  readonly by: string;
  readonly via: string;
  readonly address?: string;
  readonly action: string;
  readonly target?: string;
  readonly result: string;
  readonly run?: string;
  readonly more?: number;
}

const columns: readonly Column<AuditLine>[] = [
  { name: 'time', cell: ({ time }) => <Time at={time} /> },
  { name: 'by', cell: ({ by }) => by },
  { name: 'via', cell: ({ via, address }) => (address === undefined ? via : `${via} ${address}`) },
  {
    name: 'action',
    cell: ({ action, more }) => (more === undefined ? action : `${action}, and ${more} more`),
  },
  { name: 'target', cell: ({ target = '' }) => <span title={target}>{target}</span> },
  { name: 'result', cell: ({ result }) => <span class={resultClass(result)}>{result}</span> },
  { name: 'run', cell: ({ run }) => (run === undefined ? '' : <RunLink run={run} />) },
];

function resultClass(result: string): string {
  return result === 'done' || result === 'joined' || result === 'asked' ? '' : 'bad';
}

export function Audit() {
  const { filter } = route.value;
  const text = useSettled(filter.get('q') ?? '');
  const query = new URLSearchParams();
  if (text !== '') query.set('q', text);
  for (const key of ['by', 'action', 'target', 'result', 'since', 'until']) {
    const value = filter.get(key);
    if (value) query.set(key, value);
  }
  const { data, problem, hasMore, more } = useLong<AuditLine>(`audit?${query}`, ['runs', 'pauses']);
  const count = `${countText(data?.length ?? 0)}${hasMore ? ' or more' : ''} lines`;
  return (
    <>
      <div class="filters">
        <Search label="Search the audit" found={count} />
        <Choice name="action" of={['run', 'rerun', 'cancel', 'pause', 'resume', 'login']} />
      </div>
      <ProblemText problem={problem} />
      {data === undefined && problem === undefined && <p>asking …</p>}
      {data !== undefined && (
        <LongList
          label="Audit"
          items={data}
          columns={columns}
          keyOf={(line) =>
            `${line.time} ${line.action} ${line.target} ${line.result} ${line.address}`
          }
          widths="9rem minmax(4rem, 1fr) minmax(6rem, 1fr) minmax(5rem, 1fr) minmax(8rem, 2fr) 6rem 13rem"
          more={hasMore ? more : undefined}
        />
      )}
    </>
  );
}
