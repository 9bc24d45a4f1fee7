/** What needs somebody: what, since when, how often, what to do, and who takes care of it. */
import { Act, JobLink, RunLink, When } from '../parts.js';
import { to } from '../route.js';
import { countText, Time } from '../times.js';
import type { Incident } from '../types.js';

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
  const { id, cause, job, remote, subject, message, hint, run, count, openedAt } = incident;
  const { acknowledged, silenced, lastSuccess } = incident;
  const of = job ?? remote ?? subject ?? cause;
  return (
    <>
      <strong class="bad">✕ {cause}</strong> {job !== undefined && <JobLink job={job} />}{' '}
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
        {run !== undefined && <RunLink run={run}>look</RunLink>}
        <Act
          name="Acknowledge"
          of={of}
          path={`incidents/${encodeURIComponent(id)}/acknowledge`}
          whyNot={acknowledged && `${acknowledged.by} has acknowledged it`}
        />
        {silenced === undefined && (job ?? remote) !== undefined && (
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
