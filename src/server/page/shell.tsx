/** Around every view: the views' names, the zone of all times, whether what is shown is live, who is there. */
import type { ComponentType } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { notLiveSince } from './live.js';
import { route, to } from './route.js';
import { logOut, session } from './session.js';
import { Time, type ZoneChoice, zoneChoice, zoneNames } from './times.js';
import { Audit } from './views/audit.js';
import { AllIncidents, IncidentView } from './views/incidents.js';
import { JobView } from './views/job.js';
import { Jobs } from './views/jobs.js';
import { Messages } from './views/messages.js';
import { Now } from './views/now.js';
import { Remotes, RemoteView } from './views/remotes.js';
import { RunView } from './views/run.js';
import { Runs } from './views/runs.js';
import { Schedule } from './views/schedule.js';
import { Slots } from './views/slots.js';
import { Workers } from './views/workers.js';

/** By the view's name in the address. */
const views: Readonly<Record<string, { readonly title: string; readonly View: ComponentType }>> = {
  now: { title: 'Now', View: Now },
  runs: { title: 'Runs', View: Runs },
  jobs: { title: 'Jobs', View: Jobs },
  schedule: { title: 'Schedule', View: Schedule },
  slots: { title: 'Did not run', View: Slots },
  remotes: { title: 'Remotes', View: Remotes },
  remote: { title: 'Remote', View: RemoteView },
  workers: { title: 'Workers', View: Workers },
  incidents: { title: 'Incidents', View: AllOrOne },
  messages: { title: 'Messages', View: Messages },
  audit: { title: 'Audit', View: Audit },
  job: { title: 'Job', View: JobView },
  run: { title: 'Run', View: RunView },
};

const inMenu = [
  ...['now', 'incidents', 'runs', 'jobs', 'schedule', 'slots', 'remotes', 'workers', 'messages'],
  'audit',
];

export function Shell() {
  const { view, name } = route.value;
  const { title, View } = views[view] ?? { title: 'No such view', View: Unknown };
  const main = useRef<HTMLElement>(null);
  const place = `${view}/${name ?? ''}`;
  const before = useRef(place);
  useEffect(() => {
    document.title = `${name ?? title} – ferryline`;
    // a screen reader goes on where the new view begins
    if (before.current !== place) main.current?.focus();
    before.current = place;
  }, [place, name, title]);
  useSearchKey();
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        To the content
      </button>
      <header>
        <nav aria-label="Views">
          {inMenu.map((one) => (
            <a key={one} href={to(one)} aria-current={one === view ? 'page' : undefined}>
              {views[one]?.title}
            </a>
          ))}
        </nav>
        <div class="tools">
          <ZoneSwitch />
          <Live />
          <Who />
        </div>
      </header>
      <main
        id="main"
        ref={main}
        tabIndex={-1}
        class={notLiveSince.value === undefined ? '' : 'stale'}
      >
        <h1>{name ?? title}</h1>
        <View key={place} />
      </main>
    </>
  );
}

/** `/` and Ctrl-F go to the view's search field: the browser finds only what is drawn. A second Ctrl-F is the browser's. */
function useSearchKey(): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const field = document.querySelector<HTMLElement>('input[type=search]');
      const at = document.activeElement;
      const isTyping = /^(?:INPUT|TEXTAREA|SELECT)$/.test(at?.tagName ?? '');
      const isFind = event.key === 'f' && (event.ctrlKey || event.metaKey);
      const isSlash = event.key === '/' && !isTyping && !event.ctrlKey && !event.metaKey;
      if (field === null || field === at || !(isFind || isSlash)) return;
      event.preventDefault();
      field.focus();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
}

/** `#/incidents`, `#/incidents/ID`. */
function AllOrOne() {
  return route.value.name === undefined ? <AllIncidents /> : <IncidentView />;
}

function ZoneSwitch() {
  return (
    <label>
      times{' '}
      <select
        value={zoneChoice.value}
        onChange={(event) => {
          zoneChoice.value = event.currentTarget.value as ZoneChoice;
        }}
      >
        {Object.entries(zoneNames).map(([choice, name]) => (
          <option key={choice} value={choice}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

function Live() {
  const since = notLiveSince.value;
  return (
    <span role="status" class={since === undefined ? 'live' : 'live bad'}>
      {since === undefined ? (
        <>live ●</>
      ) : (
        <>
          ○ not connected since <Time at={since} />
        </>
      )}
    </span>
  );
}

function Who() {
  const now = session.value;
  if (typeof now === 'string') return null;
  return (
    <span>
      {now.by} ({now.role}){' '}
      <button type="button" onClick={() => void logOut()}>
        Log out
      </button>
    </span>
  );
}

function Unknown() {
  return (
    <p>
      There is no view of this name. <a href={to('now')}>Now</a>
    </p>
  );
}
