/** Runs, newest first, by what somebody looks for. */
import { useLong, useSettled } from '../answers.js';
import { Choice } from '../choice.js';
import { type Column, LongList } from '../long-list.js';
import { JobLink, OutcomeMark, ProblemText, RunLink } from '../parts.js';
import { ProgressBar } from '../progress-bar.js';
import { route, setFilter } from '../route.js';
import { Search } from '../search.js';
import { bytesText, countText, secondsText, Time } from '../times.js';
import type { Run } from '../types.js';

const columns: readonly Column<Run>[] = [
  { name: 'run', cell: ({ run }) => <RunLink run={run} /> },
  { name: 'job', cell: ({ job }) => <JobLink job={job} /> },
  { name: 'outcome', cell: (run) => <State run={run} /> },
  { name: 'began', cell: ({ startedAt, slot, job }) => <Time at={startedAt ?? slot} job={job} /> },
  { name: 'took', cell: ({ seconds }) => (seconds === undefined ? '' : secondsText(seconds)) },
  {
    name: 'files',
    cell: ({ files }) => (files === undefined ? '' : `${countText(files.copied)} files`),
  },
  { name: 'bytes', cell: ({ bytes }) => (bytes === undefined ? '' : bytesText(bytes)) },
  {
    name: 'trigger',
    cell: ({ trigger, by }) => (by === undefined ? trigger : `${trigger} by ${by}`),
  },
  { name: 'worker', cell: ({ worker }) => worker ?? '' },
];

/** How it ended, or what it does. */
function State({ run }: { readonly run: Run }) {
  if (run.outcome !== undefined && run.state === 'ended')
    return <OutcomeMark outcome={run.outcome} />;
  if (run.state === 'active') return <ProgressBar run={run.run} first={run.progress} />;
  return (
    <span class="ago">
      waits{run.waitsFor !== undefined && ` for ${run.waitsFor.replace('-', ' ')}`}
      {run.opensAt !== undefined && (
        <>
          {' '}
          until <Time at={run.opensAt} job={run.job} />
        </>
      )}
    </span>
  );
}

interface RunTableProps {
  /** Only runs of this job. */
  readonly job?: string;
  /** Only runs of jobs with a side on this remote. */
  readonly remote?: string;
}

/** The runs that the filters of the address let through. */
export function RunTable({ job, remote }: RunTableProps) {
  const given = route.value.filter;
  const query = new URLSearchParams();
  const text = useSettled(given.get('q') ?? '');
  for (const key of [
    'outcome',
    'trigger',
    'kind',
    'worker',
    'remote',
    'since',
    'until',
    'q',
    'job',
  ]) {
    const own = key === 'job' ? job : key === 'remote' ? remote : undefined;
    const value = own ?? (key === 'q' ? text : given.get(key));
    if (value) query.set(key, value);
  }
  const { data, problem, hasMore, more } = useLong<Run>(`runs?${query}`, ['runs']);
  return (
    <>
      <Filters hasJob={job === undefined} count={data?.length} hasMore={hasMore} />
      <ProblemText problem={problem} />
      {data === undefined && problem === undefined && <p>asking …</p>}
      {data !== undefined && (
        <LongList
          label="Runs"
          items={data}
          columns={columns}
          keyOf={({ run, job: name }) => `${run} ${name}`}
          widths="13rem minmax(7rem, 1fr) minmax(8rem, 1.3fr) 9rem 6.5rem 6rem 5rem minmax(6rem, 0.7fr) minmax(5rem, 0.7fr)"
          more={hasMore ? more : undefined}
        />
      )}
    </>
  );
}

interface FiltersProps {
  readonly hasJob: boolean;
  readonly count: number | undefined;
  readonly hasMore: boolean;
}

function Filters({ hasJob, count, hasMore }: FiltersProps) {
  const { filter } = route.value;
  const found =
    count === undefined ? undefined : `${countText(count)}${hasMore ? ' or more' : ''} runs`;
  return (
    <div class="filters">
      <Search label="Search runs" {...(found !== undefined && { found })} />
      {hasJob && (
        <label>
          job{' '}
          <input
            value={filter.get('job') ?? ''}
            onChange={(event) => setFilter('job', event.currentTarget.value.trim())}
          />
        </label>
      )}
      <Choice name="outcome" of={['succeeded', 'incomplete', 'failed', 'refused', 'cancelled']} />
      <Choice name="trigger" of={['schedule', 'watch', 'manual', 'catch-up', 'rescan']} />
      <Since />
    </div>
  );
}

const hour = 3600_000;
const spans: readonly (readonly [name: string, ms: number])[] = [
  ['the last hour', hour],
  ['the last 24 hours', 24 * hour],
  ['the last 7 days', 7 * 24 * hour],
  ['the last 30 days', 30 * 24 * hour],
];

function Since() {
  const since = route.value.filter.get('since');
  return (
    <label>
      since{' '}
      <select
        value={since === null ? '' : 'given'}
        onChange={(event) => {
          const ms = Number(event.currentTarget.value);
          setFilter('since', ms > 0 ? new Date(Date.now() - ms).toISOString() : '');
        }}
      >
        <option value="">ever</option>
        {since !== null && (
          <option value="given">{since.slice(0, 16).replace('T', ' ')} UTC</option>
        )}
        {spans.map(([name, ms]) => (
          <option key={ms} value={ms}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

export function Runs() {
  return <RunTable />;
}
