/** Is anything wrong now; what ran last night; what runs; what comes next. */
import { useAnswer } from '../answers.js';
import {
  Act,
  JobLink,
  OutcomeMark,
  PauseText,
  ProblemText,
  RunLink,
  signs,
  When,
} from '../parts.js';
import { ProgressBar } from '../progress-bar.js';
import { to } from '../route.js';
import { countText, Time } from '../times.js';
import type { NowAnswer, Outcome } from '../types.js';
import { Incidents } from './incidents.js';

/** Lines of a part that are shown at first. */
const shown = 10;

export function Now() {
  const { data, problem } = useAnswer<NowAnswer>('now', [
    'runs',
    'pauses',
    'workers',
    'config',
    'queue',
    'incidents',
  ]);
  if (data === undefined) return problem ? <ProblemText problem={problem} /> : <p>asking …</p>;
  return (
    <>
      <ProblemText problem={problem} />
      <Wrong now={data} />
      <LastDay now={data} />
      <Running now={data} />
      <Next now={data} />
      <p class="quiet">
        ferryline {data.version}, {countText(data.jobs)} jobs of {data.config.file}, queue{' '}
        {data.queue.kind}, up since <Time at={data.startedAt} />
      </p>
    </>
  );
}

function Wrong({ now }: { readonly now: NowAnswer }) {
  const { queue, config, warnings, pauses, asOf } = now;
  // somebody wanted a cancelled one to end
  const notSucceeded = now.notSucceeded.filter(({ outcome }) => outcome !== 'cancelled');
  const lines = [
    queue.state === 'down' && (
      <li key="queue" class="bad">
        ✕ the queue can’t be reached{queue.message !== undefined && `: ${queue.message}`}
        {asOf !== undefined && (
          <>
            ; what is shown of it is of <Time at={asOf} />
          </>
        )}
      </li>
    ),
    config.error !== undefined && (
      <li key="config" class="bad">
        ✕ jobs.yml was not taken; the one of <Time at={config.loadedAt} /> is in use
        <pre>{config.error}</pre>
      </li>
    ),
    ...warnings.map((warning) => (
      <li key={warning} class="warn">
        ! {warning}
      </li>
    )),
  ].filter(Boolean);
  const incidents = now.incidents ?? [];
  const isWell = lines.length === 0 && notSucceeded.length === 0 && incidents.length === 0;
  return (
    <section aria-labelledby="wrong">
      <h2 id="wrong">Wrong now</h2>
      {isWell && <p class="good">✓ Nothing is wrong.</p>}
      {lines.length > 0 && <ul class="plain">{lines}</ul>}
      {incidents.length > 0 && <Incidents incidents={incidents} />}
      {notSucceeded.length > 0 && (
        <>
          <p>
            {countText(notSucceeded.length)} {notSucceeded.length === 1 ? 'job' : 'jobs'} did not
            succeed at last:
          </p>
          <ul class="plain rows">
            {notSucceeded.slice(0, shown * 2).map(({ job, run, outcome, endedAt }) => (
              <li key={job}>
                <JobLink job={job} /> <OutcomeMark outcome={outcome} />{' '}
                <When at={endedAt} job={job} /> <RunLink run={run}>why</RunLink>{' '}
                <Act name="Rerun" of={job} path={`runs/${run}/rerun`} isOnce />
              </li>
            ))}
          </ul>
          {notSucceeded.length > shown * 2 && <p>and {notSucceeded.length - shown * 2} more</p>}
        </>
      )}
      {pauses.length > 0 && (
        <ul class="plain">
          {pauses.map((pause) => (
            <li key={`${pause.scope} ${pause.job ?? pause.remote}`}>
              <PauseText pause={pause} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function LastDay({ now }: { readonly now: NowAnswer }) {
  const { since, outcomes, didNotRun, movedNothing } = now.lastDay;
  const counts = Object.entries(outcomes).filter(([, count]) => count > 0) as [Outcome, number][];
  return (
    <section aria-labelledby="last-day">
      <h2 id="last-day">Last 24 hours</h2>
      <p class="counts">
        {counts.length === 0 && <span>no run</span>}
        {counts.map(([outcome, count]) => (
          <a
            key={outcome}
            class={`outcome ${outcome}`}
            href={to('runs', undefined, { outcome, since })}
          >
            {countText(count)} <span aria-hidden="true">{signs[outcome]}</span> {outcome}
          </a>
        ))}
        {didNotRun !== undefined && didNotRun > 0 && (
          <a class="warn" href={to('slots')}>
            {countText(didNotRun)} did not run
          </a>
        )}
      </p>
      {movedNothing.length > 0 && (
        <p class="warn">
          ! {movedNothing.length} moved nothing, and usually do:{' '}
          {movedNothing.slice(0, shown).map((job) => (
            <>
              <JobLink job={job} />{' '}
            </>
          ))}
          {movedNothing.length > shown && `and ${movedNothing.length - shown} more`}
        </p>
      )}
    </section>
  );
}

function Running({ now }: { readonly now: NowAnswer }) {
  const { active, waiting } = now;
  return (
    <section aria-labelledby="running">
      <h2 id="running">Running</h2>
      {active.length === 0 && <p>No run is being carried out.</p>}
      <ul class="plain rows">
        {active.map(({ run, job, progress }) => (
          <li key={run}>
            <RunLink run={run}>{job}</RunLink> <ProgressBar run={run} first={progress} />{' '}
            <Act
              name="Cancel"
              of={job}
              path={`runs/${run}/cancel`}
              sure={`Stop this run of ${job}?`}
            />
          </li>
        ))}
      </ul>
      {waiting > 0 && (
        <p>
          {countText(waiting)} {waiting === 1 ? 'run waits' : 'runs wait'}
        </p>
      )}
    </section>
  );
}

function Next({ now }: { readonly now: NowAnswer }) {
  return (
    <section aria-labelledby="next">
      <h2 id="next">Next</h2>
      {now.next.length === 0 && <p>No schedule has a slot to come.</p>}
      <ul class="plain rows">
        {now.next.slice(0, shown).map(({ job, slot }) => (
          <li key={job}>
            <When at={slot} job={job} /> <JobLink job={job} />
          </li>
        ))}
      </ul>
    </section>
  );
}
