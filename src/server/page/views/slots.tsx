/** Slots that made no run: of which job, when, why, and which run made up for them. */
import { useLong } from '../answers.js';
import { type Column, LongList } from '../long-list.js';
import { JobLink, ProblemText } from '../parts.js';
import { route, setFilter } from '../route.js';
import { countText, Time } from '../times.js';

interface Slot {
  readonly job: string;
  readonly slot: string;
  readonly from?: string;
  readonly count?: number;
  readonly why: string;
}

const columns: readonly Column<Slot>[] = [
  {
    name: 'slot',
    cell: ({ slot, from, job }) => (
      <>
        {from !== undefined && (
          <>
            <Time at={from} job={job} /> –{' '}
          </>
        )}
        <Time at={slot} job={job} />
      </>
    ),
  },
  { name: 'job', cell: ({ job }) => <JobLink job={job} /> },
  {
    name: 'slots',
    cell: ({ count = 1 }) => `${countText(count)} ${count === 1 ? 'slot' : 'slots'}`,
  },
  { name: 'why', cell: ({ why }) => <span title={why}>{why}</span> },
];

export function Slots() {
  const job = route.value.filter.get('job') ?? '';
  const query = job === '' ? '' : `?job=${encodeURIComponent(job)}`;
  const { data, problem, hasMore, more } = useLong<Slot>(`slots${query}`, ['runs', 'queue']);
  return (
    <>
      <div class="filters">
        <label>
          job{' '}
          <input
            value={job}
            onChange={(event) => setFilter('job', event.currentTarget.value.trim())}
          />
        </label>
      </div>
      <ProblemText problem={problem} />
      {data === undefined && problem === undefined && <p>asking …</p>}
      {data?.length === 0 && <p class="good">✓ Every slot that is known made its run.</p>}
      {data !== undefined && data.length > 0 && (
        <LongList
          label="Slots that did not run"
          items={data}
          columns={columns}
          keyOf={({ job: name, slot }) => `${name} ${slot}`}
          widths="minmax(9rem, 1fr) minmax(7rem, 1fr) 6rem minmax(10rem, 3fr)"
          more={hasMore ? more : undefined}
        />
      )}
    </>
  );
}
