/** One job: what it does, what it did, whether it was slower before, and what can be done with it. */
import { useState } from 'preact/hooks';
import { useAnswer } from '../answers.js';
import { Chart } from '../chart.js';
import { Act, Marks, OutcomeMark, PauseText, ProblemText, When } from '../parts.js';
import { route, to } from '../route.js';
import { secondsText } from '../times.js';
import type { Job, JobStats } from '../types.js';
import { RunTable } from './runs.js';

export function JobView() {
  const name = route.value.name ?? '';
  const path = `jobs/${encodeURIComponent(name)}`;
  const job = useAnswer<Job>(path, ['runs', 'pauses', 'config']);
  if (job.data === undefined)
    return job.problem ? <ProblemText problem={job.problem} /> : <p>asking …</p>;
  return (
    <>
      <ProblemText problem={job.problem} />
      <Head job={job.data} />
      <Actions job={job.data} path={path} />
      <Figures job={name} path={path} />
      <h2>Runs</h2>
      <RunTable job={name} />
    </>
  );
}

function Head({ job }: { readonly job: Job }) {
  const {
    operation,
    from,
    to: target,
    description,
    nextSlot,
    recent,
    pause,
    window,
    watch,
    last,
  } = job;
  return (
    <>
      <p class="large">
        {operation} <code>{from.join(', ')}</code> → <code>{target.join(', ')}</code>
      </p>
      {description !== undefined && <p>{description}</p>}
      {pause !== undefined && (
        <p class="warn">
          <PauseText pause={pause} />
        </p>
      )}
      {job.whyDegraded !== undefined && (
        <p class="bad">! the watch is degraded: {job.whyDegraded}</p>
      )}
      <p>
        {nextSlot === undefined ? (
          'no schedule'
        ) : (
          <>
            next <When at={nextSlot} job={job.job} />
          </>
        )}
        {window !== undefined && `, window ${window.hours} (${window.open ? 'open' : 'closed'})`}
        {watch !== undefined && `, ${watch}`}
        {job.active.length > 0 && ', running now'}
        {job.waiting > 0 && `, ${job.waiting} waiting`}
      </p>
      <p>
        <Marks recent={recent} />{' '}
        {last !== undefined && (
          <>
            last: <OutcomeMark outcome={last.outcome} /> <When at={last.endedAt} job={job.job} />
          </>
        )}
      </p>
    </>
  );
}

const pauses: readonly (readonly [name: string, hours: number])[] = [
  ['1 h', 1],
  ['4 h', 4],
  ['24 h', 24],
  ['until somebody resumes', 0],
];

function Actions({ job, path }: { readonly job: Job; readonly path: string }) {
  const [hours, setHours] = useState(1);
  const [reason, setReason] = useState('');
  const until = hours > 0 ? { until: new Date(Date.now() + hours * 3600_000).toISOString() } : {};
  const isOwnPause = job.pause?.scope === 'job';
  const open = (answer: unknown) => {
    location.hash = to('run', (answer as { run: string }).run);
  };
  return (
    <div class="actions">
      <Act
        name="Run"
        of={job.job}
        path={`${path}/run`}
        isOnce
        onDone={open}
        whyNot={job.paused ? 'it is paused' : undefined}
      />
      <Act name="Dry run" of={job.job} path={`${path}/dry-run`} isOnce onDone={open} />
      {isOwnPause ? (
        <Act name="Resume" of={job.job} path={`${path}/resume`} />
      ) : (
        <span class="group">
          <Act
            name="Pause"
            of={job.job}
            path={`${path}/pause`}
            body={{ ...until, ...(reason !== '' && { reason }) }}
          />
          <label>
            for{' '}
            <select value={hours} onChange={(event) => setHours(Number(event.currentTarget.value))}>
              {pauses.map(([name, value]) => (
                <option key={value} value={value}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          <label>
            reason{' '}
            <input
              value={reason}
              maxLength={500}
              onInput={(event) => setReason(event.currentTarget.value)}
            />
          </label>
        </span>
      )}
    </div>
  );
}

function Figures({ job, path }: { readonly job: string; readonly path: string }) {
  const { data, problem } = useAnswer<JobStats>(`${path}/stats`, ['runs']);
  if (data === undefined) return <ProblemText problem={problem} />;
  if (data.runs.length === 0) return null;
  return (
    <>
      <h2>The last {data.runs.length} runs</h2>
      {data.medianSeconds !== undefined && (
        <p>Half of them took at most {secondsText(data.medianSeconds)}.</p>
      )}
      <Chart job={job} stats={data} />
    </>
  );
}
