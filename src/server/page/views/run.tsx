/** One run: how it ended and why, what to do next, its plan, failures and log. */
import { useState } from 'preact/hooks';
import { useAnswer, useLong, useSettled } from '../answers.js';
import { LogView, textOf } from '../log-view.js';
import { type Column, LongList } from '../long-list.js';
import { Act, ErrorText, JobLink, OutcomeMark, ProblemText, RestText } from '../parts.js';
import { ProgressBar } from '../progress-bar.js';
import { route, setFilter, to } from '../route.js';
import { Search } from '../search.js';
import { bytesText, countText, secondsText, Time } from '../times.js';
import type { Failure, Files, LogLine, RunDetail } from '../types.js';

const parts = ['failures', 'plan', 'log', 'transcript'] as const;

export function RunView() {
  const run = route.value.name ?? '';
  const path = `runs/${encodeURIComponent(run)}`;
  const { data, problem } = useAnswer<RunDetail>(path, ['runs']);
  if (data === undefined) return problem ? <ProblemText problem={problem} /> : <p>asking …</p>;
  return (
    <>
      <ProblemText problem={problem} />
      <Head run={data} />
      <Actions run={data} path={path} />
      {data.outcome === 'refused' && <Approve run={data} path={path} />}
      <Facts run={data} />
      {data.targets !== undefined && <Targets run={data} />}
      <Parts run={data} path={path} />
    </>
  );
}

function Head({ run }: { readonly run: RunDetail }) {
  const { outcome, state, error, job, description, progress } = run;
  return (
    <>
      <p class="large">
        <JobLink job={job} />{' '}
        {state === 'ended' && outcome !== undefined ? <OutcomeMark outcome={outcome} /> : state}
        {state === 'active' && <> {<ProgressBar run={run.run} first={progress} />}</>}
      </p>
      {description !== undefined && <p class="quiet">{description}</p>}
      {error !== undefined && <ErrorText error={error} />}
    </>
  );
}

function Actions({
  run: { run, state, job },
  path,
}: {
  readonly run: RunDetail;
  readonly path: string;
}) {
  const isEnded = state === 'ended';
  const open = (answer: unknown) => {
    location.hash = to('run', (answer as { run: string }).run);
  };
  return (
    <p class="actions">
      <Act
        name="Rerun"
        of={job}
        path={`${path}/rerun`}
        isOnce
        onDone={open}
        whyNot={isEnded ? undefined : 'the run has not ended'}
      />{' '}
      <Act
        name="Cancel"
        of={run}
        path={`${path}/cancel`}
        sure={`Stop this run of ${job}?`}
        whyNot={isEnded ? 'the run has ended' : undefined}
      />
    </p>
  );
}

/** Carries out what was refused; whoever does that types how much it deletes, so that nobody does it by a slip. */
function Approve({ run: { job }, path }: { readonly run: RunDetail; readonly path: string }) {
  const [typed, setTyped] = useState('');
  const open = (answer: unknown) => {
    location.hash = to('run', (answer as { run: string }).run);
  };
  return (
    <p class="actions">
      <label>
        files that its plan deletes{' '}
        <input
          inputMode="numeric"
          size={8}
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value.trim())}
        />
      </label>
      <Act
        name="Approve"
        of={job}
        path={`${path}/approve`}
        body={{ deletions: Number(typed) }}
        onDone={open}
        whyNot={/^\d+$/.test(typed) ? undefined : 'type the number of deletions in its plan'}
      />
    </p>
  );
}

function Facts({ run }: { readonly run: RunDetail }) {
  const { trigger, slot, startedAt, endedAt, seconds, worker, by, attempt, waitsFor, job } = run;
  const { sessions, verified, notGuaranteed, files, bytes, operation } = run;
  const rows: readonly (readonly [string, unknown])[] = [
    ['operation', operation],
    ['trigger', by === undefined ? trigger : `${trigger}, by ${by}`],
    ['slot', slot && <Time at={slot} job={job} />],
    ['waits for', waitsFor],
    ['began', startedAt && <Time at={startedAt} job={job} />],
    ['ended', endedAt && <Time at={endedAt} job={job} />],
    ['took', seconds === undefined ? undefined : secondsText(seconds)],
    ['attempt', attempt],
    ['worker', worker],
    ['files', files && filesText(files)],
    ['bytes', bytes === undefined ? undefined : bytesText(bytes)],
    ['logins', sessions],
    ['verified by', verified],
    ['not guaranteed', notGuaranteed?.join(', ')],
  ];
  return (
    <dl class="facts">
      {rows
        .filter(([, value]) => value !== undefined && value !== '')
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value as string}</dd>
          </div>
        ))}
    </dl>
  );
}

