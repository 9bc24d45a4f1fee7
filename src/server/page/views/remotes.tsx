/** The remotes of jobs.yml; one of them with its jobs and what the last runs there met. */
import { useMemo } from 'preact/hooks';
import { useAll } from '../answers.js';
import { type Column, LongList } from '../long-list.js';
import { JobLink, PauseText, ProblemText } from '../parts.js';
import { route, to } from '../route.js';
import { Search } from '../search.js';
import { countText } from '../times.js';
import type { Pause } from '../types.js';
import { RunTable } from './runs.js';

interface Remote {
  readonly remote: string;
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly maxSessions: number;
  readonly jobs: readonly string[];
  readonly pause?: Pause;
}

const columns: readonly Column<Remote>[] = [
  { name: 'remote', cell: ({ remote }) => <a href={to('remote', remote)}>{remote}</a> },
  { name: 'address', cell: ({ username, host, port }) => `${username}@${host}:${port}` },
  { name: 'jobs', cell: ({ jobs }) => `${countText(jobs.length)} jobs` },
  { name: 'now', cell: ({ pause }) => (pause === undefined ? '' : <PauseText pause={pause} />) },
];

export function Remotes() {
  const { data, problem } = useAll<Remote>('remotes', ['pauses', 'config']);
  const text = (route.value.filter.get('q') ?? '').toLowerCase();
  const found = useMemo(
    () =>
      (data ?? []).filter(({ remote, host }) => `${remote}\n${host}`.toLowerCase().includes(text)),
    [data, text],
  );
  if (data === undefined) return problem ? <ProblemText problem={problem} /> : <p>asking …</p>;
  return (
    <>
      <ProblemText problem={problem} />
      <Search label="Search remotes" found={`${found.length} of ${data.length} remotes`} />
      <LongList
        label="Remotes"
        items={found}
        columns={columns}
        keyOf={({ remote }) => remote}
        widths="minmax(8rem, 1fr) minmax(10rem, 2fr) 6rem minmax(6rem, 2fr)"
      />
    </>
  );
}

/** Jobs of a remote that are named at first. */
const shownJobs = 50;

export function RemoteView() {
  const name = route.value.name ?? '';
  const { data, problem } = useAll<Remote>('remotes', ['pauses', 'config']);
  if (data === undefined) return problem ? <ProblemText problem={problem} /> : <p>asking …</p>;
  const remote = data.find((one) => one.remote === name);
  if (remote === undefined) return <p>There is no remote of this name in jobs.yml.</p>;
  const { username, host, port, maxSessions, jobs, pause } = remote;
  return (
    <>
      <p class="large">
        <code>
          {username}@{host}:{port}
        </code>
        , at most {maxSessions} {maxSessions === 1 ? 'login' : 'logins'} at once
      </p>
      {pause !== undefined && (
        <p class="warn">
          <PauseText pause={pause} />
        </p>
      )}
      <h2>Jobs</h2>
      <p class="counts">
        {jobs.slice(0, shownJobs).map((job) => (
          <JobLink key={job} job={job} />
        ))}
        {jobs.length > shownJobs && <span>and {jobs.length - shownJobs} more</span>}
      </p>
      <h2>Runs</h2>
      <RunTable remote={name} />
    </>
  );
}
