/** The next 24 hours: which job runs when, where many come at once, and where clocks change. */
import { useMemo } from 'preact/hooks';
import { useAll } from '../answers.js';
import { clock } from '../clock.js';
import { JobLink, ProblemText } from '../parts.js';
import { route } from '../route.js';
import { Search } from '../search.js';
import { countText, Time, timeText, zoneOf } from '../times.js';

interface Scheduled {
  readonly job: string;
  readonly timezone: string;
  readonly window?: string;
  readonly slots: readonly string[];
}

interface Hour {
  readonly from: number;
  readonly slots: readonly { readonly job: string; readonly slot: string }[];
}

const hourMs = 3600_000;
/** So many jobs within an hour are marked. */
const crowded = 20;
/** Slots of an hour that are drawn at first. */
const shown = 30;

export function Schedule() {
  const { data, problem } = useAll<Scheduled>('schedule', ['config', 'pauses']);
  const text = (route.value.filter.get('q') ?? '').toLowerCase();
  const hour = Math.floor(clock.value / hourMs) * hourMs;
  const found = useMemo(
    () => (data ?? []).filter(({ job }) => job.toLowerCase().includes(text)),
    [data, text],
  );
  const hours = useMemo(() => hoursFrom(found, hour), [found, hour]);
  if (data === undefined) return problem ? <ProblemText problem={problem} /> : <p>asking …</p>;
  const later = found.filter(
    ({ slots }) => !slots.some((slot) => Date.parse(slot) < hour + 24 * hourMs),
  );
  return (
    <>
      <ProblemText problem={problem} />
      <Search
        label="Search jobs"
        found={`${countText(found.length)} of ${countText(data.length)} schedules`}
      />
      <Changes zones={[...new Set(found.map(({ timezone }) => timezone))]} from={hour} />
      {hours.length === 0 && <p>No slot comes in the next 24 hours.</p>}
      {hours.map(({ from, slots }) => (
        <section key={from} aria-label={timeText(from, zoneOf(undefined))}>
          <h2>
            <Time at={from} /> <span class="quiet">{countText(slots.length)}</span>
            {slots.length >= crowded && <span class="warn"> ! many at once</span>}
          </h2>
          <ul class="plain slots">
            {slots.slice(0, shown).map(({ job, slot }) => (
              <li key={`${job} ${slot}`}>
                <Time at={slot} job={job} /> <JobLink job={job} />
              </li>
            ))}
            {slots.length > shown && <li>and {slots.length - shown} more: search for a job</li>}
          </ul>
        </section>
      ))}
      {later.length > 0 && (
        <p class="quiet">
          {countText(later.length)} {later.length === 1 ? 'schedule has' : 'schedules have'} no slot
          in the next 24 hours.
        </p>
      )}
    </>
  );
}

/** The hours of the next day that have slots. */
function hoursFrom(found: readonly Scheduled[], hour: number): Hour[] {
  const byHour = new Map<number, { job: string; slot: string }[]>();
  for (const { job, slots } of found)
    for (const slot of slots) {
      const from = Math.floor(Date.parse(slot) / hourMs) * hourMs;
      if (from < hour || from >= hour + 24 * hourMs) continue;
      const own = byHour.get(from);
      if (own === undefined) byHour.set(from, [{ job, slot }]);
      else own.push({ job, slot });
    }
  return [...byHour]
    .sort(([one], [other]) => one - other)
    .map(([from, slots]) => ({
      from,
      slots: slots.sort((one, other) => (one.slot < other.slot ? -1 : 1)),
    }));
}

/** Says where clocks change within the day. */
function Changes({ zones, from }: { readonly zones: readonly string[]; readonly from: number }) {
  const lines = zones.flatMap((zone) => {
    const [before, after] = [offsetAt(zone, from), offsetAt(zone, from + 24 * hourMs)];
    return before === after ? [] : [`clocks change in ${zone}: ${before} to ${after}`];
  });
  return lines.length === 0 ? null : (
    <ul class="plain warn">
      {lines.map((line) => (
        <li key={line}>! {line}</li>
      ))}
    </ul>
  );
}

function offsetAt(zone: string, at: number): string {
  const parts = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' });
  return parts.formatToParts(at).find(({ type }) => type === 'timeZoneName')?.value ?? '';
}