function filesText({ copied, attrs, deleted, unchanged, skipped, failed }: Files): string {
  const counts = { copied, attrs, deleted, unchanged, skipped, failed };
  return Object.entries(counts)
    .filter(([name, count]) => count > 0 || name === 'copied')
    .map(([name, count]) => `${countText(count)} ${name}`)
    .join(', ');
}

function Targets({ run }: { readonly run: RunDetail }) {
  return (
    <table>
      <caption>Targets</caption>
      <thead>
        <tr>
          <th>target</th>
          <th>outcome</th>
          <th>took</th>
          <th>files</th>
          <th>why</th>
        </tr>
      </thead>
      <tbody>
        {run.targets?.map(({ target, outcome, seconds, files, error }) => (
          <tr key={target}>
            <td>{target}</td>
            <td>
              <OutcomeMark outcome={outcome} />
            </td>
            <td>{secondsText(seconds)}</td>
            <td>{filesText(files)}</td>
            <td>{error?.message ?? ''}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** What there is to read of the run; which of it is in the address. */
function Parts({ run, path }: { readonly run: RunDetail; readonly path: string }) {
  const first = (run.failures ?? 0) > 0 ? 'failures' : 'log';
  const chosen = route.value.filter.get('part') ?? first;
  return (
    <>
      <div class="parts">
        {parts.map((part) => (
          <button
            key={part}
            type="button"
            aria-pressed={part === chosen}
            onClick={() => setFilter('part', part)}
          >
            {part}
            {part === 'failures' && ` (${countText(run.failures ?? 0)})`}
          </button>
        ))}
      </div>
      {chosen === 'failures' && <Failures path={path} />}
      {chosen === 'plan' && <Plan path={path} />}
      {(chosen === 'log' || chosen === 'transcript') && (
        <LogView key={chosen} path={path} part={chosen} run={run} />
      )}
    </>
  );
}

const failureColumns: readonly Column<Failure>[] = [
  { name: 'path', cell: ({ path }) => <code title={path}>{path}</code> },
  { name: 'target', cell: ({ target }) => target ?? '' },
  {
    name: 'why',
    cell: ({ kind, message }) => <span title={message}>{`${kind}: ${message}`}</span>,
  },
];

function Failures({ path }: { readonly path: string }) {
  const text = useSettled(route.value.filter.get('q') ?? '');
  const query = text === '' ? '' : `?q=${encodeURIComponent(text)}`;
  const found = useLong<Failure>(`${path}/failures${query}`, ['runs']);
  return (
    <Lines
      name="failures"
      none="No path failed."
      found={found}
      columns={failureColumns}
      keyOf={({ path: name, target }) => `${target} ${name}`}
      widths="minmax(10rem, 1fr) minmax(0, 10rem) minmax(12rem, 2fr)"
    />
  );
}

const planColumns: readonly Column<LogLine>[] = [
  { name: 'what', cell: (line) => <span title={textOf(line)}>{textOf(line)}</span> },
];

function Plan({ path }: { readonly path: string }) {
  const text = useSettled(route.value.filter.get('q') ?? '');
  const query = text === '' ? '' : `?q=${encodeURIComponent(text)}`;
  const found = useLong<LogLine>(`${path}/plan${query}`, ['runs']);
  return (
    <Lines
      name="plan"
      none="It has no plan: it ended before it compared both sides."
      found={found}
      columns={planColumns}
      keyOf={(line) => `${line.time} ${textOf(line)}`}
      widths="minmax(10rem, 1fr)"
    />
  );
}

interface LinesProps<T> {
  readonly name: string;
  /** What is said when there are none. */
  readonly none: string;
  readonly found: ReturnType<typeof useLong<T>>;
  readonly columns: readonly Column<T>[];
  readonly keyOf: (item: T) => string;
  readonly widths: string;
}

function Lines<T>({ name, none, found, columns, keyOf, widths }: LinesProps<T>) {
  const { data, problem, hasMore, more, rest } = found;
  const count = `${countText(data?.length ?? 0)}${hasMore ? ' or more' : ''} lines`;
  return (
    <>
      <Search label={`Search the ${name}`} found={count} />
      <ProblemText problem={problem} />
      <RestText rest={rest} />
      {data === undefined && problem === undefined && <p>asking …</p>}
      {data?.length === 0 && <p>{none}</p>}
      {data !== undefined && data.length > 0 && (
        <LongList
          label={name}
          items={data}
          columns={columns}
          keyOf={keyOf}
          widths={widths}
          more={hasMore ? more : undefined}
        />
      )}
    </>
  );
}
