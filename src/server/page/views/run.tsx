/** One run: how it ended and why, what to do next, its plan, failures and log. */
import { useAll, useAnswer } from '../answers.js';
import { LogView } from '../log-view.js';
import { Act, ErrorText, JobLink, OutcomeMark, ProblemText } from '../parts.js';
import { ProgressBar } from '../progress-bar.js';
import { route, setFilter, to } from '../route.js';
import { bytesText, countText, secondsText, Time } from '../times.js';
import type { Failure, Files, LogLine, RunDetail } from '../types.js';

const parts = ['failures', 'plan', 'log'] as const;

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
      {chosen === 'log' && <LogView path={`${path}/log`} run={run} />}
    </>
  );
}

function Failures({ path }: { readonly path: string }) {
  const { data, problem } = useAll<Failure>(`${path}/failures`, ['runs']);
  if (data === undefined) return problem ? <ProblemText problem={problem} /> : <p>asking …</p>;
  if (data.length === 0) return <p>No path failed.</p>;
  return (
    <ul class="plain rows">
      {data.map(({ path: name, kind, message, target }) => (
        <li key={`${target} ${name}`}>
          <code>{name}</code> {target !== undefined && `at ${target} `}
          <span class="bad">
            {kind}: {message}
          </span>
        </li>
      ))}
    </ul>
  );
}

function Plan({ path }: { readonly path: string }) {
  const { data, problem } = useAll<LogLine>(`${path}/plan`, ['runs']);
  if (data === undefined) return problem ? <ProblemText problem={problem} /> : <p>asking …</p>;
  if (data.length === 0) return <p>It has no plan: it ended before it compared both sides.</p>;
  return (
    <>
      {data.map((plan) => (
        <dl class="facts" key={plan.time}>
          {['target', 'mkdirs', 'copies', 'attrs', 'renames', 'deletes', 'conflicts', 'bytes'].map(
            (name) =>
              plan[name] === undefined ? null : (
                <div key={name}>
                  <dt>{name}</dt>
                  <dd>{name === 'bytes' ? bytesText(Number(plan[name])) : String(plan[name])}</dd>
                </div>
              ),
          )}
        </dl>
      ))}
    </>
  );
}
