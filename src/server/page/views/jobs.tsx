/** All jobs: what each does, how its last runs ended, when it runs next. */
import { useMemo } from 'preact/hooks';
import { useAll } from '../answers.js';
import { type Column, LongList } from '../long-list.js';
import { JobLink, Marks, ProblemText } from '../parts.js';
import { route } from '../route.js';
import { Search } from '../search.js';
import { countText, Time } from '../times.js';
import type { Job } from '../types.js';

const columns: readonly Column<Job>[] = [
  { name: 'job', cell: ({ job }) => <JobLink job={job} /> },
  {
    name: 'does',
    cell: ({ operation, from, to }) => `${operation} ${from.join(', ')} → ${to.join(', ')}`,
  },
  { name: 'last runs', cell: ({ recent }) => <Marks recent={recent} /> },
  { name: 'now', cell: stateOf },
  { name: 'next', cell: ({ nextSlot, job }) => <Time at={nextSlot} job={job} /> },
];

function stateOf({ active, paused, waiting, watch }: Job): string {
  if (active.length > 0) return 'running';
  if (paused) return '⏸ paused';
  if (waiting > 0) return 'waiting';
  return watch ?? '';
}

export function Jobs() {
  const { data, problem } = useAll<Job>('jobs', ['runs', 'pauses', 'config']);
  const text = (route.value.filter.get('q') ?? '').toLowerCase();
  const found = useMemo(
    () =>
      (data ?? []).filter(({ job, description = '', from, to }) =>
        `${job}\n${description}\n${from}\n${to}`.toLowerCase().includes(text),
      ),
    [data, text],
  );
  if (data === undefined) return problem ? <ProblemText problem={problem} /> : <p>asking …</p>;
  return (
    <>
      <ProblemText problem={problem} />
      <Search
        label="Search jobs"
        found={`${countText(found.length)} of ${countText(data.length)} jobs`}
      />
      <LongList
        label="Jobs"
        items={found}
        columns={columns}
        keyOf={({ job }) => job}
        widths="minmax(8rem, 1.2fr) minmax(10rem, 2fr) minmax(6rem, 15rem) 6rem 9rem"
      />
    </>
  );
}
