/** What needs somebody: what, since when, how often, what to do, and who takes care of it. */
import { useAnswer, useLong } from '../answers.js';
import { Choice } from '../choice.js';
import { Act, JobLink, ProblemText, RunLink, When } from '../parts.js';
import { route, to } from '../route.js';
import { countText, Time } from '../times.js';
import type { Incident, WholeIncident } from '../types.js';

/** All that needs somebody, and did. */
export function AllIncidents() {
  const state = route.value.filter.get('state') ?? '';
  const query = state === '' ? '' : `?state=${state}`;
  const { data, problem, hasMore, more } = useLong<Incident>(`incidents${query}`, ['incidents']);
  return (
    <>
      <div class="filters">
        <Choice name="state" of={['open', 'closed']} />
      </div>
      <ProblemText problem={problem} />
      {data?.length === 0 && <p class="good">✓ There is none.</p>}
      {data !== undefined && <Incidents incidents={data} />}
      {hasMore && (
        <button type="button" onClick={more}>
          More
        </button>
      )}
    </>
  );
}

/** One incident, step by step: the messages about it lead here. */
export function IncidentView() {
  const path = `incidents/${encodeURIComponent(route.value.name ?? '')}`;
  const { data, problem } = useAnswer<WholeIncident>(path, ['incidents']);
  if (data === undefined) return problem ? <ProblemText problem={problem} /> : <p>asking …</p>;
  const { job, description, closedAt, closedBy } = data;
  return (
    <>
      <ProblemText problem={problem} />
      <Line incident={data} />
      {description !== undefined && <p>{description}</p>}
      {closedAt !== undefined && (
        <p class="good">
          ✓ ended <When at={closedAt} {...(job !== undefined && { job })} />
          {closedBy !== undefined && `: ${closedBy}`}
        </p>
      )}
      <h2>Steps</h2>
      <ul class="plain rows">
        {data.steps.map(({ at, step, run, channel, by, why }) => (
          <li key={`${at} ${step} ${channel ?? ''}`}>
            <Time at={at} job={job} /> {step}
            {channel !== undefined && ` ${channel}`}
            {by !== undefined && ` by ${by}`}
            {why !== undefined && `: ${why}`} {run !== undefined && <RunLink run={run} />}
          </li>
        ))}
      </ul>
    </>
  );
}

export function Incidents({ incidents }: { readonly incidents: readonly Incident[] }) {
  return (
    <ul class="plain rows">
      {incidents.map((incident) => (
        <li key={incident.id}>
          <Line incident={incident} />
        </li>
      ))}
    </ul>
  );
}

function Line({ incident }: { readonly incident: Incident }) {
  const { id, cause, state, job, remote, subject, message, hint, run, count, openedAt } = incident;
  const { acknowledged, silenced, lastSuccess } = incident;
  const of = job ?? remote ?? subject ?? cause;
  return (
    <>
      {state === 'open' ? (
        <strong class="bad">✕ {cause}</strong>
      ) : (
        <strong>✓ {cause}, ended</strong>
      )}{' '}
      {job !== undefined && <JobLink job={job} />}{' '}
      {remote !== undefined && <a href={to('remote', remote)}>{remote}</a>}
      {subject} since <When at={openedAt} {...(job !== undefined && { job })} />
      {count > 1 && `, ${countText(count)} times`}
      <div>{message}</div>
      {hint !== undefined && <div>Next step: {hint}</div>}
      {lastSuccess !== undefined && (
        <div class="quiet">
          last success <Time at={lastSuccess} job={job} />
        </div>
      )}
      {acknowledged !== undefined && (
        <div class="quiet">
          acknowledged by {acknowledged.by} <Time at={acknowledged.at} job={job} />
        </div>
      )}
      {silenced !== undefined && (
        <div class="quiet">
          silenced by {silenced.by} to <Time at={silenced.until} job={job} />
          {silenced.reason !== undefined && `: ${silenced.reason}`}
        </div>
      )}
      <div class="actions">
        {run !== undefined && <RunLink run={run}>look</RunLink>}{' '}
        <a href={to('incidents', id)}>steps</a>{' '}
        <Act
          name="Acknowledge"
          of={of}
          path={`incidents/${encodeURIComponent(id)}/acknowledge`}
          whyNot={
            state === 'closed'
              ? 'it has ended'
              : acknowledged && `${acknowledged.by} has acknowledged it`
          }
        />
        {state === 'open' && silenced === undefined && (job ?? remote) !== undefined && (
          <Act
            name="Silence 2 h"
            of={of}
            path="silences"
            body={{
              scope: job === undefined ? 'remote' : 'job',
              name: job ?? remote,
              until: new Date(Date.now() + 2 * 3600_000).toISOString(),
            }}
          />
        )}
      </div>
    </>
  );
}
